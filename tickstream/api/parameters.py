"""Parameters of a request: what is allowed, said once, for the check, the error message and the OpenAPI document.

A parameter comes at most once, no other ones are taken, and every value is inside its range before anything else sees
it. Times need their offset from UTC: a time without one means something else to everybody.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from tickstream.api import cursor
from tickstream.api.errors import bad_parameter

Value = str | int | datetime | None

SYMBOL_CHARACTERS: Final = 64
_MOST_FIELDS: Final = 32
_DIGITS: Final = re.compile(r"-?[0-9]{1,19}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """`refuses` says of a text whether it is outside what is allowed; `convert` makes its value."""

    name: str
    what: str
    allowed: str
    refuses: Callable[[str], bool]
    convert: Callable[[str], Value]
    default: Value = None
    schema: Mapping[str, Any] = field(default_factory=dict)

    def read(self, text: str, *, checked: bool = True) -> Value:
        """The value. Raises Refusal for what is not allowed."""
        if checked and self.refuses(text):
            raise bad_parameter(self.name, f"allowed is {self.allowed}")
        return self.convert(text)


def symbol() -> Parameter:
    return Parameter(
        name="symbol",
        what="The instrument, exactly as it is written in the ticks.",
        allowed=f"1 to {SYMBOL_CHARACTERS} printable characters",
        refuses=lambda text: not is_name(text, SYMBOL_CHARACTERS),
        convert=str,
        schema={"type": "string", "minLength": 1, "maxLength": SYMBOL_CHARACTERS},
    )


def any_text(name: str, what: str) -> Parameter:
    """For a text that is looked up: whatever is not found is not there."""
    return Parameter(
        name=name, what=what, allowed="any text", refuses=lambda _: False, convert=str, schema={"type": "string"}
    )


def choice(name: str, what: str, values: Sequence[str]) -> Parameter:
    return Parameter(
        name=name,
        what=what,
        allowed=", ".join(values),
        refuses=lambda text: text not in values,
        convert=str,
        schema={"type": "string", "enum": list(values)},
    )


def number(name: str, what: str, least: int, most: int, default: int | None = None) -> Parameter:
    schema: dict[str, Any] = {"type": "integer", "minimum": least, "maximum": most}
    return Parameter(
        name=name,
        what=what,
        allowed=f"a whole number from {least} to {most}",
        refuses=lambda text: not (_DIGITS.fullmatch(text) and least <= int(text) <= most),
        convert=int,
        default=default,
        schema=schema if default is None else {**schema, "default": default},
    )


def moment(name: str, what: str) -> Parameter:
    return Parameter(
        name=name,
        what=what,
        allowed="a time like 2024-02-29T14:30:00Z, from 1970 to 9999, with Z or an offset (its + written as %2B)",
        refuses=_is_no_moment,
        convert=_moment,
        schema={"type": "string", "format": "date-time"},
    )


def following() -> Parameter:
    return Parameter(
        name="cursor",
        what="Where to go on: `next` of the page before, with the same filters.",
        allowed="`next` of the page before, with the same filters",
        refuses=lambda text: len(text) != cursor.CHARACTERS,
        convert=str,
        schema={"type": "string", "minLength": cursor.CHARACTERS, "maxLength": cursor.CHARACTERS},
    )


def read_query(parameters: Mapping[str, Parameter], query: bytes, *, checked: bool = True) -> dict[str, Value]:
    """A value for every one of `parameters`. Raises Refusal; without `checked`, ValueError for what cannot be."""
    values = {name: parameter.default for name, parameter in parameters.items()}
    if not query:
        return values
    seen = set()
    for name, text in _pairs(query):
        parameter = parameters.get(name)
        if parameter is None:
            if checked:
                raise bad_parameter(name[:64], f"no such parameter; allowed: {', '.join(parameters) or 'none'}")
            continue
        if name in seen and checked:
            raise bad_parameter(name, "given more than once")
        seen.add(name)
        values[name] = parameter.read(text, checked=checked)
    return values


def is_name(text: str, characters: int) -> bool:
    """Whether it is a text to show: not empty, not too long, nothing in it that does not print."""
    return 0 < len(text) <= characters and text.isprintable()


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise bad_parameter("query", f"allowed are up to {_MOST_FIELDS} parameters, percent-encoded UTF-8") from error


def _is_no_moment(text: str) -> bool:
    if not _MOMENT.fullmatch(text):
        return True
    try:
        return _moment(text) < _EPOCH
    except (ValueError, OverflowError):
        return True


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
