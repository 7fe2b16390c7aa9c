"""What a manifest means: suites, services, thresholds, budgets, waivers, drills, and all their problems at once."""

import hashlib

import pytest

from gate.codec import dumps, loads
from gate.errors import ManifestError
from gate.manifest import read
from gate.model import Budget, Isolation, Manifest, Place, Severity
from tests.manifests import problems_of, suite_of

CONTRACT = """\
version: 1
project: tickstream
defaults: {timeout: 5m}
services:
  postgres: {provider: postgres}
  redis: {provider: redis}
  app:
    command: [python, -m, tickstream, serve]
    ready: {http: "http://127.0.0.1:8080/healthz", timeout: 30s}
    needs: [postgres, redis]
suites:
  database_persistence:
    title: OHLCV database persistence
    paths: [suites/database_persistence]
    categories: [database, integration]
    contains: [performance]
    needs: [postgres]
    isolation: shared
    workers: 2
    timeout: 5m
    min_tests: 30
    budgets: {skipped: 0, xfailed: any, flaky: {limit: 2, reason: "slow disk", expires: 2026-12-31}}
    severity: blocker
    thresholds:
      tick_processing: p99 < 1 ms
      batch_write:
        - p95 < 50 ms
        - {check: p99 < 80 ms, severity: major, min_samples: 1000}
      ticks_lost: total == 0
    env: {LOG_LEVEL: warning}
    pytest_args: []
  soak:
    paths: [suites/soak]
    categories: [soak]
    duration: 60s
profiles:
  nightly: {suites: {soak: {duration: 4h}}}
drills:
  drop_ticks:
    env: {TICKSTREAM_FAULTS: "drop_ticks=0.001"}
    expect: ["database_persistence/threshold/ticks_lost.total"]
waivers:
  - {id: W-1, finding: "database_persistence/threshold/batch_write.p95", owner: ada, reason: "disk", ticket: OPS-7,
     expires: 2026-12-31, bound: 120 ms}
"""


def test_the_contract_is_read_as_it_is_meant() -> None:
    manifest = read(CONTRACT.encode(), "gates.yaml")
    assert (manifest.version, manifest.project, manifest.file) == (1, "tickstream", "gates.yaml")
    assert manifest.digest == hashlib.sha256(CONTRACT.encode()).hexdigest()
    assert (manifest.profile, manifest.profiles) == (None, ("nightly",))
    app = manifest.services[2]
    assert (app.provider, app.needs, app.command[0]) == ("command", ("postgres", "redis"), "python")
    assert app.ready is not None
    assert (app.ready.kind, app.ready.target, app.ready.timeout_s) == ("http", "http://127.0.0.1:8080/healthz", 30.0)
    database, soak = manifest.suites
    assert (database.title, database.workers, database.timeout_s) == ("OHLCV database persistence", 2, 300.0)
    assert (database.isolation, database.min_tests) == (Isolation.SHARED, 30)
    assert database.budgets.flaky == Budget(limit=2, reason="slow disk", expires="2026-12-31")
    assert (database.budgets.xfailed.limit, database.budgets.leaks.limit) == (None, 0)
    assert database.env == {"LOG_LEVEL": "warning"}
    assert [(t.key, t.severity.value, t.min_samples) for t in database.thresholds] == [
        ("tick_processing.p99", "blocker", None),
        ("batch_write.p95", "blocker", None),
        ("batch_write.p99", "major", 1000),
        ("ticks_lost.total", "blocker", None),
    ]
    assert (soak.title, soak.duration_s, soak.min_tests, soak.timeout_s) == ("soak", 60.0, 1, 300.0)
    assert manifest.drills[0].expect == ("database_persistence/threshold/ticks_lost.total",)
    assert (manifest.waivers[0].bound, manifest.waivers[0].bound_text) == (0.12, "120 ms")


