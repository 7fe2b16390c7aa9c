"""Text that is safe and short enough to show: cleaning, cutting, and the spelling of times and margins.

Owns `printable`, which everything that comes from a test, a manifest or a service passes through before it reaches a
screen, so that no name or message can move the cursor, hide a line, set a title or speak to a CI system. All of it is
pure; what is cleaned here has no line breaks left.
"""

import re
import textwrap
import unicodedata
from typing import Final

# Terminated control strings (OSC, DCS, SOS, PM, APC) go with their content; of an unterminated one only the introducer
# goes, so that it cannot swallow the rest of a message.
_ESCAPES: Final = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # control strings
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: cursor, colours
    r"|\x1b[ -/]*[0-~]?"  # every other escape
)
_BREAKS: Final = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")
_HIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs"})
# Characters that show nothing although their category says otherwise: fillers, joiners, variation selectors.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_SPELT: Final = {
    "✔": "+", "✘": "x", "…": "~", "·": "-", "—": "-", "–": "-", "−": "-", "×": "x", "µ": "u",
    "→": ">", "≤": "<=", "≥": ">=", "±": "+-", "‘": "'", "’": "'", "“": '"', "”": '"',
}  # fmt: skip


def printable(text: str) -> str:
    """`text` as one line without control characters, escape sequences, bidirectional marks or invisible characters."""
    text = _BREAKS.sub(" ", _ESCAPES.sub("", text))
    text = "".join(char for char in text if unicodedata.category(char) not in _HIDDEN_CATEGORIES)
    # `##[` anywhere in a line is a command to some CI systems.
    return _INVISIBLE.sub("", text).replace("##[", "# #[")


def encodable(text: str, encoding: str) -> str:
    """`text` with everything that `encoding` cannot express spelt in ASCII."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_spelt(char, encoding) for char in text)
    return text


def _spelt(char: str, encoding: str) -> str:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return _SPELT.get(char, "?")
    return char


def cells(text: str) -> int:
    """How many columns `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(char) for char in text)


def _cells_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def shorten(text: str, width: int, ellipsis: str = "…") -> str:
    """`text` in at most `width` columns, with an ellipsis where something was cut off."""
    if cells(text) <= width:
        return text
    room = width - cells(ellipsis)
    if room < 0:
        return ""
    kept = []
    for char in text:
        room -= _cells_of(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + ellipsis


def shorten_middle(text: str, width: int, ellipsis: str = "…") -> str:
    """As `shorten`, but keeps the end, where a test id tells most."""
    if cells(text) <= width:
        return text
    head = shorten(text, max(width // 3, 1), "")
    tail = shorten(text[::-1], width - cells(head) - cells(ellipsis), "")[::-1]
    return shorten(head + ellipsis + tail, width, "")


def pad(text: str, width: int) -> str:
    """`text` filled up with blanks to `width` columns."""
    return text + " " * max(0, width - cells(text))


def wrap(text: str, width: int, lines: int) -> list[str]:
    """`text` in at most `lines` lines of at most `width` columns; the last one is cut off if it does not end there."""
    parts = textwrap.wrap(text, max(width, 1), break_on_hyphens=False) or [""]
    kept = parts[: lines - 1] + ([" ".join(parts[lines - 1 :])] if len(parts) >= lines else [])
    return [shorten(part, width) for part in kept]


def duration(seconds: float) -> str:
    """A duration for people: `0.42 s`, `14.2 s`, `1 min 05 s`, `2 h 03 min`."""
    if seconds < 1:
        return f"{max(seconds, 0):.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def clock(seconds: float) -> str:
    """A running time that does not change its width from tick to tick: `0:07`, `12:40`, `1:02:03`."""
    whole = max(0, int(seconds))
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def percent(fraction: float) -> str:
    """A signed margin: `+18 %`, `-3 %`; it never rounds a breach to zero."""
    value = f"{fraction * 100:+.0f}"
    if value in {"+0", "-0"} and fraction:
        value = f"{fraction * 100:+.1g}"
    return f"{value} %"


def count(number: int, noun: str) -> str:
    """`1 suite`, `2 suites`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
