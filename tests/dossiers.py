"""Hand-made dossiers for the tests of the report: one of each decision, an empty one, a hostile one, a huge one."""

import math
from collections.abc import Iterable
from dataclasses import replace

from gate import verdict
from gate.model import (
    Alarm,
    Case,
    CaseResult,
    Distribution,
    Dossier,
    Finding,
    FitnessSample,
    Metric,
    MetricKind,
    Op,
    Proportion,
    Record,
    ResourceSample,
    Scope,
    Series,
    ServiceOutcome,
    ServiceState,
    Severity,
    Status,
    SuiteDossier,
    SuiteResult,
    Tally,
    TestCounts,
    ThresholdResult,
    WaiverResult,
)

STARTED = 1_772_373_909.0
TRACEBACK = """\
    def test_ticks_survive_a_restart(database, market):
        for tick in market.ticks(10_000):
            database.write(tick)
        database.restart()
>       assert database.count() == 10_000
E       AssertionError: assert 9987 == 10000
E        +  where 9987 = <bound method Database.count of <Database postgresql://127.0.0.1:41873/ticks>>()

suites/database_persistence/test_restart.py:48: AssertionError
"""


# ---- parts ------------------------------------------------------------------------------------------------------


def finding(finding_id: str, status: Status = Status.PASS, reason: str = "as it should be", **more: object) -> Finding:
    return Finding(**{"id": finding_id, "status": status, "severity": Severity.BLOCKER, "reason": reason, **more})


def threshold(suite: str, source: str, observed: float | None, **more: object) -> ThresholdResult:
    """The result of `metric stat op limit [unit]` in `suite`: its status and margin follow from `observed`."""
    metric, stat, op, number, *unit = source.split()
    limit = float(number)
    met = (
        observed is not None
        and {
            "<": observed < limit,
            "<=": observed <= limit,
            ">": observed > limit,
            ">=": observed >= limit,
            "==": observed == limit,
        }[op]
    )
    down = op in ("<", "<=", "==")
    margin = None if observed is None or not limit else (limit - observed if down else observed - limit) / limit
    status = Status.MISSING if observed is None else Status.PASS if met else Status.FAIL
    fields = {
        "id": f"{suite}/threshold/{metric}.{stat}",
        "metric": metric,
        "stat": stat,
        "op": Op(op),
        "limit": limit,
        "unit": "".join(unit),
        "observed": observed,
        "margin": margin,
        "samples": None if observed is None else 10_000,
        "status": status,
        "severity": Severity.BLOCKER,
        "source": source.partition(" ")[2],
        "reason": "no passed test recorded it" if observed is None else "met" if met else "breached",
        "scale": {"ms": 1e-3, "us": 1e-6, "MB": 1e6, "%": 0.01}.get("".join(unit), 1.0),
    }
    return ThresholdResult(**{**fields, **more})


def as_finding(result: ThresholdResult) -> Finding:
    observed = None if result.observed is None else f"{result.observed:.6g} {result.unit}".strip()
    return Finding(
        id=result.id,
        status=result.status,
        severity=result.severity,
        reason=result.reason,
        observed=observed,
        expected=result.source,
        margin=result.margin,
        samples=result.samples,
        rule="R12",
        waived_by=result.waived_by,
    )


def latency(name: str, middle_s: float, *, count: int = 10_000, spread: float = 0.35) -> Metric:
    """A histogram metric with a log-normal-like shape, the same on every machine."""
    samples = sorted(middle_s * math.exp(spread * _normal((n + 0.5) / count)) for n in range(count))
    data = Distribution(
        count=count,
        total=math.fsum(samples),
        minimum=samples[0],
        maximum=samples[-1],
        exact=True,
        uppers=tuple(samples),
        counts=None,
        above=(),
        span_s=count * middle_s * 1.4,
    )
    return Metric(name=name, kind=MetricKind.HISTOGRAM, unit="s", data=data)


def folded(metric: Metric, width: int = 50) -> Metric:
    """The same metric with its samples in buckets of `width`."""
    data = metric.data
    assert isinstance(data, Distribution)
    uppers = tuple(data.uppers[width - 1 :: width])
    return replace(metric, data=replace(data, exact=False, uppers=uppers, counts=(width,) * len(uppers)))