def test_a_manifest_survives_being_written_and_read_back() -> None:
    manifest = read(CONTRACT.encode(), "gates.yaml", "nightly")
    assert loads(Manifest, dumps(manifest)) == manifest


def test_what_is_declared_knows_its_place() -> None:
    manifest = read(CONTRACT.encode(), "g.yaml")
    places = [manifest.services[0].place, manifest.suites[0].place, manifest.waivers[0].place]
    assert places == [Place(file="g.yaml", line=row, column=col) for row, col in ((5, 3), (12, 3), (43, 5))]
    lines = [(t.place.line, t.place.column) for t in manifest.suites[0].thresholds if t.place]
    assert lines == [(25, 24), (27, 11), (28, 11), (29, 19)]


def test_all_problems_come_together_in_the_order_of_the_file() -> None:
    text = """\
version: 2
project: p
defaults: {timeout: 5x}
services:
  pg: {provider: postgrs}
suites:
  one:
    pats: [tests]
    thresholds: {lat: [p95 < 5 parsecs, ratio > 3 %]}
  two: {paths: [/etc], needs: [pgg]}
waivers:
  - {id: W, finding: two, owner: a, reason: b, ticket: c}
extra: &x 1
"""
    with pytest.raises(ManifestError) as caught:
        read(text.encode(), "g.yaml")
    found = [(str(problem.place), problem.path) for problem in caught.value.problems]
    assert found == [
        ("g.yaml:1:10", "version"),
        ("g.yaml:3:21", "defaults.timeout"),
        ("g.yaml:5:18", "services.pg.provider"),
        ("g.yaml:7:3", "suites.one"),
        ("g.yaml:8:5", "suites.one.pats"),
        ("g.yaml:9:24", "suites.one.thresholds.lat[0].check"),
        ("g.yaml:10:17", "suites.two.paths[0]"),
        ("g.yaml:10:32", "suites.two.needs[0]"),
        ("g.yaml:12:5", "waivers[0]"),
        ("g.yaml:13:1", "extra"),
        ("g.yaml:13:8", "extra"),
    ]
    assert str(caught.value) == f"g.yaml has {len(found)} problems"
    assert caught.value.exit_code == 2


