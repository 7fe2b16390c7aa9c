"""Where the lines go: what the stream can show, and writing to it without ever harming the run.

Owns `Look` (width, colours, encoding, read off the stream and its environment) and `Screen`, all that writes. Every
line passes through `printable` here, whoever made it. A reader that went away, a full disk or a terminal that hung up
is no reason for another verdict: a stream that fails once is replaced by one that leads nowhere, so that neither later
writes nor the interpreter's own flush at exit fail.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TextIO

from gate.terminal.text import cells, encodable, printable, shorten

Span = tuple[str, str]
"""A piece of text and its tone: `good`, `bad`, `warn`, `unknown`, `strong`, `faint`, or "" for plain. `path` is plain
too, but never cut: half a path cannot be opened."""
Line = tuple[Span, ...]

_SGR: Final = {"good": "32", "bad": "1;31", "warn": "33", "unknown": "35", "strong": "1", "faint": "2"}
_UNLIMITED: Final = 4000
_UNCUT: Final = 1 << 30
_NARROWEST: Final = 20
_USUAL: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a stream can show. `width` in columns; `terminal` says that lines on it can be drawn over."""

    width: int = _UNLIMITED
    colour: bool = False
    encoding: str = "utf-8"
    terminal: bool = False

    def clean(self, text: str) -> str:
        """`text` fit for this stream: one line, nothing but visible characters that its encoding has."""
        return encodable(printable(text), self.encoding)

    def cut(self, text: str, width: int) -> str:
        """`text` in at most `width` columns."""
        return shorten(text, width, encodable("…", self.encoding))


def look_of(stream: TextIO, environ: Mapping[str, str]) -> Look:
    """Read off what `stream` can show. NO_COLOR goes before FORCE_COLOR, and that before TERM=dumb."""
    terminal = _is_terminal(stream)
    capable = terminal and environ.get("TERM", "dumb") not in {"dumb", ""}
    return Look(
        width=_width(stream, environ) if terminal else _UNLIMITED,
        colour=not environ.get("NO_COLOR") and (bool(environ.get("FORCE_COLOR")) or capable),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        terminal=capable,
    )


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (OSError, ValueError):
        return False


def _width(stream: TextIO, environ: Mapping[str, str]) -> int:
    columns = environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdigit() and int(columns):
        width = int(columns)
    else:
        try:
            width = os.get_terminal_size(stream.fileno()).columns or _USUAL
        except (OSError, ValueError):
            width = _USUAL
    # One column stays free: some terminals wrap as soon as the last one is filled.
    return max(width - 1, _NARROWEST)


class Screen:
    """Writes to one stream; never raises for what the stream does. Safe to use from several threads.

    It has the few methods of a text file that a console library needs, so that such a library writes through it too.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._environ = environ
        self._look = look_of(stream, environ)
        self._lock = threading.RLock()

    @property
    def look(self) -> Look:
        """What the stream can show now; a window changes its width."""
        if not self._look.terminal:
            return self._look
        return replace(self._look, width=_width(self._stream, self._environ))

    def lines(self, lines: Iterable[Line]) -> None:
        """Write whole lines in one go, each cut to the width."""
        look = self.look
        self.write("".join(drawn(line, look) + "\n" for line in lines))
        self.flush()

    def document(self, text: str) -> None:
        """Write a text that is made for programs: byte for byte as UTF-8, except on a terminal, where each line is
        cleaned and none is cut.
        """
        if self.look.terminal or not hasattr(self._stream, "buffer"):
            look = replace(self._look, width=_UNCUT)
            self.write("".join(drawn(((line, ""),), look) + "\n" for line in text.splitlines()))
        else:
            self.flush()
            data = (text if text.endswith("\n") else text + "\n").encode()
            self._guarded(lambda: self._stream.buffer.write(data))
        self.flush()

    @property
    def encoding(self) -> str:
        return self._look.encoding

    def write(self, text: str) -> int:
        self._guarded(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._guarded(self._stream.flush)

    def isatty(self) -> bool:
        return self._look.terminal

    def fileno(self) -> int:
        return self._stream.fileno()

    def _guarded(self, action: Callable[[], object]) -> None:
        with self._lock:
            try:
                action()
            except (OSError, ValueError):
                self._let_go()

    def _let_go(self) -> None:
        """Give up on the stream: what is still in its buffer, and all that follows, goes nowhere."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def fitted(line: Line, look: Look) -> Line:
    """`line` cleaned and cut to the width of `look`; it never begins like a command to a CI system."""
    room, spans, begun = look.width, [], False
    for text, tone in line:
        clean = look.clean(text)
        if not begun and clean.lstrip().startswith("::"):
            clean = clean.replace("::", ": :", 1)
        begun = begun or bool(clean.strip())
        spans.append((clean if tone == "path" else look.cut(clean, room), tone))
        room -= cells(spans[-1][0])
    return tuple(spans)


def drawn(line: Line, look: Look) -> str:
    """`line` as the text to write, with colours where `look` has them."""
    spans = fitted(line, look)
    if not look.colour:
        return "".join(text for text, _ in spans).rstrip()
    return "".join(f"\x1b[{_SGR[tone]}m{text}\x1b[0m" if tone in _SGR and text else text for text, tone in spans)
