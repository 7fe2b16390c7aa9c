"""The run as it happens, on a terminal: what has ended scrolls away above, what is running is redrawn below.

One line per running suite, with its last failure under it, one for services that are coming up, and one for the whole.
The region is never higher or wider than the window, and it is gone before anything is said about the result. `rich`
draws it; the module imports it only when a terminal is made, so that the other modes do not pay for it.
"""

import atexit
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gate.model import Plan, Record, ServiceOutcome, ServiceState, SuiteResult
from gate.protocols import SuiteProgress
from gate.terminal.plain import done_text, service_text, started_text
from gate.terminal.screen import Line, Look, Screen, fitted
from gate.terminal.summary import summary, symbol, tests_text
from gate.terminal.text import cells, clock, count, duration, pad, shorten_middle

if TYPE_CHECKING:
    from rich.text import Text

_FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_FRAMES: Final = "|/-\\"
_REDRAWS_PER_S: Final = 8
_STYLES: Final = {
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "unknown": "magenta",
    "strong": "bold",
    "faint": "dim",
}
_NAME_WIDTH: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSuite:
    """A suite that has begun, as the screen knows it; both times in seconds."""

    name: str
    began_s: float
    expected_s: float | None
    progress: SuiteProgress = field(default_factory=SuiteProgress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """All that the redrawn region shows at one moment (`now_s`)."""

    now_s: float
    began_s: float
    total: int = 0
    ended: int = 0
    failed: int = 0
    running: tuple[RunningSuite, ...] = ()
    starting: tuple[str, ...] = ()
    stopping: str = ""


def region(scene: Scene, look: Look, height: int) -> list[Line]:
    """The redrawn lines, `height` at most: suites before their failures, and always the line about the whole."""
    frames = _FRAMES if look.clean(_FRAMES) == _FRAMES else _ASCII_FRAMES
    frame = frames[int(scene.now_s * _REDRAWS_PER_S) % len(frames)]
    room = max(height - 1, 0)
    if scene.starting:
        room -= 1
    shown = scene.running[: max(room, 0)]
    failures_too = len(shown) + sum(bool(suite.progress.failed) for suite in shown) <= room
    lines: list[Line] = []
    if scene.starting and height > 1:
        lines.append(((f"{frame} services: ", "faint"), (", ".join(scene.starting), "")))
    for suite in shown:
        lines.append(_suite_line(suite, scene.now_s, frame, look))
        if failures_too and suite.progress.failed:
            lines.append(_failure_line(suite.progress, look))
    return [fitted(line, look) for line in (*lines, _whole_line(scene))]


def _suite_line(suite: RunningSuite, now_s: float, frame: str, look: Look) -> Line:
    elapsed_s = now_s - suite.began_s
    done, tone = done_text(suite.progress), "bad" if suite.progress.failed else ""
    expected = f" of about {clock(suite.expected_s)}" if suite.expected_s is not None else ""
    fixed = f" {done:>9}  {clock(elapsed_s):>5}"
    name_width = min(_NAME_WIDTH, max(look.width - 2 - len(fixed), 8))
    name = pad(look.cut(look.clean(suite.name), name_width), name_width)
    line: Line = ((f"{frame} ", "good"), (name, "strong"), (f" {done:>9}", tone), (f"  {clock(elapsed_s):>5}", ""))
    room = look.width - sum(cells(text) for text, _ in line)
    if len(expected) > room:
        return line
    line = (*line, (expected, "faint"))
    room -= len(expected) + 2
    current = look.clean(suite.progress.current)
    return (*line, ("  " + shorten_middle(current, room), "faint")) if room >= _NAME_WIDTH and current else line


def _failure_line(progress: SuiteProgress, look: Look) -> Line:
    head = f"    {progress.failed} failed, last: "
    return (head, "bad"), (shorten_middle(look.clean(progress.last_failure), max(look.width - len(head), 8)), "")


def _whole_line(scene: Scene) -> Line:
    failed = f", {count(scene.failed, 'test')} failed" if scene.failed else ""
    head = f"{clock(scene.now_s - scene.began_s)}  {scene.ended} of {count(scene.total, 'suite')} done{failed}"
    if scene.stopping:
        return (head, "faint"), (f"  stopping: {scene.stopping}", "warn")
    return ((head, "faint"),)


class LiveTerminal:
    """Holds the screen from `run_started` to `decided` or `close`; the cursor comes back in any case."""

    def __init__(self, screen: Screen, now: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console  # noqa: PLC0415 - the other modes start without it
        from rich.live import Live  # noqa: PLC0415 - as above

        self._screen = screen
        self._now = now
        self._lock = threading.Lock()
        self._scene = Scene(now_s=now(), began_s=now())
        self._expected_s: dict[str, float | None] = {}
        self._failed: dict[str, int] = {}
        self._styles = _STYLES if screen.look.colour else {}
        self._console = Console(
            file=screen,  # type: ignore[arg-type]  # it only writes, flushes and asks for the encoding
            force_terminal=True,
            no_color=not screen.look.colour,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._live = Live(
            console=self._console,
            get_renderable=self._region,
            refresh_per_second=_REDRAWS_PER_S,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def run_started(self, plan: Plan, run_dir: Path) -> None:
        self._expected_s = {step.suite.name: step.expected_s for step in plan.steps}
        self._screen.lines([((started_text(plan), "strong"), (f"  {run_dir}", "faint"))])
        self._show(total=len(plan.steps), began_s=self._now())
        atexit.register(self.close)
        self._live.start()

    def service_starting(self, name: str) -> None:
        self._show(starting=(*self._scene.starting, name))

    def service_ended(self, outcome: ServiceOutcome) -> None:
        self._show(starting=tuple(name for name in self._scene.starting if name != outcome.name))
        text, tone = service_text(outcome)
        failed = outcome.state in {ServiceState.FAILED, ServiceState.DIED}
        self._above(((f"{'✘' if failed else '✔'} ", tone or "good"), (text, tone)))

    def suite_started(self, name: str) -> None:
        suite = RunningSuite(name=name, began_s=self._now(), expected_s=self._expected_s.get(name))
        self._show(running=(*self._scene.running, suite))

    def suite_progressed(self, name: str, progress: SuiteProgress, elapsed_s: float) -> None:
        self._failed[name] = progress.failed
        running = tuple(
            replace(suite, progress=progress, began_s=self._now() - elapsed_s) if suite.name == name else suite
            for suite in self._scene.running
        )
        self._show(running=running, failed=sum(self._failed.values()))

    def suite_ended(self, result: SuiteResult) -> None:
        self._failed[result.name] = result.tests.failed + result.tests.errors
        self._show(
            running=tuple(suite for suite in self._scene.running if suite.name != result.name),
            ended=self._scene.ended + 1,
            failed=sum(self._failed.values()),
        )
        sign, tone = symbol(result.status)
        facts = f"  {result.status}  {tests_text(result.tests)}, {duration(result.duration_s)}"
        self._above(((f"{sign} ", tone), (result.name, "strong"), (facts, tone)))

    def stopping(self, reason: str) -> None:
        self._show(stopping=reason)

    def decided(self, record: Record, run_dir: Path) -> None:
        self.close()
        self._screen.lines([(), *summary(record, run_dir, self._screen.look)])

    def close(self) -> None:
        """Take the region away and give the cursor back. Idempotent."""
        atexit.unregister(self.close)
        self._show(running=(), starting=())
        self._live.stop()

    def _show(self, **changes: Any) -> None:
        with self._lock:
            self._scene = replace(self._scene, **changes)

    def _region(self) -> "Text":
        """What rich draws; called from its own thread too."""
        with self._lock:
            scene = replace(self._scene, now_s=self._now())
        return self._text(region(scene, self._screen.look, self._console.height - 1))

    def _above(self, line: Line) -> None:
        """Print a line that stays, above the region."""
        self._console.print(self._text([fitted(line, self._screen.look)]))

    def _text(self, lines: Sequence[Line]) -> "Text":
        from rich.text import Text  # noqa: PLC0415 - as in __init__

        text = Text(no_wrap=True, overflow="crop")
        for number, line in enumerate(lines):
            text.append("\n" if number else "")
            for words, tone in line:
                text.append(words, style=self._styles.get(tone, ""))
        return text
