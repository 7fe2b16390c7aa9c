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
_HEADINGS: Final = ("status", "suite", "time", "passed", "margin", "", "nearest limit")
_NAME: Final = 1
_RIGHT_ALIGNED: Final = frozenset({2, 3, 4})
_KEPT: Final = 4
_SHORTEST_NAME: Final = 8
_MARGIN: Final = "  "
_GAP: Final = "  "


def summary(record: Record, run_dir: Path, look: Look) -> list[Line]:
    """Everything to say about a finished run, in the order of the screen."""
    return [
        *_section("", suite_table(record.suites, look)),
        *_section("", _blocking(record, look)),
        *_section("", _waivers(record)),
        *_section("Did not run", [((f"  {name}", "warn"),) for name in record.not_run]),
        *_section("Report", [(("  ", ""), (str(run_dir / "report.html"), "path"))]),
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
    return ", ".join([f"{tests.passed} passed", *_not_passed(tests)])


def _not_passed(tests: TestCounts) -> list[str]:
    counts = {
        "failed": tests.failed,
        "errors": tests.errors,
        "skipped": tests.skipped,
        "xfailed": tests.xfailed,
        "xpassed": tests.xpassed,
        "flaky": tests.flaky,
        "deselected": tests.deselected,
    }
    return [f"{number} {name}" for name, number in counts.items() if number]


def worst_margin(suite: SuiteResult) -> tuple[str, str]:
    """The distance of the threshold nearest to its limit, or farthest beyond, and its key; blank without any."""
    known = [(threshold.margin, threshold.id) for threshold in suite.thresholds if threshold.margin is not None]
    if not known:
        return "", ""
    margin, threshold_id = min(known)
    return percent(margin), threshold_id.rpartition("/")[2]


def suite_table(suites: tuple[SuiteResult, ...], look: Look) -> list[Line]:
    """One line per suite under a heading. Where the window is narrow, names give way, then columns from the right."""
    rows = [_HEADINGS, *(_row(suite, look) for suite in suites)]
    widths = [max(cells(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    needed = len(_MARGIN) + sum(widths[:_KEPT]) + (_KEPT - 1) * len(_GAP)
    widths[_NAME] = max(widths[_NAME] - max(needed - look.width, 0), _SHORTEST_NAME)
    shown = _columns_that_fit(widths, look.width)
    lines = [_table_line(row, widths, shown, look) for row in rows]
    tones = ["faint", *(symbol(suite.status)[1] for suite in suites)]
    return [((line[0][0], tone), *line[1:]) for line, tone in zip(lines, tones, strict=True)] if suites else []


def _row(suite: SuiteResult, look: Look) -> tuple[str, ...]:
    status = look.clean(f"{symbol(suite.status)[0]} {suite.status}")
    margin, nearest = (look.clean(text) for text in worst_margin(suite))
    passed = f"{suite.tests.passed}/{suite.tests.collected}"
    rest = ", ".join(_not_passed(suite.tests))
    return status, look.clean(suite.name), duration(suite.duration_s), passed, margin, rest, nearest


def _columns_that_fit(widths: list[int], width: int) -> int:
    """How many columns, from the left, have room."""
    used, shown = len(_MARGIN) + widths[0], 1
    for column in widths[1:]:
        used += len(_GAP) + column
        if used > width:
            break
        shown += 1
    return shown


def _table_line(row: tuple[str, ...], widths: list[int], shown: int, look: Look) -> Line:
    texts = [
        text.rjust(width) if column in _RIGHT_ALIGNED else pad(look.cut(text, width), width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
    tone = "faint" if row is _HEADINGS else ""
    return (_MARGIN + texts[0], tone), *((_GAP + text, tone) for text in texts[1:shown])


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
