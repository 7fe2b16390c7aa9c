"""Drills: what a fault may be, what it may change of a service, and which findings it may expect."""

import pytest

from gate.codec import dumps, loads
from gate.errors import ManifestError
from gate.manifest import read, schema
from gate.model import Drill, Manifest
from tests.manifests import manifest_of, problems_of

SERVICES = """\
services:
  pg: {provider: postgres}
  app: {command: [python, app.py, --fast], needs: [pg], env: {MODE: good, LEVEL: "1"}, ready: {tcp: "127.0.0.1:8123"}}
profiles:
  nightly:
    services: {app: {env: {LEVEL: "2"}}}
    suites: {b: {paths: [b]}}
"""


def drill_of(drill: str, more: str = "", profile: str | None = None) -> Drill:
    text = f"version: 1\nproject: p\nsuites: {{a: {{paths: [t]}}}}\n{more}drills: {{d: {drill}}}\n"
    return read(text.encode(), "g.yaml", profile).drills[0]


@pytest.mark.parametrize(
    ("drill", "words"),
    [
        ("{env: {F: x}}", "key 'expect' is missing"),
        ("{env: {F: x}, expect: []}", "drills.d.expect: is empty"),
        ("{env: {F: x}, expect: [a/x/y, a/x/y]}", "drills.d.expect[1]: 'a/x/y' is here twice"),
        ("{env: {}, expect: [a/x/y]}", "drills.d.env: is empty"),
        ("{expect: [a/x/y]}", "drills.d: injects no fault (give it `env`, `before`, `services`)"),
        ("{after: [x], only: fast, expect: [a/x/y]}", "drills.d: injects no fault"),
        ("{before: [], expect: [a/x/y]}", "drills.d.before: is empty"),
        ("{before: rm -r x, expect: [a/x/y]}", "drills.d.before: found 'rm -r x' where a list should stand"),
        ("{before: [-x], expect: [a/x/y]}", "drills.d.before[0]: '-x' is no program"),
        ("{before: [x], after: ['  '], expect: [a/x/y]}", "drills.d.after[0]: '  ' is no program"),
        ("{env: {F: x}, only: ' ', expect: [a/x/y]}", "drills.d.only: found ' '"),
        ("{services: {}, expect: [a/x/y]}", "drills.d.services: is empty"),
        (
            "{services: {ap: {env: {A: b}}}, expect: [a/x/y]}",
            "drills.d.services.ap: unknown service 'ap'; did you mean",
        ),
        ("{services: {app: {cmd: [x]}}, expect: [a/x/y]}", "drills.d.services.app.cmd: unknown key 'cmd'"),
        ("{services: {app: {env: {PATH: x}}}, expect: [a/x/y]}", "drills.d.services.app.env.PATH: 'PATH' decides"),
        ("{services: {app: {needs: [nope]}}, expect: [a/x/y]}", "drills.d.services.app.needs[0]: unknown service"),
        ("{services: {pg: {needs: [app]}}, expect: [a/x/y]}", "in a circle: app → pg → app"),
        ("{services: {pg: {command: [x]}}, expect: [a/x/y]}", "drills.d.services.pg.command: `command` goes with"),
        ("{env: {F: x}, expect: [c/x/y]}", "names the unknown suite 'c'"),
        ("{env: {F: x}, expect: [run/x]}", "names the unknown suite 'run'"),
        ("{env: {F: x}, expect: [a/threshold/m.max]}", "suite a has no threshold 'm.max'"),
        ("{env: {F: x}, after: [x], expct: [a/x]}", "did you mean expect?"),
    ],
)
def test_a_wrong_drill_is_refused(drill: str, words: str) -> None:
    found = problems_of(more=f"{SERVICES}drills: {{d: {drill}}}")
    assert len([problem for problem in found if words in problem]) == 1, found


@pytest.mark.parametrize("name", ["PYTEST_ADDOPTS", "PATH", "GATE_NONCE", "PG_URL"])
def test_a_drill_sets_no_name_that_a_suite_may_not_set(name: str) -> None:
    (in_suite,) = problems_of(f"paths: [t], env: {{{name}: x}}", SERVICES)
    (in_drill,) = problems_of(more=f"{SERVICES}drills: {{d: {{env: {{{name}: x}}, expect: [a/x/y]}}}}")
    assert in_drill.partition(": ")[2] == in_suite.partition(": ")[2]


def test_only_is_for_suites_that_pytest_runs() -> None:
    drill = "drills: {d: {env: {F: x}, only: fast, expect: [a/x/y]}}"
    (problem,) = problems_of("command: [x], junit: j.xml", drill)
    assert problem.startswith("drills.d.only: `only` goes with suites of pytest: a runs a command")
    assert manifest_of(more=drill).drills[0].only == "fast"


def test_a_problem_of_a_drill_is_told_once_and_at_its_own_line() -> None:
    text = f"version: 1\nproject: p\nsuites: {{a: {{paths: [t]}}}}\n{SERVICES}drills:\n  d:\n    expect: [a/x/y]\n"
    with pytest.raises(ManifestError) as caught:
        read((text + "    services: {app: {needs: [nope]}}\n").encode(), "g.yaml")
    (problem,) = caught.value.problems
    assert (problem.place.line, problem.path) == (14, "drills.d.services.app.needs[0]")


def test_a_mistake_of_the_declared_service_is_not_told_again_of_its_drill() -> None:
    services = SERVICES.replace("needs: [pg]", "needs: [gp]")
    found = problems_of(more=f"{services}drills: {{d: {{services: {{app: {{env: {{A: b}}}}}}, expect: [a/x/y]}}}}")
    assert [problem.partition(":")[0] for problem in found] == ["services.app.needs[0]"]


def test_a_drill_lays_its_changes_over_the_declared_service() -> None:
    (app,) = drill_of("{services: {app: {env: {MODE: bad}}}, expect: [a/x/y]}", SERVICES).services
    assert app.env == {"MODE": "bad", "LEVEL": "1"}
    assert app.command == ("python", "app.py", "--fast")
    (other,) = drill_of("{services: {app: {command: [python, bad.py]}}, expect: [a/x/y]}", SERVICES).services
    assert (other.command, other.needs) == (("python", "bad.py"), ("pg",))


def test_a_drill_is_laid_over_the_chosen_profile() -> None:
    (app,) = drill_of("{services: {app: {env: {MODE: bad}}}, expect: [b/x/y]}", SERVICES, "nightly").services
    assert app.env == {"MODE": "bad", "LEVEL": "2"}


def test_a_whole_drill_is_read_and_survives_being_written() -> None:
    drill = "{env: {F: x}, before: [sh, break.sh], after: [sh, mend.sh], only: fast, expect: [a/x/y, b/x/z, a/x/z]}"
    text = f"version: 1\nproject: p\nsuites: {{a: {{paths: [t]}}}}\n{SERVICES}drills: {{d: {drill}}}\n"
    manifest = read(text.encode(), "g.yaml")
    (read_drill,) = manifest.drills
    assert (read_drill.before, read_drill.after, read_drill.only) == (("sh", "break.sh"), ("sh", "mend.sh"), "fast")
    assert read_drill.suites == ("a", "b")
    assert loads(Manifest, dumps(manifest)) == manifest


def test_the_schema_for_editors_knows_every_key_of_a_drill() -> None:
    keys = schema()["$defs"]["DrillKeys"]
    assert set(keys["properties"]) == {"env", "before", "after", "services", "only", "expect"}
    assert keys["required"] == ["expect"]
