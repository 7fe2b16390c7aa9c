"""Evidence made by hand: a suite whose evidence is complete and good, and the ways to spoil it."""

from dataclasses import replace
from typing import Any

from gate import thresholds
from gate.judge.suite import judge_suite, required_checks
from gate.model import (
    Case,
    CaseResult,
    Check,
    Distribution,
    Ending,
    Evidence,
    Finding,
    Identity,
    Manifest,
    Metric,
    MetricKind,
    Outcome,
    Plan,
    PlannedSuite,
    RunFacts,
    Scope,
    Selection,
    Status,
    Suite,
    SuiteResult,
    Threshold,
)

DAY = "2026-11-21"


def threshold(metric: str, text: str, **more: Any) -> Threshold:
    parsed = thresholds.parse(text)
    fields = {name: getattr(parsed, name) for name in ("stat", "op", "limit", "unit", "scale", "relative", "source")}
    return Threshold(metric=metric, key=f"{metric}.{parsed.stat}", **{**fields, **more})


def suite(**changes: Any) -> Suite:
    usual: dict[str, Any] = {
        "name": "s",
        "title": "S",
        "paths": ("suites/s",),
        "min_tests": 2,
        "env": {},
        "thresholds": (threshold("latency", "p50 < 10 ms"),),
    }
    return Suite(**{**usual, **changes})


def distribution(*values: float, span_s: float = 1.0) -> Distribution:
    ordered = tuple(sorted(values))
    return Distribution(
        count=len(ordered),
        total=sum(ordered),
        minimum=ordered[0] if ordered else 0.0,
        maximum=ordered[-1] if ordered else 0.0,
        exact=True,
        uppers=ordered,
        counts=None,
        above=(),
        span_s=span_s,
    )


def metric(name: str, data: Any, unit: str = "s", kind: MetricKind = MetricKind.HISTOGRAM) -> Metric:
    return Metric(name=name, kind=kind, unit=unit, data=data)


def case(name: str, result: CaseResult = CaseResult.PASSED, detail: str = "") -> Case:
    return Case(id=f"test_s.py::{name}", result=result, duration_s=0.1, detail=detail)


def outcome(**changes: Any) -> Outcome:
    usual: dict[str, Any] = {
        "suite": "s",
        "ending": Ending.EXITED,
        "exit_code": 0,
        "started_at": 1_795_000_000.0,
        "duration_s": 1.0,
        "nonce": "n",
    }
    return Outcome(**{**usual, **changes})


def evidence(of: Suite | None = None, **changes: Any) -> Evidence:
    declared = of or suite()
    cases = (case("a"), case("b"), case("c"))
    usual: dict[str, Any] = {
        "outcome": outcome(),
        "collected": tuple(one.id for one in cases),
        "cases": cases,
        "metrics": (metric("latency", distribution(*([0.001] * 100))),),
        "checks": tuple(
            Check(name=name, rule="R08", status=Status.PASS, reason="") for name in required_checks(declared)
        ),
        "versions": {},
    }
    return Evidence(**{**usual, **changes})


def plan(*suites: Suite, **changes: Any) -> Plan:
    declared = suites or (suite(),)
    manifest = Manifest(
        version=1, project="p", file="gates.yaml", digest="d", suites=declared, **changes.pop("manifest", {})
    )
    usual: dict[str, Any] = {
        "manifest": manifest,
        "selection": Selection(),
        "scope": Scope.FULL,
        "jobs": 1,
        "steps": tuple(PlannedSuite(suite=one) for one in declared),
    }
    return Plan(**{**usual, **changes})


def facts(**changes: Any) -> RunFacts:
    same = Identity(commit="c" * 40, tree="t" * 40, branch="main", dirty=False)
    usual: dict[str, Any] = {
        "run_id": "r",
        "gate_version": "0",
        "started_at": 1_795_000_000.0,
        "finished_at": 1_795_000_010.0,
        "identity_before": same,
        "identity_after": same,
        "manifest_digest_after": "d",
        "environment": {},
    }
    return RunFacts(**{**usual, **changes})


def without_check(of: Evidence, name: str) -> Evidence:
    return replace(of, checks=tuple(check for check in of.checks if check.name != name))


def judged(
    of: Suite | None = None, seen: Evidence | None = None, *, unfit: str | None = None, **planned: Any
) -> SuiteResult:
    declared = of or suite()
    return judge_suite(
        PlannedSuite(suite=declared, **planned), seen if seen is not None else evidence(declared), day=DAY, unfit=unfit
    )


def found(result: SuiteResult, name: str) -> Finding:
    (finding,) = (finding for finding in result.findings if finding.id == f"s/{name}")
    return finding
