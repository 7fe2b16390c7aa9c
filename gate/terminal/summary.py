"""What is said after a run: the record as lines, most important last, because that is what stays in sight.

Owns the order (suites, what blocks, waivers used, what did not run, where the report is, the decision) and the spelling
of each. Pure: a record and a look in, lines out. The last line begins with the decision and nothing follows it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from gate.model import Decision, Finding, Record, Scope, Status, SuiteResult, TestCounts
from gate.terminal.screen import Line, Look
from gate.terminal.text import cells, count, duration, pad, percent, shorten_middle, wrap
from gate.verdict import NOT_KNOWN, blocks

_SYMBOLS: Final = {Status.PASS: ("✔", "good"), Status.WARN: ("!", "warn"), Status.FAIL: ("✘", "bad")}
_DECISION_TONES: Final = {
    Decision.GO: "good",
    Decision.GO_WITH_WAIVERS: "warn",
    Decision.NO_GO: "bad",
    Decision.INCONCLUSIVE: "unknown",
}
_SHOWN_FINDINGS: Final = 20
_REASON_LINES: Final = 3
_STATUS_WIDTH: Final = max(len(status) for status in Status)


def summary(record: Record, run_dir: Path, look: Look) -> list[Line]:
    """Everything to say about a finished run, in the order of the screen."""
    return [
        *_section("Suites", suite_table(record.suites, look)),
        *_section("", _blocking(record, look)),
        *_section("", _waivers(record)),
        *_section("Did not run", [((f"  {name}", "warn"),) for name in record.not_run]),
        *_section("Report", [((f"  {run_dir / 'report.html'}", ""),)]),
        decision_line(record),
    ]


def _section(title: str, lines: Iterable[Line]) -> list[Line]:
    lines = list(lines)
    if not lines:
        return []
    return [*([((title, "strong"),)] if title else []), *lines, ()]


# ---- suites -----------------------------------------------------------------------------------------------------


def symbol(status: Status) -> tuple[str, str]:
    """The sign of a status and its tone; "?" for everything that is not known."""
    return _SYMBOLS.get(status, ("?", "unknown"))


def tests_text(tests: TestCounts) -> str:
    """`42 passed, 1 failed`: what passed, and every other count that is not zero."""
    rest = {
        "failed": tests.failed,
        "errors": tests.errors,
        "skipped": tests.skipped,
        "xfailed": tests.xfailed,
        "xpassed": tests.xpassed,
        "flaky": tests.flaky,
        "deselected": tests.deselected,
    }
    return ", ".join([f"{tests.passed} passed", *(f"{number} {name}" for name, number in rest.items() if number)])


def worst_margin(suite: SuiteResult) -> tuple[str, str]:
    """The threshold nearest to its limit, or farthest beyond: (`-8 % batch_write.p95`, tone); blank without any."""
    known = [(threshold.margin, threshold.id) for threshold in suite.thresholds if threshold.margin is not None]
    if not known:
        return "", ""
    margin, threshold_id = min(known)
    return f"{percent(margin)} {threshold_id.rpartition('/')[2]}", "bad" if margin < 0 else ""


def suite_table(suites: tuple[SuiteResult, ...], look: Look) -> list[Line]:
    """One line per suite; columns that a narrow terminal has no room for are left out, from the right."""
    rows = [
        (suite, suite.name, duration(suite.duration_s), tests_text(suite.tests), worst_margin(suite))
        for suite in suites
    ]
    if not rows:
        return []
    names = max(cells(look.clean(row[1])) for row in rows)
    times = max(len(row[2]) for row in rows)
    tests = min(max(len(row[3]) for row in rows), 28)
    fixed = 2 + 2 + _STATUS_WIDTH + 2
    names = min(names, max(look.width - fixed - times - 2, 8))
    return [_row(row, (names, times, tests), look) for row in rows]


def _row(row: tuple[SuiteResult, str, str, str, tuple[str, str]], widths: tuple[int, int, int], look: Look) -> Line:
    suite, name, time, tests, (margin, margin_tone) = row
    names, times, tests_width = widths
    sign, tone = symbol(suite.status)
    line: list[tuple[str, str]] = [
        ("  ", ""),
        (f"{sign} {suite.status:<{_STATUS_WIDTH}}", tone),
        ("  " + pad(look.cut(look.clean(name), names), names), ""),
        (f"  {time:>{times}}", "faint"),
    ]
    room = look.width - sum(cells(text) for text, _ in line)
    for text, width, text_tone in ((tests, tests_width, ""), (margin, cells(margin), margin_tone)):
        if text and room >= min(width, cells(text)) + 2:
            line.append(("  " + pad(look.cut(text, width), width), text_tone))
            room -= width + 2
    return tuple(line)


# ---- findings ---------------------------------------------------------------------------------------------------


def all_findings(record: Record) -> Iterator[Finding]:
    """The findings about the run, then those of each suite."""
    yield from record.findings
    for suite in record.suites:
        yield from suite.findings


def _blocking(record: Record, look: Look) -> Iterator[Line]:
    found = sorted((f for f in all_findings(record) if blocks(f)), key=lambda finding: finding.status in NOT_KNOWN)
    if not found:
        return
    yield ((f"Blocking: {count(len(found), 'finding')}", "strong"),)
    for finding in found[:_SHOWN_FINDINGS]:
        yield from _finding(finding, look)
    if len(found) > _SHOWN_FINDINGS:
        yield ((f"  … and {len(found) - _SHOWN_FINDINGS} more, all in the report", "faint"),)


def _finding(finding: Finding, look: Look) -> Iterator[Line]:
    sign, tone = symbol(finding.status)
    head = f"  {sign} {finding.status}  "
    yield (head, tone), (shorten_middle(look.clean(finding.id), look.width - len(head)), "strong")
    compared = _compared(finding)
    if compared:
        yield ("      ", ""), (compared, "")
    for part in wrap(look.clean(finding.reason), look.width - 6, _REASON_LINES):
        yield ("      ", ""), (part, "")


def _compared(finding: Finding) -> str:
    if finding.observed is None and finding.expected is None:
        return ""
    seen = f"observed {finding.observed if finding.observed is not None else 'nothing'}"
    return seen + (f", expected {finding.expected}" if finding.expected is not None else "")


def _waivers(record: Record) -> Iterator[Line]:
    used = [waiver for waiver in record.waivers if waiver.state == "used"]
    if used:
        yield (("Waivers used", "strong"),)
    for waiver in used:
        yield (f"  {waiver.id}", "warn"), (f"  {waiver.finding}, by {waiver.owner} ({_left(waiver.days_left)})", "")
        yield ("      ", ""), (f"{waiver.ticket}: {waiver.reason}", "faint")


def _left(days: int) -> str:
    return "last day" if days == 0 else f"{count(days, 'day')} left"


# ---- decision ---------------------------------------------------------------------------------------------------


def decision_line(record: Record) -> Line:
    """The decision, and what it is about. A partial run says that it is no release decision."""
    facts = [f"partial run ({record.selection}), no release decision"] if record.scope is Scope.PARTIAL else []
    facts += [f"{record.project} at {_commit(record)}", duration(record.duration_s), f"exit {record.exit_code}"]
    return (record.decision, _DECISION_TONES[record.decision]), ("  " + ", ".join(facts), "")


def _commit(record: Record) -> str:
    if record.commit is None:
        return "no commit"
    return record.commit[:10] + (" with uncommitted changes" if record.dirty else "")
