r"""Foreign text, made safe to look at: nothing hidden, nothing reordered, nothing endless.

Owns what may reach a reader from names, messages and tracebacks. Promises that a character which shows nothing, moves
the cursor or turns the direction of writing is spelt out (`\u{202E}`) instead of acting, and that cutting says how
much was cut. Leaves the escaping of markup to each format.
"""

import re
from typing import Final

# Colours are the one thing that terminals' escape sequences carry without meaning; they go without a trace.
_COLOURS: Final = re.compile(r"\x1b\[[0-9;:]*m")
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U0001fffe\U0001ffff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000ffffe-\U0010ffff]"
)
# A letter carries few marks; a heap of them paints over the lines above and below.
_HEAPED: Final = re.compile("(?<=[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]{4})"
                            "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")  # fmt: skip
_SPACES: Final = re.compile(r"\s+")


def visible(text: str) -> str:
    r"""`text` with every hidden or directing character spelt as `\u{HEX}`; line feeds and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    text = _COLOURS.sub("", text.replace("\r\n", "\n"))
    return _HEAPED.sub("…", _HIDDEN.sub(_spelt, text))


def one_line(text: str, longest: int = 400) -> str:
    """`text` as one visible line of about `longest` characters, at most three times as many where much is spelt out."""
    shown = _SPACES.sub(" ", visible(clip(text, longest))).strip()
    return shown if len(shown) <= 3 * longest else clip(shown, longest)


def clip(text: str, longest: int) -> str:
    """`text`, or its beginning and its end with a note of how many characters were left out between them."""
    if len(text) <= longest:
        return text
    note = f" … {len(text) - longest:,} characters left out … "
    head = longest // 3
    return text[:head] + note + text[len(text) - (longest - head) :]


def clip_lines(text: str, longest: int) -> str:
    """As `clip`, for tracebacks: the note stands on a line of its own, and the end, which tells most, is the longer."""
    if len(text) <= longest:
        return text
    head = longest // 4
    tail = longest - head
    return f"{text[:head]}\n\n… {len(text) - longest:,} characters left out …\n\n{text[-tail:]}"


def _spelt(match: re.Match[str]) -> str:
    return f"\\u{{{ord(match[0]):X}}}"