def _normal(share: float) -> float:
    """A logistic stand-in for the quantile of the normal distribution."""
    return math.log(share / (1 - share)) / 1.7


def gauge(name: str, values: Iterable[float], *, unit: str = "1", every_s: float = 0.5) -> Metric:
    values = tuple(values)
    series = Series(times_s=tuple(n * every_s for n in range(len(values))), values=values)
    return Metric(name=name, kind=MetricKind.GAUGE, unit=unit, data=series)


def resources(seconds: int = 90, *, base_mb: float = 80, leak_mb: float = 0.0) -> tuple[ResourceSample, ...]:
    return tuple(
        ResourceSample(
            at_s=float(at),
            rss_bytes=int(1e6 * (base_mb * (1 - math.exp(-at / 6)) + leak_mb * at + 1.5 * math.sin(at / 3)))
            + 9_000_000,
            pss_bytes=None,
            cpu=0.6 + 0.3 * math.sin(at / 7) + 0.05 * math.sin(at * 1.7),
            fds=34 + (at // 11) % 4,
            threads=9 if at < 40 else 11,
            processes=3,
        )
        for at in range(seconds)
    )


def cases(path: str, names: Iterable[str], *, each_s: float = 0.012) -> tuple[Case, ...]:
    return tuple(
        Case(id=f"{path}::{name}", result=CaseResult.PASSED, duration_s=each_s * (1 + (n * 7) % 11))
        for n, name in enumerate(names)
    )


def suite(
    name: str,
    title: str,
    *,
    tests: tuple[Case, ...],
    thresholds: tuple[ThresholdResult, ...] = (),
    metrics: tuple[Metric, ...] = (),
    rules: tuple[Finding, ...] = (),
    start_s: float = 0.0,
    duration_s: float = 20.0,
    severity: Severity = Severity.BLOCKER,
    **more: object,
) -> SuiteDossier:
    """A suite whose findings and status follow from its tests, thresholds and further `rules`."""
    results = [case.result for case in tests]
    kept = [
        finding(f"{name}/execution/ended", reason=f"the process ended by itself after {duration_s:.1f} s", rule="R10",
                observed="EXITED", expected="EXITED"),
        finding(f"{name}/execution/exit_code", reason="exit status 0", rule="R02", observed="0", expected="0"),
        finding(f"{name}/evidence/journal.complete", reason="start, finish and end are there", rule="R08"),
        finding(f"{name}/evidence/junit.elements", reason="every element is known", rule="R04"),
        finding(f"{name}/evidence/agreement.tests", reason="journal and XML name the same tests", rule="R08"),
        finding(f"{name}/budget/skipped", reason="0 skipped, budget 0", rule="R06", observed="0", expected="<= 0"),
    ]  # fmt: skip
    broken = {rule.id for rule in rules}
    failed = [
        finding(f"{name}/test/{case.id}", Status.FAIL, f"failed: {case.detail.strip()[-80:]}", rule="R04")
        for case in tests
        if case.result in (CaseResult.FAILED, CaseResult.ERROR)
    ]
    findings = (*(f for f in kept if f.id not in broken), *rules, *failed, *map(as_finding, thresholds))
    findings = tuple(replace(f, severity=severity) if f.severity is Severity.BLOCKER else f for f in findings)
    result = SuiteResult(
        name=name,
        title=title,
        status=verdict.worst(verdict.counted(f) for f in findings),
        severity=severity,
        categories=("integration",),
        tests=TestCounts(
            collected=len(tests),
            passed=results.count(CaseResult.PASSED),
            failed=results.count(CaseResult.FAILED),
            errors=results.count(CaseResult.ERROR),
            skipped=results.count(CaseResult.SKIPPED),
            xfailed=results.count(CaseResult.XFAILED),
            xpassed=results.count(CaseResult.XPASSED),
        ),
        started_at=STARTED + start_s,
        duration_s=duration_s,
        findings=findings,
        thresholds=thresholds,
    )
    fields = {"resources": (), "alarms": (), "notes": (), "output_tail": "", **more}
    return SuiteDossier(result=result, cases=tests, metrics=metrics, **fields)


def record(suites: Iterable[SuiteDossier] = (), **more: object) -> Record:
    """A record over `suites`; decision and exit code follow from the findings."""
    results = tuple(dossier.result for dossier in suites)
    findings = more.pop("findings", None)
    if findings is None:
        findings = (
            finding("run/finished", reason="the run came to its own end", rule="R10"),
            finding("run/identity", reason="commit 3f9c2b7a41de, the same before and after", rule="R21"),
            finding("run/service/postgres", reason="up from start to end", rule="R10"),
        )
    decision = verdict.decide([*findings, *(f for result in results for f in result.findings)])
    fields = {
        "schema": "gate/record/v1",
        "run_id": "20260301T140509Z-7d3a",
        "project": "tickstream",
        "decision": decision,
        "scope": Scope.FULL,
        "exit_code": verdict.EXIT_CODES[decision],
        "started_at": "2026-03-01T14:05:09+00:00",
        "finished_at": "2026-03-01T14:07:52+00:00",
        "duration_s": 163.4,
        "commit": "3f9c2b7a41de5c6f0b8e92d7a1c4e6f8091b2d3c",
        "tree": "9e41c0d2aa57b3f1e6d8c7b5a4938271605f4e3d",
        "dirty": False,
        "branch": "release/4.2",
        "manifest_digest": "6f1e0c3b9a8d7f5e4c2b1a0998877665544332211f0e1d2c3b4a59687f6e5d4c",
        "profile": "nightly",
        "selection": "",
        "environment": {
            "python": "3.11.7",
            "pytest": "9.2.0",
            "platform": "Linux 6.8 x86_64",
            "cpu": "2 × AMD EPYC 7B13",
            "memory": "7.8 GiB",
        },
        "gate_version": "0.1.0",
        "suites": results,
        "findings": findings,
        "not_run": (),
        "services": SERVICES,
        "waivers": (),
        "fitness": FITNESS,
    }
    return Record(**{**fields, **more})


SERVICES = (
    ServiceOutcome(name="postgres", provider="postgres", state=ServiceState.READY, version="PostgreSQL 18.1",
                   url="postgresql://127.0.0.1:41873/gate", startup_s=1.42),
    ServiceOutcome(name="redis", provider="redis", state=ServiceState.EXTERNAL, version="Valkey 9.1",
                   url="redis://127.0.0.1:6379/0"),
)  # fmt: skip
FITNESS = (
    FitnessSample(at_s=0.0, when="before", load_1m=0.31, outside_cpu=0.02, steal=0.0, throttled_s=0.0, probe_s=0.0121),
    FitnessSample(at_s=163.0, when="after", load_1m=1.74, outside_cpu=0.04, steal=0.001, throttled_s=0.0,
                  probe_s=0.0124),
)  # fmt: skip


# ---- suites -----------------------------------------------------------------------------------------------------


def database(*, tick_p99_ms: float = 0.62, lost: float = 0) -> SuiteDossier:
    name = "database_persistence"
    tests = (
        *cases("suites/database_persistence/test_bars.py", [f"test_bar_{n:02}" for n in range(24)]),
        *cases("suites/database_persistence/test_restart.py", [f"test_recovery_{n}" for n in range(9)], each_s=0.09),
    )
    return suite(
        name,
        "OHLCV database persistence",
        tests=tests,
        thresholds=(
            threshold(name, "tick_processing p99 < 1 ms", tick_p99_ms, low=tick_p99_ms * 0.97, high=tick_p99_ms * 1.04),
            threshold(name, "batch_write p95 < 50 ms", 31.27),
            threshold(name, "ticks_lost total == 0", lost, samples=33),
            threshold(name, "process.rss max < 120 MB", 94.6, samples=90),
        ),
        metrics=(
            latency("tick_processing", 0.00028),
            folded(latency("batch_write", 0.017, count=2_000)),
            Metric(
                name="ticks_lost", kind=MetricKind.COUNTER, unit="1", data=Tally(total=lost, updates=33, span_s=9.5)
            ),
        ),
        resources=resources(),
        duration_s=91.2,
    )


def pattern_api() -> SuiteDossier:
    name = "pattern_api"
    return suite(
        name,
        "Pattern API",
        tests=cases("suites/pattern_api/test_patterns.py", [f"test_pattern_{n:02}" for n in range(41)]),
        thresholds=(
            threshold(name, "request p95 < 50 ms", 18.4),
            threshold(name, "cache_hits ratio > 70 %", 83.125, samples=3200),
            threshold(name, "request rate >= 400 /s", 412.7),
        ),
        metrics=(
            latency("request", 0.008, count=6_000, spread=0.6),
            Metric(name="cache_hits", kind=MetricKind.RATIO, unit="1", data=Proportion(hits=2660, misses=540)),
            gauge("queue_depth", (4 + 3 * math.sin(n / 9) + (n % 5) for n in range(120))),
        ),
        resources=resources(44, base_mb=52),
        start_s=0.4,
        duration_s=44.0,
    )


def soak(*, leak_mb: float = 0.0) -> SuiteDossier:
    name = "soak"
    return suite(
        name,
        "Soak",
        tests=cases("suites/soak/test_soak.py", ["test_memory_is_stable", "test_throughput_holds"], each_s=9.0),
        thresholds=(
            threshold(
                name, "process.rss growth < 50 MB", 88 * leak_mb + 3.2, low=88 * leak_mb + 1, high=88 * leak_mb + 6
            ),
            threshold(name, "messages rate > 10 /s", 52.4),
        ),
        metrics=(gauge("subscribers", (200 + n % 3 for n in range(180))),),
        resources=resources(110, leak_mb=leak_mb),
        start_s=46.0,
        duration_s=110.0,
    )


# ---- whole runs -------------------------------------------------------------------------------------------------


def go() -> Dossier:
    suites = (database(), pattern_api(), soak())
    return Dossier(record=record(suites), suites=suites)


def go_with_waivers() -> Dossier:
    """One threshold beyond its limit, covered by a waiver that ends soon; another waiver covers nothing."""
    name = "redis_pubsub"
    slow = threshold(name, "delivery p95 < 100 ms", 104.2, waived_by="W-1")
    pubsub = suite(
        name,
        "Redis publish and subscribe",
        tests=cases("suites/redis_pubsub/test_delivery.py", [f"test_delivery_{n}" for n in range(18)]),
        thresholds=(slow, threshold(name, "messages rate > 100 /s", 871.0)),
        metrics=(latency("delivery", 0.041, count=4_000, spread=0.5),),
        resources=resources(30),
        start_s=92.0,
        duration_s=31.0,
    )
    waivers = (
        WaiverResult(id="W-1", finding=slow.id, owner="ada", reason="the new broker arrives with 4.3", ticket="OPS-7",
                     expires="2026-03-07", days_left=6, state="used"),
        WaiverResult(id="W-2", finding="soak/threshold/process.rss.growth", owner="grace", reason="a leak, now mended",
                     ticket="OPS-3", expires="2026-12-31", days_left=305, state="unused"),
    )  # fmt: skip
    findings = (
        finding("run/finished", reason="the run came to its own end", rule="R10"),
        finding("run/waiver/W-2", Status.WARN, "covers nothing in this run; remove it", rule="R06"),
    )
    suites = (database(), pubsub)
    return Dossier(record=record(suites, findings=findings, waivers=waivers), suites=suites)


def no_go() -> Dossier:
    """Failing tests, breached and unmeasured thresholds, a leak, a lost service, missing evidence, a suite not run."""
    suites = (_broken_database(), pattern_api(), soak(leak_mb=0.9), _security(), _never_ran())
    findings = (
        finding("run/finished", reason="the run came to its own end", rule="R10"),
        finding("run/identity", reason="commit 3f9c2b7a41de, the same before and after, with changes", rule="R21"),
        finding("run/service/app", Status.ERROR, "not ready after 30 s: connection refused", rule="R10"),
    )
    app = ServiceOutcome(name="app", provider="command", state=ServiceState.FAILED, reason="not ready after 30 s",
                         log_tail="OSError: [Errno 98] address already in use")  # fmt: skip
    run = record(suites, findings=findings, dirty=True, not_run=("performance", "recovery"), services=(*SERVICES, app))
    return Dossier(record=run, suites=suites)


def _broken_database() -> SuiteDossier:
    whole = database(tick_p99_ms=1.0004, lost=13)
    failed = Case(
        id="suites/database_persistence/test_restart.py::test_ticks_survive_a_restart",
        result=CaseResult.FAILED,
        duration_s=4.812,
        detail=TRACEBACK,
    )
    error = Case(
        id="suites/database_persistence/test_bars.py::test_bar_of_an_empty_minute[trending-1m]",
        result=CaseResult.ERROR,
        duration_s=0.003,
        detail="E   psycopg.OperationalError: server closed the connection unexpectedly",
    )
    name = whole.result.name
    return suite(
        name,
        whole.result.title,
        tests=(*whole.cases, failed, error),
        thresholds=(*whole.result.thresholds, threshold(name, "recovery p95 < 1000 ms", None)),
        metrics=whole.metrics,
        rules=(
            finding(f"{name}/execution/exit_code", Status.FAIL, "pytest says that tests failed", rule="R02",
                    observed="1", expected="0"),
            finding(f"{name}/budget/leaks", Status.FAIL, "1 left over, budget 0: python3 -m worker (pid 4711)",
                    rule="R11", observed="1", expected="<= 0"),
        ),
        resources=whole.resources,
        alarms=(
            Alarm(category="PytestUnhandledThreadExceptionWarning", message="Exception in thread writer: ValueError",
                  test=failed.id),
        ),
        notes=("addopts from pytest.ini: --strict-markers",),
        output_tail="FAILED suites/database_persistence/test_restart.py::test_ticks_survive_a_restart\n2 failed",
        duration_s=91.2,
    )  # fmt: skip


def _security() -> SuiteDossier:
    name = "security"
    tests = (
        *cases("suites/security/test_authentication.py", [f"test_token_{n}" for n in range(12)]),
        Case(id="suites/security/test_injection.py::test_sql", result=CaseResult.SKIPPED, duration_s=0.0,
             detail="needs the live database"),
        Case(id="suites/security/test_injection.py::test_header", result=CaseResult.XFAILED, duration_s=0.02,
             detail="OPS-9"),
    )  # fmt: skip
    return suite(
        name,
        "Security",
        tests=tests,
        thresholds=(threshold(name, "login p99 < 250 ms", 190.0, status=Status.INSUFFICIENT, samples=120,
                              reason="120 samples, p99 needs at least 299"),),
        rules=(
            finding(f"{name}/evidence/journal.complete", Status.ERROR, "the journal has no end record", rule="R08"),
            finding(f"{name}/budget/skipped", Status.MISSING, "1 skipped, budget 0: suites/security/test_injection.py",
                    rule="R06", observed="1", expected="<= 0"),
        ),
        metrics=(latency("login", 0.07, count=120),),
        severity=Severity.MAJOR,
        start_s=46.0,
        duration_s=12.6,
    )  # fmt: skip


def _never_ran() -> SuiteDossier:
    name = "recovery"
    never = suite(name, "Recovery from loss", tests=(), duration_s=0.0)
    missing = finding(
        f"{name}/execution/ended", Status.MISSING, "never started: it needs app, which is not up", rule="R10"
    )
    result = replace(never.result, status=Status.MISSING, findings=(missing,), started_at=None)
    return replace(never, result=result)


def inconclusive() -> Dossier:
    """Nothing failed, but the machine was unfit and a metric is missing."""
    name = "performance"
    slow = suite(
        name,
        "Performance",
        tests=cases("suites/performance/test_ticks.py", [f"test_tick_{n}" for n in range(8)]),
        thresholds=(
            threshold(name, "tick p99 < 1 ms", 1.31, status=Status.UNFIT,
                      reason="breached, but the machine was unfit to measure: 38 % of the CPU was used by others"),
            threshold(name, "sustained rate >= 500 /s", None),
        ),
        metrics=(latency("tick", 0.0005, spread=0.4),),
        duration_s=33.0,
    )  # fmt: skip
    suites = (slow, pattern_api())
    return Dossier(record=record(suites), suites=suites)


def partial() -> Dossier:
    suites = (pattern_api(),)
    run = record(suites, scope=Scope.PARTIAL, selection="--suite pattern_api", not_run=("database_persistence", "soak"))
    return Dossier(record=run, suites=suites)


def empty() -> Dossier:
    """A run that saw nothing at all, outside any work tree."""
    run = record((), findings=(), services=(), fitness=(), environment={}, commit=None, tree=None, dirty=None,
                 branch=None, profile=None)  # fmt: skip
    return Dossier(record=run, suites=())


# ---- hostile ----------------------------------------------------------------------------------------------------

PAYLOADS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)> ' style='x'",
    "</td></table></details></pre></style><!-- -->",
    "\u202egnp.exe\u202c \u2066isolated\u2069 \u05e9\u05dc\u05d5\u05dd",
    "zero\u200bwidth\ufeff \U000e0041tag",
    "nul\x00 bell\x07 back\x08\x08 c1\x9b31m del\x7f",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m",
    "]]> &lt;&#0; &unknown; <![CDATA[",
    "| a | b |\n|---|---|\r\n# heading\r- item",
    "@everyone [link](https://example.invalid) www.example.invalid a@example.invalid",
    "```\n~~~\n`code` **bold** _it_ ~~gone~~ $x$",
    "\n::error title=x::y\n::set-output name=decision::GO\n##[error]z",
    "{{ 7 * 7 }} {% raw %} ${jndi:x} %0A%25",
    "lone \ud800 surrogate \uffff non-character",
    "\n**GO** (exit code 0, scope full)",
    "n" + "\u0301" * 400,
)


