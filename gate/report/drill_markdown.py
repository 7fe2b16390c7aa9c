"""The drills as Markdown: the outcome, the matrix, what was missed, and the limits that no drill has tried.

Promises as `markdown` does: the outcome stands on the first and on the last line, foreign text is text, and the whole
stays within what a forge shows, by shortening tables and never the outcome.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gate.model import BaselineState, DrillMatrix, DrillResult
from gate.report import drill_rows, numbers
from gate.report.markup import escaped
from gate.report.rows import Mark

LIMIT_BYTES: Final = 900 * 1024
# How many rows a table has, from everything useful down to what always fits.
_ROWS: Final = (500, 100, 20, 4)
_NONE: Final = "–"
_MOST_ALSO: Final = 3


def render(matrix: DrillMatrix, *, limit_bytes: int = LIMIT_BYTES) -> str:
    """The drills in at most `limit_bytes` of UTF-8 (at least 8 KiB), with as many rows as fit."""
    for most in _ROWS:
        text = "\n\n".join(_blocks(matrix, most)) + "\n"
        if len(text.encode("utf-8", "backslashreplace")) <= limit_bytes:
            return text
    return "\n\n".join((*_head(matrix), "The details are left out; drill.json holds them.", _outcome(matrix))) + "\n"


def _blocks(matrix: DrillMatrix, most: int) -> Iterator[str]:
    yield from _head(matrix)
    yield from _matrix(matrix, most)
    yield from _alarms(matrix, most)
    yield from _drills(matrix, most)
    yield from _not_drilled(matrix, most)
    yield "## Drilled on"
    yield _table(
        ("Name", "Value"), [(escaped(label, 60), _code(value)) for label, value in drill_rows.facts(matrix)], most
    )
    yield "---"
    yield _outcome(matrix)


def _head(matrix: DrillMatrix) -> Iterator[str]:
    outcome = drill_rows.outcome(matrix)
    yield f"# {outcome.sign} {outcome.word}: drills of {escaped(matrix.project, 80)}"
    yield f"{escaped(drill_rows.headline(matrix), 300)} Exit code {matrix.exit_code}."


def _outcome(matrix: DrillMatrix) -> str:
    return f"**{drill_rows.outcome(matrix).word}** (exit code {matrix.exit_code})"


def _matrix(matrix: DrillMatrix, most: int) -> Iterator[str]:
    columns = drill_rows.suites(matrix)
    marks = [drill_rows.baseline_mark(matrix, suite) for suite in columns]
    lines = [("**no fault**", *(_mark(mark) if mark else _NONE for mark in marks))]
    lines += [(_code(row.drill.name), *map(_cells, row.cells)) for row in drill_rows.rows(matrix)]
    yield "## Matrix"
    yield _table(("Fault", *map(_code, columns)), lines, most)


def _cells(cells: Sequence[drill_rows.Cell]) -> str:
    return (
        "<br>".join(f"{_mark(cell.mark)} {_code(cell.name)} {escaped(cell.seen, 80)}".rstrip() for cell in cells)
        or _NONE
    )


def _alarms(matrix: DrillMatrix, most: int) -> Iterator[str]:
    alarms = [one for one in matrix.baselines if one.state is not BaselineState.GO]
    if alarms:
        yield "## Not GO without a fault"
        lines = [(_code(one.suite), "<br>".join(escaped(alarm, 300) for alarm in one.alarms)) for one in alarms]
        yield _table(("Suite", "Findings"), lines, most)


def _drills(matrix: DrillMatrix, most: int) -> Iterator[str]:
    yield "## Drills"
    columns = ("State", "Drill", "Fault", "What was seen", "Also blocked", "Time")
    yield _table(columns, [_drill(drill) for drill in matrix.drills], most)


def _drill(drill: DrillResult) -> tuple[str, ...]:
    said = [escaped(drill.reason, 300)] if drill.reason else []
    told = [(one.finding, drill_rows.seen(one)) for one in drill.sightings if one.caught]
    told += [(one.finding, drill_rows.instead(one)) for one in drill_rows.missed(drill)]
    said += [f"{_code(finding)} {escaped(words, 300)}" for finding, words in told]
    only = [f"only {drill.only}"] if drill.only else []
    return (
        _mark(drill_rows.state_mark(drill)),
        _code(drill.name),
        "<br>".join(_code(line) for line in (*drill.fault, *only)) or _NONE,
        "<br>".join(said) or _NONE,
        "<br>".join((drill_rows.also(drill), *map(_code, drill.also[:_MOST_ALSO]))) or _NONE,
        numbers.duration(drill.duration_s) if drill.run_id else "not run",
    )


def _not_drilled(matrix: DrillMatrix, most: int) -> Iterator[str]:
    yield f"## Limits without a drill: {len(matrix.undrilled):,}"
    if matrix.undrilled:
        yield "No drill expects these to fail, so they have never been seen to."
        lines = [
            (_code(one.finding), escaped(one.source, 80), one.severity.value) for one in drill_rows.not_drilled(matrix)
        ]
        yield _table(("Limit", "Check", "Severity"), lines, most)
    else:
        yield "Every declared limit has a drill that expects it to fail."


# ---- shapes -----------------------------------------------------------------------------------------------------


def _code(text: str) -> str:
    return f"<code>{escaped(text, 300) or _NONE}</code>"


def _mark(mark: Mark) -> str:
    return f"{mark.sign} {mark.word}" + (f" ({escaped(mark.note, 80)})" if mark.note else "")


def _table(columns: Sequence[str], lines: Iterable[Sequence[str]], most: int) -> str:
    lines = list(lines)
    shown = ["| " + " | ".join(line) + " |" for line in lines[:most]]
    head = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join([*head, *shown]) + (f"\n\n… and {len(lines) - most:,} more" if len(lines) > most else "")