def test_one_problem_is_written_with_place_path_finding_and_remedy() -> None:
    with pytest.raises(ManifestError) as caught:
        read(b"version: 1\nproject: p\nsuites:\n  a:\n    paths: [t]\n    isolation: exclusiv\n", "g.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        "g.yaml:6:16: suites.a.isolation: found 'exclusiv'; did you mean exclusive? (allowed are shared exclusive)"
    ]


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        ("title: nothing", "suites.a: has nothing to run"),
        ("paths: []", "suites.a.paths: is empty"),
        ("paths: tests", "write [tests]"),
        ("paths: [tests], command: [x], junit: j.xml", "`paths` and `command` exclude each other"),
        ("command: [x]", "`command` without `junit`"),
        ("command: [], junit: j.xml", "suites.a.command: is empty"),
        ("command: [-x], junit: j.xml", "is no program"),
        ("paths: [tests], junit: j.xml", "`junit` goes with `command` only"),
        ("command: [x], junit: /tmp/j.xml", "suites.a.junit: path '/tmp/j.xml' is absolute"),
        ("command: [x], junit: j.xml, workers: 2", "`workers` goes with `paths` only"),
        ("command: [x], junit: j.xml, contains: [c]", "`contains` goes with `paths` only"),
        ("paths: [tests], workers: 2, isolation: exclusive", "exclude each other: workers would disturb"),
        ("paths: [tests], workers: -1", "allowed is at least 0"),
        ("paths: [tests], workers: 1.5", "where a whole number should stand"),
        ('paths: [tests], workers: "2"', "found '2' where a whole number should stand (leave the quotes out)"),
        ("paths: [tests], workers: true", "found the truth value true where a whole number"),
        ("paths: [tests], min_tests: 0", "allowed is at least 1"),
        ("paths: [tests], timeout: 0", "more than 0"),
        ("paths: [tests], timeout: -5s", "not a duration"),
        ("paths: [tests], timeout: 5x", "allowed are 5m, 60s"),
        ('paths: [tests], timeout: "60"', "not a duration"),
        ("paths: [tests], timeout: .inf", "not a duration"),
        ("paths: [tests], timeout: 400d", "at most 366 days"),
        ("paths: [tests], severity: fatal", "allowed are blocker major info"),
        ("paths: [tests], titel: x", "unknown key 'titel'; did you mean title?"),
        ('paths: [tests], title: ""', "suites.a.title"),
        ('paths: [tests], title: "  "', "suites.a.title"),
        ('paths: [tests], title: "a\\nb"', "suites.a.title"),
        ("paths: [tests], title: 5", "put it in quotes"),
        ("paths: [tests], categories: [A]", "found 'A' (allowed are 1 to 64 of a-z 0-9 _"),
        ("paths: [tests], categories: [x, x]", "'x' is here twice"),
        ("paths: [tests], contains: [x-y]", "found 'x-y'"),
        ("paths: [tests], needs: [pg]", "unknown service 'pg' (no services are declared)"),
        ("paths: [tests], env: {A: 5}", "where a text should stand"),
        ("paths: [tests], env: {1A: x}", "'1A' is no name to be used here"),
        ("paths: [tests], budgets: {skiped: 1}", "did you mean skipped?"),
        ("paths: [tests], budgets: {skipped: -1}", "not a budget"),
        ("paths: [tests], budgets: {skipped: 1.5}", "not a budget"),
        ("paths: [tests], budgets: {skipped: true}", "not a budget"),
        ("paths: [tests], budgets: {skipped: all}", "allowed are a whole number from 0, `any`"),
        ("paths: [tests], budgets: {skipped: {reason: x}}", "key 'limit' is missing"),
        ("paths: [tests], budgets: {skipped: {limit: 1, expires: 2026-02-30}}", "no day of the calendar"),
        ("paths: [tests], budgets: {skipped: {limit: 1, expires: soon}}", "a date such as 2026-12-31"),
        ("paths: [tests], thresholds: {}", "suites.a.thresholds: is empty"),
        ("paths: [tests], thresholds: {m: []}", "suites.a.thresholds.m: is empty"),
        ("paths: [tests], thresholds: {m: 5}", "where a threshold"),
        ("paths: [tests], thresholds: {m: [[p95 < 5]]}", "found a list where a threshold"),
        ("paths: [tests], thresholds: {M: p95 < 5 ms}", "'M' is no name to be used here"),
        ("paths: [tests], thresholds: {m: p95 < 5 mss}", "unknown unit 'mss'; did you mean ms?"),
        ("paths: [tests], thresholds: {m: p95 < nan}", "a number should stand"),
        ("paths: [tests], thresholds: {m: rate > 5 ms}", "rate of m wants"),
        ("paths: [tests], thresholds: {process.rss: growth < 5}", "growth of process.rss wants a size"),
        ("paths: [tests], thresholds: {process.rss: p95 < 5 MB}", "process.rss is a resource, which has no p95"),
        ("paths: [tests], thresholds: {process.rs: max < 5 MB}", "did you mean process.rss?"),
        ("paths: [tests], thresholds: {m: [p95 < 5 ms, total == 0]}", "a metric has one kind"),
        ("paths: [tests], thresholds: {m: [p95 < 5 ms, p95 < 6 ms]}", "says the same as 'p95 < 5 ms'"),
        ("paths: [tests], thresholds: {m: {check: p95 < 5 ms, severty: info}}", "did you mean severity?"),
        ("paths: [tests], thresholds: {m: {severity: info}}", "key 'check' is missing"),
        ("paths: [tests], thresholds: {m: {check: p95 < 5 ms, min_samples: 0}}", "at least 1"),
    ],
)
def test_a_wrong_suite_is_refused(suite: str, words: str) -> None:
    found = problems_of(suite)
    assert [problem for problem in found if words in problem], found


