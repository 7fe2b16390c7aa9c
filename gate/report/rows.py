"""What a report says, in which order and in which words, before any format gives it a shape.

Owns the rows that the formats share: the headline, the findings that block, the thresholds with their margins, the
tests by file, the slowest and the failed ones, the facts decided on, and the timeline. Everything here is still foreign
text; cleaning and escaping belong to the format, spelling of numbers to `numbers`.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from gate import verdict
from gate.model import (
    Case,
    CaseResult,
    Decision,
    Dossier,
    Finding,
    Record,
    Scope,
    Severity,
    Status,
    SuiteDossier,
    SuiteResult,
    TestCounts,
    ThresholdResult,
    WaiverResult,
)
from gate.report import numbers

FAILED: Final = frozenset({CaseResult.FAILED, CaseResult.ERROR, CaseResult.INCOMPLETE})
_SYMBOLS: Final = {Status.PASS: "✓", Status.WARN: "!", Status.FAIL: "✗"}
_TONES: Final = {Status.PASS: "good", Status.WARN: "warn", Status.FAIL: "bad"}
_DECISIONS: Final = {
    Decision.GO: ("GO", "✓", "good"),
    Decision.GO_WITH_WAIVERS: ("GO with waivers", "!", "warn"),
    Decision.NO_GO: ("NO-GO", "✗", "bad"),
    Decision.INCONCLUSIVE: ("Inconclusive", "?", "unknown"),
}
_NOT_KNOWN: Final = "unknown"
SLOWEST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How a status is shown: always a word and a sign, the tone only beside them."""

    word: str
    sign: str
    tone: str
    note: str = ""


def mark(status: Status, severity: Severity = Severity.BLOCKER, waived_by: str | None = None) -> Mark:
    """The mark of a status under its severity and waiver; the note says when it counts for less than it is."""
    counted = verdict.counted(Finding(id="", status=status, severity=severity, reason="", waived_by=waived_by))
    note = ""
    if counted is not status:
        note = f"waived by {waived_by}" if waived_by and status is Status.FAIL else f"counts as {counted}"
    sign = _SYMBOLS.get(status, "?")
    return Mark(word=status.value, sign=sign, tone=_TONES.get(counted, _NOT_KNOWN), note=note)


def decision_mark(decision: Decision) -> Mark:
    word, sign, tone = _DECISIONS[decision]
    return Mark(word=word, sign=sign, tone=tone)


# ---- the decision -----------------------------------------------------------------------------------------------


def headline(record: Record) -> str:
    """The decision in one sentence."""
    blocked = blocking(record)
    failed = sum(verdict.counted(finding) is Status.FAIL for finding in blocked)
    unknown = len(blocked) - failed
    promised = "selected" if record.scope is Scope.PARTIAL else "promised"
    match record.decision:
        case Decision.GO:
            return f"Everything that was {promised} ran, finished and met its limits."
        case Decision.GO_WITH_WAIVERS:
            used = sum(waiver.state == "used" for waiver in record.waivers)
            covered = numbers.plural(used, "waiver covers", "waivers cover")
            return f"Everything that was {promised} ran and finished; {covered} what did not meet its limit."
        case Decision.NO_GO:
            also = f", and {numbers.plural(unknown, 'more is', 'more are')} not known" if unknown else ""
            return f"{numbers.plural(failed, 'finding')} failed{also}."
        case Decision.INCONCLUSIVE:
            if not blocked:
                return "Nothing was judged, so nothing is known."
            return f"Nothing failed, but {numbers.plural(unknown, 'finding is', 'findings are')} not known."


def partial_notice(record: Record) -> str:
    """What a partial run must say of itself; empty for a full one."""
    if record.scope is Scope.FULL:
        return ""
    selected = f" Selected: {record.selection}" if record.selection else ""
    return f"Partial run. This is not a release decision.{selected}"


def facts(record: Record) -> tuple[tuple[str, str], ...]:
    """What was decided on, as label and value."""
    rows = (
        ("Project", record.project),
        ("Commit", record.commit or "none: not a git work tree"),
        ("Work tree", {None: "not known", True: "dirty: uncommitted changes", False: "clean"}[record.dirty]),
        ("Branch", record.branch or "–"),
        ("Tree", record.tree or ""),
        ("Manifest", record.manifest_digest),
        ("Profile", record.profile or "default"),
        ("Selection", record.selection or "everything"),
        ("Run", record.run_id),
        ("Started", numbers.instant(record.started_at)),
        ("Finished", f"{numbers.instant(record.finished_at)}, after {numbers.duration(record.duration_s)}"),
    )
    return tuple(row for row in rows if row[1])


def key_facts(record: Record) -> tuple[tuple[str, str], ...]:
    """The few facts that name the thing decided on, short enough to stand beside the decision."""
    commit = f"{record.commit[:12]}{', uncommitted changes' if record.dirty else ''}" if record.commit else "none"
    return (
        ("Commit", commit),
        ("Branch", record.branch or "–"),
        ("Manifest", record.manifest_digest[:12]),
        ("Profile", record.profile or "default"),
        ("Finished", numbers.instant(record.finished_at)),
    )


def blocking(record: Record) -> tuple[Finding, ...]:
    """The findings that keep this from being a GO: failures first, single tests after what speaks of a whole suite."""
    found = [finding for finding in all_findings(record) if verdict.blocks(finding)]
    return tuple(sorted(found, key=lambda finding: (finding.status is not Status.FAIL, kind(finding) == "test")))


def all_findings(record: Record) -> Iterator[Finding]:
    """The findings of the run itself, then those of each suite."""
    yield from record.findings
    for suite in record.suites:
        yield from suite.findings


