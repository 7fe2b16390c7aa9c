"""The drills as they happen: a line for each with its result, what was missed, and the outcome last.

Three ways as for a run: live (the suites of the drill that is on are redrawn below), plain lines, the outcome alone.
What a suite does under a fault is no news, so the runs themselves are silent but for what is redrawn.
"""

import atexit
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.model import Baseline, BaselineState, DrillMatrix, DrillResult, DrillState, Plan, Record, Severity
from gate.report import drill_rows
from gate.run.drill import RunProgress
from gate.terminal.live import LiveTerminal, region
from gate.terminal.plain import QuietTerminal
from gate.terminal.screen import Line, Screen, fitted
from gate.terminal.text import clock, count, duration

if TYPE_CHECKING:
    from rich.text import Text

_SIGNS: Final = {"good": "✔", "bad": "✘", "unknown": "?"}
_SHOWN: Final = 10


class PlainDrills:
    """Lines for logs and pipes, each opened by the time since the start."""

    def __init__(self, screen: Screen, now: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._now = now
        self._began_s = now()
        self._total = self._begun = 0

    def drills_started(self, project: str, drills: int, folder: Path) -> None:
        self._total = drills
        self._say(((f"{project}: {count(drills, 'drill')}", "strong"), (f"  {folder}", "faint")))

    def watch(self, what: str, suites: Sequence[str]) -> RunProgress:
        self._say(((self._title(what, suites), ""),))
        return _Silent(self._screen, self._stopping)

    def baseline_ended(self, baselines: Sequence[Baseline]) -> None:
        for one in baselines:
            mark = drill_rows.baseline_word(one)
            self._say(
                ((f"{_SIGNS[mark.tone]} {mark.word}  ", mark.tone), ("no fault", "strong"), (f"  {one.suite}", ""))
            )

    def drill_ended(self, result: DrillResult) -> None:
        self._say(_drill_line(result))

    def drilled(self, matrix: DrillMatrix, folder: Path) -> None:
        self._screen.lines([(), *_summary(matrix, folder)])

    def _title(self, what: str, suites: Sequence[str]) -> str:
        self._begun += bool(what)
        number = f" ({self._begun} of {self._total})" if what else ""
        return f"{what or 'no fault'}{number}: running {', '.join(suites)}"

    def _stopping(self, reason: str) -> None:
        self._say(((f"stopping: {reason}", "warn"),))

    def _say(self, line: Line) -> None:
        self._screen.lines([((f"{clock(self._now() - self._began_s):>5}  ", "faint"), *line)])


class LiveDrills(PlainDrills):
    """As plain lines, with the suites that are running redrawn below them."""

    def watch(self, what: str, suites: Sequence[str]) -> RunProgress:
        return _Region(self._screen, self._title(what, suites))


class QuietDrills(PlainDrills):
    """The outcome alone."""

    def watch(self, what: str, suites: Sequence[str]) -> RunProgress:  # noqa: ARG002 - the others name them
        return _Silent(self._screen, lambda _: None)

    def drilled(self, matrix: DrillMatrix, folder: Path) -> None:  # noqa: ARG002 - the others name the report
        self._screen.lines([((drill_rows.headline(matrix), ""),)])

    def _say(self, line: Line) -> None: ...


class _Silent(QuietTerminal):
    """A run that nobody is told of, but for its being stopped."""

    def __init__(self, screen: Screen, stopping: Callable[[str], None]) -> None:
        super().__init__(screen)
        self._stopping = stopping

    def stopping(self, reason: str) -> None:
        self._stopping(reason)

    def decided(self, record: Record, run_dir: Path) -> None: ...


class _Region(LiveTerminal):
    """The redrawn region of a run, under the title of its drill; nothing of the run stays on the screen."""

    def __init__(self, screen: Screen, title: str) -> None:
        self._title = title  # before all else: what is drawn is asked for at once
        super().__init__(screen)

    def run_started(self, plan: Plan, run_dir: Path) -> None:  # noqa: ARG002 - the folder of all drills was named
        self._expected_s = {step.suite.name: step.expected_s for step in plan.steps}
        self._show(total=len(plan.steps), began_s=self._now())
        atexit.register(self.close)
        self._live.start()

    def decided(self, record: Record, run_dir: Path) -> None:  # noqa: ARG002 - the drill's own line tells
        self.close()

    def _region(self) -> "Text":
        with self._lock:
            scene = replace(self._scene, now_s=self._now())
        title = fitted(((self._title, "strong"),), self._screen.look)
        return self._text([title, *region(scene, self._screen.look, self._console.height - 2)])

    def _above(self, line: Line) -> None: ...


# ---- lines ------------------------------------------------------------------------------------------------------


def _drill_line(result: DrillResult) -> Line:
    mark = drill_rows.state_mark(result)
    head = ((f"{_SIGNS[mark.tone]} {result.state.replace('_', ' ')}  ", mark.tone), (result.name, "strong"))
    told = result.reason or ", ".join(
        f"{one.finding} {drill_rows.seen(one)}" + (f" ({one.note})" if one.note else "") for one in result.sightings
    )
    took = f"  {duration(result.duration_s)}" if result.run_id else ""
    return (*head, (f"  {told}", ""), (took, "faint"))


def _summary(matrix: DrillMatrix, folder: Path) -> Iterator[Line]:
    alarms = [one for one in matrix.baselines if one.state is not BaselineState.GO]
    if alarms:
        yield (("Not GO without a fault", "strong"),)
        for one in alarms:
            yield ((f"  {one.suite}", "bad" if one.state is BaselineState.FALSE_ALARM else "unknown"),)
            yield from ((("      ", ""), (alarm, "")) for alarm in one.alarms)
        yield ()
    for drill in matrix.drills:
        if drill.state not in (DrillState.CAUGHT, DrillState.NOT_PROVEN):
            yield from _not_caught(drill)
    blocking = [one.finding for one in matrix.undrilled if one.severity is Severity.BLOCKER]
    if blocking:
        yield ((f"Blocking limits without a drill: {len(blocking)}", "strong"),)
        yield from (((f"  {finding}", ""),) for finding in blocking[:_SHOWN])
        if len(blocking) > _SHOWN:
            yield ((f"  … and {len(blocking) - _SHOWN} more, all in the report", "faint"),)
        yield ()
    yield (("Report", "strong"),)
    yield (("  ", ""), (str(folder / "drill.html"), "path"))
    yield ()
    outcome = drill_rows.outcome(matrix)
    yield (outcome.word.upper(), outcome.tone), (f"  {drill_rows.headline(matrix)} exit {matrix.exit_code}", "")


def _not_caught(drill: DrillResult) -> Iterator[Line]:
    mark = drill_rows.state_mark(drill)
    yield (f"{_SIGNS[mark.tone]} {mark.word}  ", mark.tone), (drill.name, "strong"), (f"  {drill.reason}", "")
    for one in drill_rows.missed(drill):
        yield (("    ", ""), (f"{one.finding}: {drill_rows.instead(one)}", ""))
    if drill.also:
        more = f" and {len(drill.also) - 3} more" if len(drill.also) > 3 else ""
        yield (("    ", ""), (f"appeared: {', '.join(drill.also[:3])}{more}", "faint"))
    yield ()
