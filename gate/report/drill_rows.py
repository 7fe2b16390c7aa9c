"""What the drills have shown, in words and rows, before HTML, Markdown or a terminal gives it a shape.

Owns the headline, the marks, the cells of the matrix and the facts drilled on. As in `rows`, everything here is still
foreign text: cleaning and escaping belong to the format.
"""

from dataclasses import dataclass
from typing import Final

from gate.model import Baseline, BaselineState, DrillMatrix, DrillResult, DrillState, Severity, Sighting, Undrilled
from gate.report import numbers
from gate.report.rows import Mark

_STATES: Final = {
    DrillState.CAUGHT: Mark(word="caught", sign="✓", tone="good"),
    DrillState.MISSED: Mark(word="missed", sign="✗", tone="bad"),
    DrillState.NOT_PROVEN: Mark(word="not proven", sign="?", tone="unknown"),
    DrillState.BROKEN: Mark(word="broken", sign="?", tone="unknown"),
    DrillState.INTERRUPTED: Mark(word="interrupted", sign="?", tone="unknown"),
}
_BASELINES: Final = {
    BaselineState.GO: Mark(word="GO", sign="✓", tone="good"),
    BaselineState.FALSE_ALARM: Mark(word="false alarm", sign="✗", tone="bad"),
    BaselineState.NOT_KNOWN: Mark(word="not known", sign="?", tone="unknown"),
}
_JUDGED: Final = (DrillState.CAUGHT, DrillState.MISSED)
_MACHINE: Final = ("platform", "kernel", "cpu", "cores", "memory", "python", "pytest")


# ---- the whole --------------------------------------------------------------------------------------------------


def outcome(matrix: DrillMatrix) -> Mark:
    """What came of all drills together."""
    if matrix.interrupted_by:
        return Mark(word="Interrupted", sign="?", tone="unknown")
    if matrix.exit_code == 0:
        return Mark(word="All caught", sign="✓", tone="good")
    known = any(drill.state is DrillState.MISSED for drill in matrix.drills) or false_alarms(matrix) or lacking(matrix)
    return (
        Mark(word="Not all caught", sign="✗", tone="bad") if known else Mark(word="Not known", sign="?", tone="unknown")
    )


def headline(matrix: DrillMatrix) -> str:
    """`3 of 5 drills caught, 1 missed, 1 broken; false alarm in 1 suite.`"""
    counts = {state: sum(drill.state is state for drill in matrix.drills) for state in DrillState}
    parts = [f"{counts[DrillState.CAUGHT]:,} of {numbers.plural(len(matrix.drills), 'drill')} caught"]
    parts += [f"{counts[state]:,} {_STATES[state].word}" for state in DrillState if counts[state] and state != "CAUGHT"]
    alarms, unknown = false_alarms(matrix), sum(one.state is BaselineState.NOT_KNOWN for one in matrix.baselines)
    suites = [f"false alarm in {numbers.plural(len(alarms), 'suite')}"] if alarms else []
    suites += [f"{numbers.plural(unknown, 'suite')} not known without a fault"] if unknown else []
    suites += [f"{numbers.plural(len(lacking(matrix)), 'blocking limit')} without a drill"] if lacking(matrix) else []
    return "; ".join([", ".join(parts), *suites]) + "."


def false_alarms(matrix: DrillMatrix) -> tuple[Baseline, ...]:
    return tuple(one for one in matrix.baselines if one.state is BaselineState.FALSE_ALARM)


def lacking(matrix: DrillMatrix) -> tuple[Undrilled, ...]:
    """The limits that were to have a drill and have none; empty where that was not demanded."""
    return tuple(one for one in matrix.undrilled if matrix.require_all and one.severity is Severity.BLOCKER)


def not_drilled(matrix: DrillMatrix) -> tuple[Undrilled, ...]:
    """The limits without a drill, those that block first."""
    return tuple(sorted(matrix.undrilled, key=lambda one: one.severity is not Severity.BLOCKER))


def facts(matrix: DrillMatrix) -> tuple[tuple[str, str], ...]:
    """What was drilled, when and where, as label and value."""
    rows = (
        ("Project", matrix.project),
        ("Commit", matrix.commit or "none: not a git work tree"),
        ("Work tree", {None: "not known", True: "dirty: uncommitted changes", False: "clean"}[matrix.dirty]),
        ("Branch", matrix.branch or "–"),
        ("Manifest", matrix.manifest_digest),
        ("Profile", matrix.profile or "default"),
        ("Drills", matrix.drills_id),
        ("Started", numbers.instant(matrix.started_at)),
        ("Finished", f"{numbers.instant(matrix.finished_at)}, after {numbers.duration(matrix.duration_s)}"),
        ("Run without a fault", matrix.baseline_run or "none"),
    )
    machine = ((name.capitalize(), matrix.environment.get(name, "")) for name in _MACHINE)
    return tuple((label, value) for label, value in (*rows, *machine) if value)