@pytest.mark.parametrize(
    "path", ["/etc", "-x", "@args", "../x", "a/../../x", "a/b/../../..", "~/x", "a/$HOME", " ", "C:\\x", "\\x", "..\\x"]
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    assert problems_of(f"paths: [{path!r}]")[0].startswith("suites.a.paths[0]: path ")


@pytest.mark.parametrize("path", ["tests", "./tests", "a/../b", "tests/test_a.py::test_b[x/../..]", "..a/b", "a-b"])
def test_a_path_inside_the_folder_is_taken(path: str) -> None:
    assert suite_of(f"paths: [{path!r}]").paths == (path,)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--junitxml=x.xml"],
        ["--junit-xml", "x.xml"],
        ["--junitprefix=x"],
        ["-k", "fast"],
        ["-kfast"],
        ["-xqk", "fast"],
        ["-m", "slow"],
        ["-mslow"],
        ["--deselect=a::b"],
        ["--ignore=a"],
        ["--ignore-glob=a*"],
        ["--co"],
        ["--collect-only"],
        ["--setup-plan"],
        ["--setup-only"],
        ["--fixtures"],
        ["-h"],
        ["--version"],
        ["-n", "4"],
        ["-n4"],
        ["-xn4"],
        ["--numprocesses=4"],
        ["--dist=load"],
        ["--lf"],
        ["--last-failed"],
        ["--sw"],
        ["--stepwise"],
        ["--ff"],
        ["--pdb"],
        ["--trace"],
        ["-c", "other.ini"],
        ["-cother.ini"],
        ["--config-file=other.ini"],
        ["--rootdir=/"],
        ["--noconftest"],
        ["--confcutdir=x"],
        ["-W", "ignore"],
        ["-Wignore"],
        ["--pythonwarnings=ignore"],
        ["-p", "no:gate.plugin"],
        ["-pno:gate"],
        ["-p", "no:junitxml"],
        ["-p", "no:_pytest.junitxml"],
        ["-p", "no:unraisableexception"],
        ["-p", "no:warnings"],
        ["-o", "junit_family=xunit1"],
        ["-ojunit_family=xunit1"],
        ["-o", "addopts=-k x"],
        ["--override-ini=filterwarnings=ignore"],
        ["--override-ini", "junit_logging=no"],
        ["--showlocals"],
        ["-l"],
        ["--pastebin=all"],
        ["--gate-dir=x"],
        ["@more"],
        ["--timeout", "@more"],
        ["--"],
        ["tests/other"],
        ["-x", "tests/other"],
        ["--timeout=5", "tests/other"],
    ],
)
def test_an_argument_that_takes_over_what_gate_owns_is_refused(arguments: list[str]) -> None:
    found = problems_of(f"paths: [tests], pytest_args: {arguments!r}")
    assert [problem.split(": ")[0] for problem in found] in (["suites.a.pytest_args[0]"], ["suites.a.pytest_args[1]"])
    assert "is refused: " in found[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["-x"],
        ["-q", "-vv", "-s"],
        ["--timeout=60"],
        ["--timeout", "60"],
        ["--run-live"],
        ["-o", "asyncio_mode=auto"],
        ["-oasyncio_mode=auto"],
        ["--override-ini=asyncio_mode=auto"],
        ["-p", "some_plugin"],
        ["-p", "no:randomly"],
        ["--maxfail=3"],
        ["--tb=short"],
        ["-rA"],
        ["-rk"],
    ],
)
def test_an_argument_that_is_the_suites_own_is_taken(arguments: list[str]) -> None:
    assert suite_of(f"paths: [tests], pytest_args: {arguments!r}").pytest_args == tuple(arguments)


