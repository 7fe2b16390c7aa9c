"""What people see: the only part besides the command line that writes to a terminal.

Owns the choice between three ways of telling the same run (live, plain, quiet), errors as sentences, and lists. It
promises that nothing follows the decision, that no text from outside reaches the screen uncleaned, and that whatever
becomes of the screen, the verdict and the exit code stay as they are. What is true is decided elsewhere.

    text     cleaning, cutting, spelling        summary  Record → lines
    screen   what a stream can show; writing    listing  Manifest → lines
    plain    lines for logs; the decision alone live     the redrawn region
    drills   the drills, in all three ways
"""

import os
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, TextIO

from gate.errors import GateError, ManifestError, ServiceError
from gate.protocols import Progress
from gate.terminal.listing import list_drills, list_suites
from gate.terminal.plain import PlainTerminal, QuietTerminal
from gate.terminal.screen import Line, Screen
from gate.terminal.text import count, printable

if TYPE_CHECKING:
    from gate.run.drill import DrillProgress

__all__ = [
    "Terminal",
    "choose",
    "choose_drills",
    "list_drills",
    "list_suites",
    "print_error",
    "print_problems",
    "printable",
    "say",
]

_LOG_LINES = 20


class Terminal(Progress, Protocol):
    """A Progress that can hold the screen."""

    def close(self) -> None:
        """Give the screen back, also when the run broke off. Idempotent."""


def choose(quiet: bool, stream: TextIO | None = None, environ: Mapping[str, str] | None = None) -> Terminal:
    """The way of telling that fits `stream` (standard output unless given): live on a terminal that can redraw, plain
    lines elsewhere and where CI is set, the decision alone when `quiet`.
    """
    environ = os.environ if environ is None else environ
    screen = Screen(stream or sys.stdout, environ)
    if quiet:
        return QuietTerminal(screen)
    if not screen.look.terminal or environ.get("CI"):
        return PlainTerminal(screen)
    from gate.terminal.live import LiveTerminal  # noqa: PLC0415 - it needs rich, which costs more than all the rest

    return LiveTerminal(screen)


def choose_drills(quiet: bool, stream: TextIO | None = None) -> "DrillProgress":
    """As `choose`, for drills."""
    from gate.terminal import drills  # noqa: PLC0415 - it costs more than all the rest

    screen = Screen(stream or sys.stdout, os.environ)
    if quiet:
        return drills.QuietDrills(screen)
    plain = not screen.look.terminal or bool(os.environ.get("CI"))
    return drills.PlainDrills(screen) if plain else drills.LiveDrills(screen)


def say(text: Iterable[Line] | str, stream: TextIO | None = None) -> None:
    """Write to `stream` (standard output unless given): lines for people, or a document as it is."""
    screen = Screen(stream or sys.stdout, os.environ)
    if isinstance(text, str):
        screen.document(text)
    else:
        screen.lines(text)


def print_problems(error: ManifestError, stream: TextIO | None = None) -> None:
    """Every problem with its place, then how many there are and what to do; to standard error unless given."""
    lines: list[Line] = []
    for problem in error.problems:
        where = f": {problem.path}" if problem.path else ""
        lines.append(((str(problem.place), "strong"), (f"{where}: {problem.message}", "")))
        if problem.hint:
            lines.append((("    ", ""), (problem.hint, "faint")))
    say([*lines, *_message(error)], stream or sys.stderr)


def print_error(error: GateError, stream: TextIO | None = None) -> None:
    """An error as a sentence, with what to do about it; to standard error unless given."""
    say(_message(error), stream or sys.stderr)


def _message(error: GateError) -> list[Line]:
    lines: list[Line] = [(("error: ", "bad"), (error.message, ""))]
    if isinstance(error, ServiceError) and error.log_tail:
        tail = error.log_tail.splitlines()[-_LOG_LINES:]
        lines.append(((f"last {count(len(tail), 'line')} of its log:", "faint"),))
        lines += [(("  | ", "faint"), (line, "")) for line in tail]
    if error.hint:
        lines.append((("hint: ", "strong"), (error.hint, "")))
    return lines