def key_facts(matrix: DrillMatrix) -> tuple[tuple[str, str], ...]:
    commit = f"{matrix.commit[:12]}{', uncommitted changes' if matrix.dirty else ''}" if matrix.commit else "none"
    return (
        ("Commit", commit),
        ("Branch", matrix.branch or "–"),
        ("Manifest", matrix.manifest_digest[:12]),
        ("Machine", ", ".join(filter(None, (matrix.environment.get(name, "") for name in ("platform", "cores"))))),
        ("Finished", numbers.instant(matrix.finished_at)),
    )


# ---- the matrix -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One expected finding of a drill in one suite; `name` is the finding without the suite."""

    mark: Mark
    name: str
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One drill; `cells` has one entry per suite of the matrix, empty where the drill expects nothing of it."""

    drill: DrillResult
    mark: Mark
    cells: tuple[tuple[Cell, ...], ...]


def suites(matrix: DrillMatrix) -> tuple[str, ...]:
    """The columns: every suite that was run without a fault, or that a drill expects a finding of."""
    named = (sighting.finding.partition("/")[0] for drill in matrix.drills for sighting in drill.sightings)
    return tuple(dict.fromkeys((*(one.suite for one in matrix.baselines), *named)))


def baseline_mark(matrix: DrillMatrix, suite: str) -> Mark | None:
    """How a suite did without a fault; None where it was not run."""
    return next((baseline_word(one) for one in matrix.baselines if one.suite == suite), None)


def baseline_word(baseline: Baseline) -> Mark:
    return _BASELINES[baseline.state]


def state_mark(drill: DrillResult) -> Mark:
    return _STATES[drill.state]


def rows(matrix: DrillMatrix) -> tuple[Row, ...]:
    columns = suites(matrix)
    return tuple(
        Row(
            drill=drill,
            mark=state_mark(drill),
            cells=tuple(tuple(_cell(drill, one) for one in _of(drill, suite)) for suite in columns),
        )
        for drill in matrix.drills
    )


def _of(drill: DrillResult, suite: str) -> tuple[Sighting, ...]:
    return tuple(sighting for sighting in drill.sightings if sighting.finding.partition("/")[0] == suite)


def _cell(drill: DrillResult, sighting: Sighting) -> Cell:
    name = sighting.finding.partition("/")[2].removeprefix("threshold/")
    if drill.state not in _JUDGED:
        return Cell(mark=state_mark(drill), name=name, seen="")
    mark = _STATES[DrillState.CAUGHT if sighting.caught else DrillState.MISSED]
    if sighting.caught and sighting.note:
        mark = Mark(word=mark.word, sign=mark.sign, tone=mark.tone, note=sighting.note)
    return Cell(mark=mark, name=name, seen=seen(sighting))


def also(drill: DrillResult) -> str:
    """`2 limits, 14 tests, 1 rule`: what else blocked, counted; empty for nothing."""
    kinds = [finding.split("/", 2)[1] for finding in drill.also if "/" in finding]
    limits, tests = kinds.count("threshold"), kinds.count("test")
    counts = {"limit": limits, "test": tests, "rule": len(drill.also) - limits - tests}
    return ", ".join(numbers.plural(number, noun) for noun, number in counts.items() if number)


def missed(drill: DrillResult) -> tuple[Sighting, ...]:
    """What a missed drill expected in vain; of one that was not judged nothing can be said."""
    return tuple(one for one in drill.sightings if not one.caught and drill.state is DrillState.MISSED)


def seen(sighting: Sighting) -> str:
    """`4 against total == 0`; what stands there in its place where nothing was measured."""
    status = sighting.status.value if sighting.status else "absent"
    value = sighting.observed if sighting.observed is not None else status
    return value + (f" against {sighting.expected}" if sighting.expected is not None else "")


def instead(sighting: Sighting) -> str:
    """What was seen of a finding in place of a failure: `PASS, 0 against total == 0: it passed: met`."""
    if sighting.status is None:
        return sighting.note
    value = f", {seen(sighting)}" if sighting.observed is not None else ""
    return f"{sighting.status}{value}: {sighting.note}"
