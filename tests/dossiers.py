"""Hand-made dossiers for the tests of the report: one of each decision, an empty one, a hostile one, a huge one."""

from dataclasses import replace

from gate.model import (
    Alarm,
    Case,
    CaseResult,
    Dossier,
    Finding,
    Metric,
    MetricKind,
    Scope,
    ServiceOutcome,
    ServiceState,
    Severity,
    Status,
    SuiteDossier,
    SuiteResult,
    Tally,
    TestCounts,
    WaiverResult,
)
from tests.dossier_parts import (
    FITNESS,
    SERVICES,
    STARTED,
    TRACEBACK,
    cases,
    database,
    finding,
    folded,
    gauge,
    latency,
    pattern_api,
    record,
    resources,
    soak,
    suite,
    threshold,
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