def _wicked(n: int) -> str:
    return f"{PAYLOADS[n % len(PAYLOADS)]} #{n}"


def everything() -> str:
    """All payloads in one text."""
    return " ".join(PAYLOADS)


def hostile(*, long: str = "") -> Dossier:
    """Every text field holds markup, control characters and commands; `long` is put behind each message."""
    bad, text = everything(), everything() + long
    tests = tuple(
        Case(id=f"{_wicked(n)}::{_wicked(n + 1)}", result=result, duration_s=float("0.5"), detail=text, worker=bad)
        for n, result in enumerate([*CaseResult] * 3)
    )
    odd = threshold("x", "m p99 < 1 ms", 2.0)
    limits = (
        replace(odd, id=f"{bad}/threshold/{bad}", metric=bad, stat="p99", unit=bad, source=bad, reason=text),
        replace(odd, id=bad, metric=bad, stat=bad, status=Status.UNFIT, source=bad, reason=text, waived_by=bad),
    )
    metrics = (
        replace(latency("m", 0.001, count=500), name=bad, unit=bad),
        replace(gauge("g", range(50)), name=bad, unit=bad),
        Metric(name=bad, kind=MetricKind.COUNTER, unit=bad, data=Tally(total=1.0, updates=1, span_s=0.0)),
    )
    findings = tuple(
        Finding(id=f"{_wicked(n)}/{_wicked(n + 3)}/{bad}", status=status, severity=severity, reason=text, observed=bad,
                expected=bad, rule=bad, waived_by=bad if n % 2 else None)
        for n, (status, severity) in enumerate((s, v) for s in Status for v in Severity)
    )  # fmt: skip
    result = SuiteResult(name=bad, title=bad, status=Status.FAIL, severity=Severity.BLOCKER, categories=(bad,),
                         tests=TestCounts(collected=len(tests)), started_at=STARTED, duration_s=3.0, findings=findings,
                         thresholds=limits, narrowed_by=bad)  # fmt: skip
    dossier = SuiteDossier(
        result=result,
        cases=tests,
        metrics=metrics,
        resources=resources(20),
        alarms=(Alarm(category=bad, message=text, test=bad),),
        notes=(text,),
        output_tail=text,
    )
    run = record(
        (dossier,),
        findings=findings,
        scope=Scope.PARTIAL,
        selection=bad,
        run_id=bad,
        project=bad,
        commit=bad,
        tree=bad,
        branch=bad,
        manifest_digest=bad,
        profile=bad,
        started_at=bad,
        finished_at=bad,
        environment={bad: text},
        gate_version=bad,
        not_run=(bad, bad),
        services=(ServiceOutcome(name=bad, provider=bad, state=ServiceState.DIED, version=bad,
                                 url="javascript:alert(1)", startup_s=1.0, reason=text, log_tail=text),),
        waivers=(WaiverResult(id=bad, finding=bad, owner=bad, reason=text, ticket="javascript:alert(1)", expires=bad,
                              days_left=-3, state=bad),),
        fitness=(replace(FITNESS[0], when=bad),),
    )  # fmt: skip
    return Dossier(record=run, suites=(dossier,))


