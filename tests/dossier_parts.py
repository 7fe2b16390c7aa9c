"""Parts of hand-made dossiers: findings, thresholds, metrics, resources, suites and records."""

import math
from collections.abc import Iterable
from dataclasses import replace

from gate import verdict
from gate.model import (
    Case,
    CaseResult,
    Distribution,
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
