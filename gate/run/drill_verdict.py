"""What a run without a fault and a run with one prove: record → baseline, record → result of a drill, all → exit code.

Pure. A drill is caught only when every finding that it expects came out bad and blocks, and the decision is not GO.
A limit must have been measured and missed: that its metric was not recorded is no proof that the limit can fail. Rules
of the gate that are never worse than "not known" (a skipped test, a lost service) count with what they can say.
"""

import signal
from collections.abc import Iterable, Iterator
from typing import Final

from gate import verdict
from gate.model import (
    Baseline,
    BaselineState,
    Decision,
    Drill,
    DrillMatrix,
    DrillState,
    Finding,
    Identity,
    Manifest,
    Record,
    ServiceState,
    Severity,
    Sighting,
    Status,
    SuiteResult,
    Undrilled,
)

_GO: Final = (Decision.GO, Decision.GO_WITH_WAIVERS)
# As a shell reports it: 128 + the number of the signal.
_SIGNALLED: Final = 128
# pytest's statuses for a command line that it refuses and for no tests at all.
_NOTHING_RAN: Final = ("4", "5")
# By these a breach is told as "not known", never as FAIL.
_NEVER_FAIL: Final = ("budget/", "evidence/", "tests/", "execution/services")
_SHOWN: Final = 8


def possible(finding: str, manifest: Manifest) -> bool:
    """Whether the manifest, under its profile, declares what `finding` is about."""
    name, kind, *rest = finding.split("/")
    suite = next((suite for suite in manifest.suites if suite.name == name), None)
    if suite is None or kind != "threshold":
        return suite is not None
    return any(threshold.key == "/".join(rest) for threshold in suite.thresholds)


# ---- without a fault --------------------------------------------------------------------------------------------


def baselines(suites: Iterable[str], record: Record) -> tuple[Baseline, ...]:
    """How each of `suites` did in the run without a fault; what is wrong with the run is held against all."""
    results = {result.name: result for result in record.suites}
    return tuple(_baseline(name, record, results.get(name)) for name in suites)