@pytest.mark.parametrize(
    "name",
    ["PYTEST_ADDOPTS", "PYTHONPATH", "PYTHONOPTIMIZE", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PATH", "GATE_NONCE"],
)
@pytest.mark.parametrize("where", ["suite", "defaults", "service", "drill"])
def test_the_environment_that_decides_what_runs_is_gates_alone(name: str, where: str) -> None:
    env = f"env: {{{name}: x}}"
    more = {
        "suite": "",
        "defaults": f"defaults: {{{env}}}",
        "service": f"services: {{s: {{command: [x], {env}}}}}",
        "drill": f"drills: {{d: {{{env}, expect: [a/run/x]}}}}",
    }[where]
    suite = f"paths: [tests], {env}" if where == "suite" else "paths: [tests]"
    (problem,) = problems_of(suite, more)
    assert f"env.{name}: '{name}' decides what runs and how" in problem


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "PYTHONUTF8", "PYTHONUNBUFFERED", "PATHS", "LOG_LEVEL", "path"])
def test_other_environment_is_the_suites_own(name: str) -> None:
    assert suite_of(f'paths: [tests], env: {{{name}: "1"}}').env == {name: "1"}


def test_the_address_of_a_service_is_not_set_by_env() -> None:
    (problem,) = problems_of("paths: [t], env: {PG_URL: x}", "services: {pg: {provider: postgres}}")
    assert "is the address of service pg; set `url` there" in problem


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5m", 300),
        ("60s", 60),
        ("1h30m", 5400),
        ("24h", 86400),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("90", 90),
        ("0.25", 0.25),
    ],
)
def test_a_duration_is_read_in_seconds(written: str, seconds: float) -> None:
    assert suite_of(f"paths: [tests], timeout: {written}").timeout_s == seconds


@pytest.mark.parametrize(
    ("suite", "timeout_s"), [("duration: 60s", 300.0), ("duration: 1h", 4020.0), ("duration: 60s, timeout: 10s", 126.0)]
)
def test_a_timeout_never_cuts_a_declared_duration_short(suite: str, timeout_s: float) -> None:
    assert suite_of(f"paths: [tests], {suite}").timeout_s == pytest.approx(timeout_s)


def test_another_tool_runs_with_its_command_and_junit() -> None:
    suite = suite_of("command: [npx, playwright, test], junit: out/junit.xml")
    assert (suite.command, suite.junit, suite.paths) == (("npx", "playwright", "test"), "out/junit.xml", ())


def test_defaults_fill_in_and_the_suite_wins() -> None:
    defaults = (
        "defaults: {timeout: 1m, workers: 2, min_tests: 5, severity: major, env: {A: x, B: x}, pytest_args: [-x],"
        " budgets: {skipped: 3, flaky: 1}}"
    )
    suite = suite_of("paths: [t], min_tests: 7, env: {B: y}, budgets: {flaky: 0}, thresholds: {m: p50 < 1 s}", defaults)
    assert (suite.timeout_s, suite.workers, suite.min_tests, suite.pytest_args) == (60.0, 2, 7, ("-x",))
    assert suite.env == {"A": "x", "B": "y"}
    assert (suite.budgets.skipped.limit, suite.budgets.flaky.limit) == (3, 0)
    assert suite.thresholds[0].severity is Severity.MAJOR


def test_default_workers_are_for_shared_pytest_suites_only() -> None:
    assert suite_of("paths: [t], isolation: exclusive", "defaults: {workers: 2}").workers == 0
    assert suite_of("command: [x], junit: j.xml", "defaults: {workers: 2, pytest_args: [-x]}").workers == 0


def test_a_wrong_default_is_one_problem_however_many_suites_take_it_over() -> None:
    more = (
        "  b: {paths: [t]}\ndefaults: {pytest_args: [--lf], env: {PATH: x}}\nprofiles: {n: {suites: {b: {workers: 1}}}}"
    )
    found = problems_of(more=more)
    assert [problem.split(": ")[0] for problem in found] == ["defaults.pytest_args[0]", "defaults.env.PATH"]
