"""The report as Markdown: the same order as the HTML, for pull requests, step summaries and terminals.

Promises that the decision stands on the first and on the last line whatever lies between, that the text stays within
its limit by giving up details and never the decision, and that foreign text is text: no markup, link, mention, table
cell or workflow command comes out of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gate.model import Case, Dossier, Finding, Record, Scope, Status, SuiteDossier, SuiteResult
from gate.report import curves, numbers, rows
from gate.report.markup import escaped
from gate.report.text import clip_lines, visible

LIMIT_BYTES: Final = 900 * 1024
_IN_PRE: Final = str.maketrans({char: f"&#{ord(char)};" for char in "&<>@"})
_NONE: Final = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Detail:
    """How much is told: the most rows of a table, and the most failures with the most characters of each."""

    rows: int
    failures: int
    characters: int
    words: int


# From everything that is useful down to what always fits: 14 tables of 2 rows of 60 characters.
_DETAILS: Final = (
    _Detail(rows=400, failures=60, characters=6000, words=300),
    _Detail(rows=150, failures=30, characters=2500, words=200),
    _Detail(rows=40, failures=10, characters=1200, words=160),
    _Detail(rows=10, failures=3, characters=600, words=80),
    _Detail(rows=2, failures=0, characters=0, words=60),
)


def render(dossier: Dossier, *, limit_bytes: int = LIMIT_BYTES) -> str:
    """The report in at most `limit_bytes` of UTF-8 (at least 8 KiB), with as much detail as fits."""
    for detail in _DETAILS:
        text = _render(dossier, detail)
        if len(text.encode()) <= limit_bytes:
            return text
    return _decision_only(dossier.record)


def _render(dossier: Dossier, detail: _Detail) -> str:
    blocks = [
        *_first_screen(dossier.record, detail),
        *_suites(dossier.record, detail),
        *_thresholds(dossier.record, detail),
        *_measurements(dossier, detail),
        *_timeline(dossier.record, detail),
        *_failures(dossier, detail),
        *_tests(dossier, detail),
        *_rules(dossier.record, detail),
        *_warnings(dossier, detail),
        *_surroundings(dossier.record, detail),
        "---",
        _decision(dossier.record),
    ]
    return "\n\n".join(blocks) + "\n"


def _decision_only(record: Record) -> str:
    left_out = "The details are left out: they are too many for this format. The record holds them."
    return "\n\n".join([*_headline(record), left_out, "---", _decision(record)]) + "\n"


# ---- the first screen -------------------------------------------------------------------------------------------


def _headline(record: Record) -> Iterator[str]:
    sign = rows.decision_mark(record.decision).sign
    yield f"# {sign} {record.decision}: {escaped(record.project, 80)}"
    if record.scope is Scope.PARTIAL:
        yield f"> **{escaped(rows.partial_notice(record), 300)}**"
    yield f"{escaped(rows.headline(record), 300)} Exit code {record.exit_code}, scope {record.scope}."


def _decision(record: Record) -> str:
    about = "" if record.scope is Scope.FULL else ", no release decision"
    return f"**{record.decision}** (exit code {record.exit_code}, scope {record.scope}{about})"


def _first_screen(record: Record, detail: _Detail) -> Iterator[str]:
    yield from _headline(record)
    yield _table(("Decided on", ""), [(label, _code(value, detail)) for label, value in rows.facts(record)], detail)
    blocking = rows.blocking(record)
    if blocking:
        yield f"## Blocking: {numbers.plural(len(blocking), 'finding')}"
        yield _table(_FINDING_COLUMNS, [_finding(finding, detail) for finding in blocking[: detail.rows + 1]], detail,
                     total=len(blocking))  # fmt: skip
    if record.waivers:
        yield "## Waivers"
        yield _table(("Waiver", "State", "Finding", "Owner", "Expires", "Reason"), _waivers(record, detail), detail)
    if record.not_run:
        yield "## Did not run"
        yield _listed(record.not_run, detail)
    yield "## Sign-off"
    yield _table(("Name", "Role", "Date", "Signature"), [("&nbsp;",) * 4] * 2, detail)


_FINDING_COLUMNS: Final = ("Status", "Finding", "Observed", "Expected", "Reason")


def _finding(finding: Finding, detail: _Detail) -> tuple[str, ...]:
    return (
        _mark(rows.mark(finding.status, finding.severity, finding.waived_by)),
        _code(finding.id, detail),
        escaped(finding.observed or _NONE, 80),
        escaped(finding.expected or _NONE, 80),
        escaped(finding.reason, detail.words),
    )


def _waivers(record: Record, detail: _Detail) -> Iterator[tuple[str, ...]]:
    for waiver in record.waivers:
        yield (
            f"{escaped(waiver.id, 60)} {escaped(waiver.ticket, 60)}",
            escaped(waiver.state, 20),
            _code(waiver.finding, detail),
            escaped(waiver.owner, 60),
            f"{escaped(waiver.expires, 20)}, {rows.days_left(waiver)}",
            escaped(waiver.reason, detail.words),
        )


# ---- suites, thresholds, measurements ---------------------------------------------------------------------------


def _suites(record: Record, detail: _Detail) -> Iterator[str]:
    yield "## Suites"
    columns = ("Status", "Suite", "Passed", "Other", "Time", "Limits met", "Nearest limit")
    yield _table(columns, [_suite(suite, detail) for suite in record.suites], detail)


def _suite(suite: SuiteResult, detail: _Detail) -> tuple[str, ...]:
    near = rows.nearest(suite)
    narrowed = f" (narrowed: {suite.narrowed_by})" if suite.narrowed_by else ""
    return (
        _mark(rows.mark(suite.status)),
        escaped(f"{suite.title}{narrowed}", detail.words) + " " + _code(suite.name, detail),
        f"{suite.tests.passed:,}/{suite.tests.collected:,}",
        rows.outcomes(suite.tests) or _NONE,
        numbers.duration(suite.duration_s) if suite.started_at is not None else "did not run",
        rows.thresholds_met(suite) or _NONE,
        f"{near.margin_text} {_code(near.name, detail)}" if near else _NONE,
    )


def _thresholds(record: Record, detail: _Detail) -> Iterator[str]:
    yield "## Thresholds"
    columns = ("Status", "Threshold", "Observed", "Limit", "Margin", "n", "Severity", "Reason")
    lines = []
    for suite in record.suites:
        for result in suite.thresholds:
            row = rows.threshold_row(result)
            between = f" ({row.interval})" if row.interval else ""
            name = _code(f"{suite.name}: {row.name}", detail)
            shown = (escaped(text, 80) for text in (row.observed + between, row.limit, row.margin_text, row.samples))
            reason = "" if result.status is Status.PASS else escaped(result.reason, detail.words)
            lines.append((_mark(row.mark), name, *shown, result.severity.value, reason))
    yield _table(columns, lines, detail)


def _measurements(dossier: Dossier, detail: _Detail) -> Iterator[str]:
    measured = [(suite, curves.figures(metric)) for suite in dossier.suites for metric in curves.recorded(suite)]
    if measured:
        yield "## Measurements"
        lines = [
            (_code(f"{suite.result.name}: {row.metric.name}", detail), row.metric.kind.value, f"{row.samples:,}",
             escaped(", ".join(f"{label} {value}" for label, value in row.values), 200))
            for suite, row in measured
        ]  # fmt: skip
        yield _table(("Metric", "Kind", "n", "Values"), lines, detail)
    used = [(suite, found) for suite in dossier.suites for found in curves.resources(suite.resources)]
    if used:
        yield "## Resources"
        resources = [(_code(suite.result.name, detail), found.title, found.peak, found.mean) for suite, found in used]
        yield _table(("Suite", "Resource", "Peak", "Mean"), resources, detail)


def _timeline(record: Record, detail: _Detail) -> Iterator[str]:
    bars = rows.timeline(record)
    if bars:
        yield "## Timeline"
        lines = [
            (
                _code(bar.suite.name, detail),
                f"{bar.lane + 1}",
                numbers.duration(bar.start_s),
                numbers.duration(bar.duration_s),
            )
            for bar in bars
        ]
        yield _table(("Suite", "Lane", "Start", "Time"), lines, detail)


# ---- tests ------------------------------------------------------------------------------------------------------


def _failures(dossier: Dossier, detail: _Detail) -> Iterator[str]:
    failed = [(suite, case) for suite in dossier.suites for case in rows.failures(suite)]
    if not failed:
        return
    yield f"## Failures: {numbers.plural(len(failed), 'test')}"
    for suite, case in failed[: detail.failures]:
        yield _failure(suite, case, detail)
    rest = failed[detail.failures :]
    if rest:
        yield "Further failed tests:"
        yield _listed([case.id for _, case in rest], detail)


def _failure(suite: SuiteDossier, case: Case, detail: _Detail) -> str:
    told = f"{suite.result.name}, {case.result}, {numbers.duration(case.duration_s)}"
    summary = f"<summary>{_code(case.id, detail)} ({escaped(told, 120)})</summary>"
    return f"<details>{summary}\n\n{_pre(case.detail or 'no details', detail.characters)}\n\n</details>"


def _tests(dossier: Dossier, detail: _Detail) -> Iterator[str]:
    slowest = rows.slowest(dossier)
    if slowest:
        yield "## Slowest tests"
        lines = [
            (numbers.duration(case.duration_s), _code(case.id, detail), _code(suite.result.name, detail))
            for suite, case in slowest
        ]
        yield _table(("Time", "Test", "Suite"), lines, detail)
    files = [(suite, file) for suite in dossier.suites for file in rows.by_file(suite.cases)]
    if files:
        yield "## Tests by file"
        counted = [
            (_code(file.path, detail), f"{file.tests:,}", f"{file.passed:,}", f"{file.failed:,}", f"{file.other:,}",
             numbers.duration(file.duration_s))
            for _, file in files[: detail.rows + 1]
        ]  # fmt: skip
        yield _table(("File", "Tests", "Passed", "Failed", "Other", "Time"), counted, detail, total=len(files))


def _rules(record: Record, detail: _Detail) -> Iterator[str]:
    findings = [*record.findings, *(f for suite in record.suites for f in rows.rules(suite.findings))]
    shown = [finding for finding in findings if finding.status is not Status.PASS]
    yield "## Rules of evidence"
    yield f"{len(findings) - len(shown):,} of {len(findings):,} kept."
    if shown:
        yield _table(_FINDING_COLUMNS, [_finding(finding, detail) for finding in shown], detail)


def _warnings(dossier: Dossier, detail: _Detail) -> Iterator[str]:
    alarms = [(suite, alarm) for suite in dossier.suites for alarm in suite.alarms]
    if alarms:
        yield "## Warnings"
        lines = [
            (_code(suite.result.name, detail), escaped(alarm.category, 80), escaped(alarm.message, detail.words))
            for suite, alarm in alarms
        ]
        yield _table(("Suite", "Category", "Message"), lines, detail)
    notes = [f"{suite.result.name}: {note}" for suite in dossier.suites for note in suite.notes]
    if notes:
        yield "## Notes"
        yield _listed(notes, detail)


def _surroundings(record: Record, detail: _Detail) -> Iterator[str]:
    if record.services:
        yield "## Services"
        services = [
            (_code(s.name, detail), s.state.value, escaped(s.version or _NONE, 80),
             _NONE if s.startup_s is None else numbers.duration(s.startup_s), escaped(s.reason, detail.words))
            for s in record.services
        ]  # fmt: skip
        yield _table(("Service", "State", "Version", "Start-up", "Reason"), services, detail)
    if record.fitness:
        yield "## The machine"
        fitness = [
            (escaped(s.when, 80), numbers.significant(s.load_1m, 3), numbers.significant(s.outside_cpu, 3),
             numbers.share(s.steal), _NONE if s.probe_s is None else numbers.duration(s.probe_s))
            for s in record.fitness
        ]  # fmt: skip
        yield _table(("When", "Load", "Cores used by others", "Stolen", "Probe"), fitness, detail)
    yield "## Environment"
    environment = [*sorted(record.environment.items()), ("gate", record.gate_version)]
    yield _table(
        ("Name", "Value"), [(_code(name, detail), _code(value, detail)) for name, value in environment], detail
    )


# ---- shapes -----------------------------------------------------------------------------------------------------


def _code(text: str, detail: _Detail) -> str:
    shown = escaped(text, detail.words)
    return f"<code>{shown}</code>" if shown else ""


def _pre(text: str, longest: int) -> str:
    shown = visible(clip_lines(text, longest)).strip("\n").translate(_IN_PRE)
    lines = (line.replace("::", "&#58;&#58;").replace("##[", "&#35;#[") for line in shown.split("\n"))
    return "<pre>" + "\n".join(lines) + "</pre>"


def _mark(mark: rows.Mark) -> str:
    note = f" ({escaped(mark.note, 80)})" if mark.note else ""
    return f"{mark.sign} {mark.word}{note}"


def _table(columns: Sequence[str], lines: Iterable[Sequence[str]], detail: _Detail, *, total: int = 0) -> str:
    lines = list(lines)
    shown = ["| " + " | ".join(line) + " |" for line in lines[: detail.rows]]
    head = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    more = max(total, len(lines)) - len(shown)
    return "\n".join([*head, *shown]) + (f"\n\n… and {more:,} more" if more > 0 else "")


def _listed(items: Sequence[str], detail: _Detail) -> str:
    shown = [f"- {_code(item, detail) or _NONE}" for item in items[: detail.rows]]
    more = len(items) - len(shown)
    return "\n".join([*shown, *([f"- … and {more:,} more"] if more > 0 else [])])