def unusable(earlier: Record, manifest: Manifest, now: Identity, suites: Iterable[str]) -> str:
    """Why an earlier run proves nothing about `suites` as they are now; empty when it does."""
    whole = {result.name for result in earlier.suites if result.narrowed_by is None and result.started_at is not None}
    missing = [name for name in suites if name not in whole]
    reasons = {
        f"its decision is {earlier.decision}": earlier.decision not in _GO or interrupted(earlier),
        "it was decided under another manifest": earlier.manifest_digest != manifest.digest,
        f"its profile is {earlier.profile or 'the default'}": earlier.profile != manifest.profile,
        "no commit is bound to it": earlier.commit is None,
        f"it is about commit {earlier.commit}, which is not the one that is checked out": earlier.commit != now.commit,
        "there were uncommitted changes then": earlier.dirty is not False,
        "there are uncommitted changes now": now.dirty is not False,
        f"it did not run {', '.join(missing)} whole": bool(missing),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _baseline(name: str, record: Record, result: SuiteResult | None) -> Baseline:
    if result is None:
        return Baseline(suite=name, state=BaselineState.NOT_KNOWN, alarms=("it was not judged",))
    blocking = [finding for finding in (*record.findings, *result.findings) if verdict.blocks(finding)]
    if not blocking:
        return Baseline(suite=name, state=BaselineState.GO)
    failed = any(verdict.counted(finding) is Status.FAIL for finding in blocking)
    state = BaselineState.FALSE_ALARM if failed else BaselineState.NOT_KNOWN
    return Baseline(suite=name, state=state, alarms=tuple(_told(finding) for finding in blocking[:_SHOWN]))


def _told(finding: Finding) -> str:
    return f"{finding.id} {finding.status}: {finding.reason}"


# ---- with one ---------------------------------------------------------------------------------------------------


def interrupted(record: Record) -> bool:
    return record.exit_code > _SIGNALLED


def judge(drill: Drill, record: Record) -> tuple[DrillState, tuple[Sighting, ...], str]:
    """Whether the run with the fault of `drill` shows what it expects; the last is the reason where it does not."""
    findings = {finding.id: finding for suite in record.suites for finding in suite.findings}
    sightings = tuple(_sighting(expected, findings.get(expected)) for expected in drill.expect)
    if interrupted(record):
        return DrillState.INTERRUPTED, sightings, "the run was interrupted"
    idle = _idle(drill, findings)
    if idle:
        return DrillState.BROKEN, sightings, f"`only: {drill.only}` selects no test of {idle}"
    absent = [service for service in record.services if service.state is ServiceState.FAILED]
    if absent:
        said = absent[0].reason.removeprefix(f"service {absent[0].name}: ")
        return DrillState.BROKEN, sightings, f"service {absent[0].name} did not come up: {said}"
    if record.decision in _GO:
        return DrillState.MISSED, sightings, f"the decision was {record.decision} in spite of the fault"
    missed = sum(not sighting.caught for sighting in sightings)
    if missed:
        of = f"{missed} of {len(sightings)} expected findings" if len(sightings) > 1 else "the expected finding"
        return DrillState.MISSED, sightings, f"{of} did not appear"
    return DrillState.CAUGHT, sightings, ""


def also(drill: Drill, record: Record) -> tuple[str, ...]:
    """The findings that blocked as well: limits first, single tests last, failures before what is not known."""
    findings = (*record.findings, *(finding for suite in record.suites for finding in suite.findings))
    others = [finding for finding in findings if verdict.blocks(finding) and finding.id not in drill.expect]
    return tuple(finding.id for finding in sorted(others, key=_weight))


def _weight(finding: Finding) -> tuple[int, bool]:
    kind = finding.id.split("/", 2)[1]
    return {"threshold": 0, "test": 2}.get(kind, 1), finding.status is not Status.FAIL


def _idle(drill: Drill, findings: dict[str, Finding]) -> str:
    """The suites of which `only` has selected nothing."""
    exits = {suite: findings.get(f"{suite}/execution/exit_code") for suite in drill.suites if drill.only}
    return ", ".join(suite for suite, found in exits.items() if found and found.observed in _NOTHING_RAN)


def _sighting(expected: str, finding: Finding | None) -> Sighting:
    if finding is None:
        return Sighting(finding=expected, caught=False, note="there was no such finding")
    caught, note = _counts(finding)
    return Sighting(
        finding=expected,
        caught=caught,
        status=finding.status,
        observed=finding.observed,
        expected=finding.expected,
        note=note,
    )


def _counts(finding: Finding) -> tuple[bool, str]:
    """Whether a finding counts as caught, and what is to be said of it."""
    name = finding.id.partition("/")[2]
    if finding.status is Status.PASS:
        return False, "it passed"
    if finding.status is Status.FAIL and finding.waived_by:
        return False, f"it is waived by {finding.waived_by}"
    if finding.status is Status.FAIL:
        return verdict.blocks(finding), "" if verdict.blocks(finding) else f"its severity is {finding.severity}"
    if finding.status is Status.UNFIT and verdict.blocks(finding):
        return True, "machine unfit"
    if name.startswith(_NEVER_FAIL) and verdict.blocks(finding):
        return True, ""
    return False, f"it is not known: {finding.reason}"


# ---- all of them ------------------------------------------------------------------------------------------------


def undrilled(manifest: Manifest, suites: Iterable[str] = ()) -> tuple[Undrilled, ...]:
    """The declared limits (of `suites`, when given) that no declared drill expects to fail."""
    drilled = {finding for drill in manifest.drills for finding in drill.expect}
    return tuple(_undrilled(manifest, drilled, frozenset(suites)))


def _undrilled(manifest: Manifest, drilled: set[str], suites: frozenset[str]) -> Iterator[Undrilled]:
    for suite in manifest.suites:
        if suites and suite.name not in suites:
            continue
        for threshold in suite.thresholds:
            finding = f"{suite.name}/threshold/{threshold.key}"
            if finding not in drilled:
                yield Undrilled(finding=finding, source=threshold.source, severity=threshold.severity)


def exit_code(matrix: DrillMatrix) -> int:
    """What the command ends with, from all else that `matrix` says."""
    if matrix.interrupted_by:
        return _SIGNALLED + signal.Signals[matrix.interrupted_by]
    lacking = matrix.require_all and any(one.severity is Severity.BLOCKER for one in matrix.undrilled)
    states: set[str] = {*(one.state for one in matrix.baselines), *(drill.state for drill in matrix.drills)}
    if lacking or not states.isdisjoint((BaselineState.FALSE_ALARM, DrillState.MISSED)):
        return verdict.EXIT_CODES[Decision.NO_GO]
    if states <= {BaselineState.GO, DrillState.CAUGHT}:
        return verdict.EXIT_CODES[Decision.GO]
    return verdict.EXIT_CODES[Decision.INCONCLUSIVE]