def worded(text: str) -> Dossier:
    """A small run whose every free text is `text`, and whose shape does not depend on it."""
    case = Case(id=f"t.py::{text}", result=CaseResult.FAILED, duration_s=0.5, detail=text, worker=text)
    skipped = Case(id=f"t.py::s{text}", result=CaseResult.SKIPPED, duration_s=0.0, detail=text)
    limit = replace(
        threshold("s", "m p99 < 1 ms", 2.0), id=f"s/threshold/{text}", metric=text, source=text, reason=text
    )
    broken = (
        finding(f"s/execution/{text}", Status.FAIL, text, observed=text, expected=text),
        finding(f"s/test/{case.id}", Status.FAIL, text),
    )
    result = SuiteResult(name=text, title=text, status=Status.FAIL, severity=Severity.BLOCKER, categories=(text,),
                         tests=TestCounts(collected=2, failed=1, skipped=1), started_at=STARTED, duration_s=3.0,
                         findings=broken, thresholds=(limit,), narrowed_by=text)  # fmt: skip
    metric = Metric(name=text, kind=MetricKind.COUNTER, unit=text, data=Tally(total=1.0, updates=1, span_s=0.0))
    dossier = SuiteDossier(result=result, cases=(case, skipped), metrics=(metric,), resources=(), notes=(text,),
                           alarms=(Alarm(category=text, message=text, test=text),), output_tail=text)  # fmt: skip
    waiver = WaiverResult(id=text, finding=text, owner=text, reason=text, ticket=text, expires=text, days_left=3,
                          state=text)  # fmt: skip
    service = ServiceOutcome(name=text, provider=text, state=ServiceState.FAILED, version=text, url=text, reason=text,
                             log_tail=text)  # fmt: skip
    run = record((dossier,), scope=Scope.PARTIAL, selection=text, project=text, run_id=text, branch=text, commit=text,
                 profile=text, environment={text: text}, not_run=(text,), waivers=(waiver,),
                 services=(service,), started_at=text, finished_at=text)  # fmt: skip
    return Dossier(record=run, suites=(dossier,))


def huge(tests: int = 100_000, *, per_file: int = 250) -> Dossier:
    """Eight suites with `tests` passing tests, their metrics and an hour of resources."""
    suites = tuple(
        suite(
            f"suite_{index}",
            f"Suite {index}",
            tests=tuple(
                Case(
                    id=f"suites/suite_{index}/test_module_{n // per_file:04}.py::TestThing::test_case[{n}]",
                    result=CaseResult.PASSED,
                    duration_s=0.001 * (1 + n % 97),
                )
                for n in range(tests // 8)
            ),
            thresholds=tuple(threshold(f"suite_{index}", f"latency_{m} p99 < 50 ms", 31.0 + m) for m in range(3)),
            metrics=tuple(folded(latency(f"latency_{m}", 0.011, count=5_000)) for m in range(3)),
            resources=resources(3_600),
            start_s=30.0 * (index // 2),
            duration_s=29.0,
        )
        for index in range(8)
    )
    return Dossier(record=record(suites), suites=suites)


ALL = {
    "go": go,
    "go_with_waivers": go_with_waivers,
    "no_go": no_go,
    "inconclusive": inconclusive,
    "partial": partial,
    "empty": empty,
    "hostile": hostile,
}