def kind(finding: Finding) -> str:
    """The middle part of `<suite>/<kind>/<name>`; the whole id where there is none."""
    parts = finding.id.split("/", 2)
    return parts[1] if len(parts) == 3 else finding.id


def rules(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings about rules: no thresholds and no single tests, which have tables of their own."""
    return tuple(finding for finding in findings if kind(finding) not in ("threshold", "test"))


def days_left(waiver: WaiverResult) -> str:
    """`40 days left`, `last day`, `expired 3 days ago`."""
    if waiver.days_left == 0:
        return "last day"
    days = numbers.plural(abs(waiver.days_left), "day")
    return f"{days} left" if waiver.days_left > 0 else f"expired {days} ago"


# ---- suites and thresholds --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdRow:
    """A threshold with its numbers spelt; `margin` is the fraction, `margin_text` what to print."""

    result: ThresholdResult
    mark: Mark
    name: str
    observed: str
    interval: str
    limit: str
    margin: float | None
    margin_text: str
    samples: str


def threshold_row(result: ThresholdResult) -> ThresholdRow:
    return ThresholdRow(
        result=result,
        mark=mark(result.status, result.severity, result.waived_by),
        name=f"{result.metric} {result.stat}",
        observed="–" if result.observed is None else numbers.apart(result.observed, result.limit, result.unit),
        interval=_interval(result),
        limit=_limit(result),
        margin=result.margin,
        margin_text="–" if result.margin is None else numbers.percent(result.margin),
        samples="–" if result.samples is None else f"{result.samples:,}",
    )


def _limit(result: ThresholdResult) -> str:
    if result.limit is None:
        return result.source
    return f"{result.op.value} {numbers.limit_text(result.limit, result.unit)}"


def _interval(result: ThresholdResult) -> str:
    if result.low is None or result.high is None:
        return ""
    low, high = (numbers.significant(value, 3) for value in (result.low, result.high))
    return f"{low} to {high}"


def nearest(suite: SuiteResult) -> ThresholdRow | None:
    """The threshold nearest to its limit, or farthest beyond; None without any that was measured."""
    known = [threshold for threshold in suite.thresholds if threshold.margin is not None]
    return threshold_row(min(known, key=lambda result: result.margin or 0.0)) if known else None


def outcomes(tests: TestCounts) -> str:
    """`2 failed, 1 skipped`: every count beside the passed ones that is not zero."""
    named = {
        "failed": tests.failed,
        "error" if tests.errors == 1 else "errors": tests.errors,
        "skipped": tests.skipped,
        "xfailed": tests.xfailed,
        "xpassed": tests.xpassed,
        "flaky": tests.flaky,
        "deselected": tests.deselected,
    }
    return ", ".join(f"{number:,} {name}" for name, number in named.items() if number)


def thresholds_met(suite: SuiteResult) -> str:
    """`7/8`, blank for a suite without thresholds."""
    met = sum(threshold.status is Status.PASS for threshold in suite.thresholds)
    return f"{met}/{len(suite.thresholds)}" if suite.thresholds else ""


# ---- tests ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """The tests of one file, counted."""

    path: str
    tests: int
    passed: int
    failed: int
    other: int
    duration_s: float


def by_file(cases: Iterable[Case]) -> tuple[FileRow, ...]:
    """The tests counted per file: files with failures first, then in the order they ran."""
    counted: dict[str, list[float]] = {}
    for case in cases:
        row = counted.setdefault(case.id.partition("::")[0], [0, 0, 0, 0.0])
        row[0] += 1
        row[1] += case.result is CaseResult.PASSED
        row[2] += case.result in FAILED
        row[3] += max(case.duration_s, 0.0)
    rows = [
        FileRow(
            path=path,
            tests=int(tests),
            passed=int(passed),
            failed=int(failed),
            other=int(tests - passed - failed),
            duration_s=time_s,
        )
        for path, (tests, passed, failed, time_s) in counted.items()
    ]
    return tuple(sorted(rows, key=lambda row: row.failed == 0))


def failures(suite: SuiteDossier) -> tuple[Case, ...]:
    return tuple(case for case in suite.cases if case.result in FAILED)


def not_passed(suite: SuiteDossier) -> tuple[Case, ...]:
    """The tests that neither passed cleanly nor failed: skipped, expected to fail, unexpectedly passed, rerun."""
    return tuple(
        case
        for case in suite.cases
        if case.result not in FAILED and (case.result is not CaseResult.PASSED or case.attempts > 1)
    )


def slowest(dossier: Dossier) -> tuple[tuple[SuiteDossier, Case], ...]:
    """The slowest tests of the whole run, slowest first."""
    every = ((suite, case) for suite in dossier.suites for case in suite.cases)
    return tuple(heapq.nlargest(SLOWEST, every, key=lambda pair: pair[1].duration_s))


# ---- timeline ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A suite on the timeline, in seconds from the start of the first suite; `lane` counts from 0."""

    suite: SuiteResult
    lane: int
    start_s: float
    duration_s: float


def timeline(record: Record) -> tuple[Bar, ...]:
    """When each suite ran, each on the first lane that was free; suites that never started are not on it."""
    ran = sorted((suite.started_at, index) for index, suite in enumerate(record.suites) if suite.started_at is not None)
    bars, lanes = [], list[float]()
    for started_at, index in ran:
        suite = record.suites[index]
        lane = next((lane for lane, free_at in enumerate(lanes) if free_at <= started_at), len(lanes))
        lanes[lane : lane + 1] = [started_at + max(suite.duration_s, 0.0)]
        bars.append(Bar(suite=suite, lane=lane, start_s=started_at - ran[0][0], duration_s=max(suite.duration_s, 0.0)))
    return tuple(bars)
