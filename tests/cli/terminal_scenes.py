"""Plans, results and records in the shapes that the terminal has to tell about."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gate.model import (
    Decision,
    Finding,
    Manifest,
    Op,
    Plan,
    PlannedSuite,
    Record,
    Scope,
    Selection,
    ServiceOutcome,
    ServiceState,
    Severity,
    Status,
    Suite,
    SuiteResult,
    TestCounts,
    ThresholdResult,
    WaiverResult,
)
from gate.protocols import Progress, SuiteProgress

RUN_DIR = Path("reports/20260102T030405Z-abcdef")
HOSTILE = "\x1b]0;title\x07\x1b[2J\x1b[31mtext\r\n\u202e\u200b\x9b1A::error::x"


def manifest(*suites: str, title: str = "Title") -> Manifest:
    declared = tuple(
        Suite(name=name, title=title, env={}, categories=("database",), needs=("postgres",), min_tests=30)
        for name in suites
    )
    return Manifest(version=1, project="shop", file="gates.yaml", digest="0", suites=declared)


def plan(*suites: str, scope: Scope = Scope.FULL, omitted: tuple[str, ...] = ()) -> Plan:
    declared = manifest(*suites)
    steps = tuple(PlannedSuite(suite=suite, expected_s=40.0) for suite in declared.suites)
    return Plan(manifest=declared, selection=Selection(), scope=scope, jobs=2, steps=steps, omitted=omitted)


def finding(finding_id: str, status: Status = Status.FAIL, **changes: Any) -> Finding:
    return replace(Finding(id=finding_id, status=status, severity=Severity.BLOCKER, reason="too slow"), **changes)


def threshold(threshold_id: str, margin: float | None) -> ThresholdResult:
    return ThresholdResult(
        id=threshold_id, metric="m", stat="p95", op=Op.LT, limit=50.0, unit="ms", observed=40.0, margin=margin,
        samples=100, status=Status.PASS, severity=Severity.BLOCKER, source="p95 < 50 ms", reason="",
    )  # fmt: skip


def result(name: str, status: Status = Status.PASS, **changes: Any) -> SuiteResult:
    base = SuiteResult(
        name=name, title=name, status=status, severity=Severity.BLOCKER, categories=(),
        tests=TestCounts(collected=42, passed=42), started_at=0.0, duration_s=14.2, findings=(), thresholds=(),
    )  # fmt: skip
    return replace(base, **changes)


def waiver(state: str = "used", **changes: Any) -> WaiverResult:
    base = WaiverResult(
        id="W-1", finding="pay/threshold/m.p95", owner="ada", reason="slow disk", ticket="OPS-7", expires="2026-12-31",
        days_left=40, state=state,
    )  # fmt: skip
    return replace(base, **changes)


def record(decision: Decision = Decision.GO, exit_code: int = 0, **changes: Any) -> Record:
    base = Record(
        schema="1", run_id="r", project="shop", decision=decision, scope=Scope.FULL, exit_code=exit_code, started_at="",
        finished_at="", duration_s=192.0, commit="4f2a1b9c33aa", tree=None, dirty=False, branch=None,
        manifest_digest="", profile=None, selection="--suite pay", environment={}, gate_version="1",
        suites=(result("pay"),), findings=(), not_run=(), services=(), waivers=(), fitness=(),
    )  # fmt: skip
    return replace(base, **changes)


def tell(progress: Progress, final: Record, text: str = "text") -> None:
    """A whole run with `text` in every place that comes from outside."""
    progress.run_started(plan("pay", "ship"), RUN_DIR)
    progress.service_starting("redis")
    progress.service_ended(
        ServiceOutcome(name="redis", provider="redis", state=ServiceState.FAILED, reason=text, version=text)
    )
    progress.suite_started("pay")
    step = SuiteProgress(done=3, total=42, failed=1, current=text, last_failure=text)
    progress.suite_progressed("pay", step, 1.0)
    progress.suite_ended(result("pay", Status.FAIL))
    progress.stopping(text)
    progress.decided(final, RUN_DIR)
