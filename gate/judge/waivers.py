"""Waivers: consent to one exact failure, until a day, up to a bound.

A waiver touches nothing but a FAIL of the finding it names. What is missing stays missing. One that is expired,
exceeded or unused is said aloud, since a list of forgotten waivers is how limits rot.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date

from gate import verdict
from gate.model import (
    Finding,
    Manifest,
    Op,
    Severity,
    Status,
    SuiteResult,
    ThresholdResult,
    Waiver,
    WaiverResult,
)


def apply(
    waivers: Iterable[Waiver], results: tuple[SuiteResult, ...], day: str
) -> tuple[tuple[SuiteResult, ...], tuple[WaiverResult, ...]]:
    """Mark the findings that `waivers` cover on `day` (ISO date), and say how each waiver stood."""
    states = []
    for waiver in waivers:
        state, results = _apply_one(waiver, results, day)
        states.append(_as_result(waiver, state, day))
    return results, tuple(states)


def findings(manifest: Manifest, states: tuple[WaiverResult, ...]) -> tuple[Finding, ...]:
    """One finding per waiver of `manifest`: a warning unless it was used as meant."""
    reasons = {
        "used": (Status.PASS, "covers a finding of this run"),
        "unused": (Status.WARN, "covers nothing in this run; remove it"),
        "expired": (Status.WARN, "has expired and covers nothing"),
        "exceeded": (Status.WARN, "does not cover its finding: the bound is exceeded or no value was seen"),
    }
    declared = {waiver.id for waiver in manifest.waivers}
    return tuple(
        Finding(
            id=f"run/waiver/{state.id}",
            status=reasons[state.state][0],
            severity=Severity.BLOCKER,
            reason=f"{state.finding}: {reasons[state.state][1]}",
            rule="R06",
        )
        for state in states
        if state.id in declared
    )


def _apply_one(waiver: Waiver, results: tuple[SuiteResult, ...], day: str) -> tuple[str, tuple[SuiteResult, ...]]:
    named = [f for result in results for f in result.findings if f.id == waiver.finding and f.status is Status.FAIL]
    if waiver.expires < day:
        return "expired", results
    if not named:
        return "unused", results
    thresholds = [t for result in results for t in result.thresholds if t.id == waiver.finding]
    if waiver.bound is not None and not (thresholds and all(_within(t, waiver) for t in thresholds)):
        return "exceeded", results
    return "used", tuple(_marked(result, waiver) for result in results)


def _within(threshold: ThresholdResult, waiver: Waiver) -> bool:
    if threshold.observed is None or waiver.bound is None:
        return False
    observed = threshold.observed * threshold.scale
    return observed >= waiver.bound if threshold.op in (Op.GT, Op.GE) else observed <= waiver.bound


def _marked(result: SuiteResult, waiver: Waiver) -> SuiteResult:
    def covered(status: Status, finding_id: str) -> bool:
        return finding_id == waiver.finding and status is Status.FAIL

    marked = tuple(replace(f, waived_by=waiver.id) if covered(f.status, f.id) else f for f in result.findings)
    return replace(
        result,
        status=verdict.worst(verdict.counted(finding) for finding in marked),
        findings=marked,
        thresholds=tuple(replace(t, waived_by=waiver.id) if covered(t.status, t.id) else t for t in result.thresholds),
    )


def _as_result(waiver: Waiver, state: str, day: str) -> WaiverResult:
    return WaiverResult(
        id=waiver.id,
        finding=waiver.finding,
        owner=waiver.owner,
        reason=waiver.reason,
        ticket=waiver.ticket,
        expires=waiver.expires,
        days_left=(date.fromisoformat(waiver.expires) - date.fromisoformat(day)).days,
        state=state,
    )
