"""One file of metrics → its records, each checked.

Owns the form of the file and the domain of its numbers: ASCII JSON, finite, at least 0 where the kind says so, counts
that add up. Promises to take any bytes; what is wrong becomes a problem under the check it belongs to. Which records
count, and adding them up, is left to `gate.evidence.metrics`.
"""

import base64
import json
import math
import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gate.model import MetricKind

HUGE: Final = 1e38  # samples are smaller, so that they fit a 32-bit float
_BOUND: Final = 1e100  # everything is smaller, so that no sum overflows
_UNITS: Final = frozenset({"s", "B", "1", ""})


class Insane(ValueError):
    """A number outside its domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Of a histogram: `values` while exact, else upper edges with counts; `above` as in `gate.model.Distribution`."""

    count: int
    total: float
    minimum: float
    maximum: float
    values: Sequence[float] | None
    buckets: tuple[tuple[float, int], ...] = ()
    above: tuple[tuple[float, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    total: float
    updates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    hits: int
    misses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    times_s: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one execution of one test recorded under one name, in one process (`source`)."""

    test: str
    attempt: int
    name: str
    kind: MetricKind
    unit: str
    span_s: float
    data: Samples | Sum | Parts | Points
    source: str


@dataclass(slots=True)
class MetricsFile:
    """What one file says. Filled by `parse` only. `unreadable` and `insane` are reasons."""

    name: str
    parts: list[Part] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    insane: list[str] = field(default_factory=list)
    nonce: str | None = None
    forked: bool = False
    ended: bool = False
    records: int = 0


def parse(name: str, data: bytes) -> MetricsFile:
    """Everything that can be read from `data`. Never raises."""
    file = MetricsFile(name)
    lines = data.split(b"\n")
    if lines.pop() != b"":
        file.unreadable.append(f"{name}: the last line is not complete")
    file.records = len(lines)
    for number, line in enumerate(lines, 1):
        if file.ended:
            file.unreadable.append(f"{name}:{number}: something follows the end")
            break
        try:
            record = json.loads(line, parse_constant=_refuse)
            _reader(record["k"], number)(file, record)
        except Insane as error:
            file.insane.append(f"{name}:{number}: {error}")
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError) as error:
            file.unreadable.append(f"{name}:{number}: not a record ({type(error).__name__})")
    return file


def _reader(kind: str, number: int) -> "Callable[[MetricsFile, Mapping[str, Any]], None]":
    if (number == 1) != (kind in ("head", "fork")):
        raise ValueError  # a head comes first, and only there
    return _READERS[kind]


# ---- one function per kind of record ------------------------------------------------------------------------------


def _head(file: MetricsFile, record: Mapping[str, Any]) -> None:
    file.nonce = _text(record["nonce"])
    file.forked = record["k"] == "fork"


def _data(file: MetricsFile, record: Mapping[str, Any]) -> None:
    kind = MetricKind(record["kind"])
    unit = _text(record["unit"])
    if unit not in _UNITS:
        raise ValueError
    file.parts.append(
        Part(
            test=_text(record["test"]),
            attempt=_natural(record["a"]),
            name=_text(record["name"]),
            kind=kind,
            unit=unit,
            span_s=_measured(record["span"]),
            data=_KINDS[kind](record),
            source=file.name,
        )
    )


def _error(file: MetricsFile, record: Mapping[str, Any]) -> None:
    file.errors.append(f"{_text(record['test'])}: metric {_text(record['name'])!r}: {_text(record['what'])}")


def _end(file: MetricsFile, record: Mapping[str, Any]) -> None:
    file.ended = True
    if _natural(record["n"]) != file.records:
        raise ValueError


_READERS: Final[Mapping[str, Callable[[MetricsFile, Mapping[str, Any]], None]]] = {
    "head": _head,
    "fork": _head,
    "data": _data,
    "error": _error,
    "end": _end,
}


# ---- one function per kind of metric ------------------------------------------------------------------------------


def _samples(record: Mapping[str, Any]) -> Samples:
    count = _natural(record["n"])
    return _folded(count, record) if "b" in record else _exact(count, record["f8"])


def _exact(count: int, text: object) -> Samples:
    values = array("d", base64.b64decode(_text(text), validate=True))
    if sys.byteorder == "big":
        values.byteswap()
    if len(values) != count:
        raise ValueError
    if not all(0.0 <= value < HUGE for value in values):
        raise Insane("a sample that is negative or not finite")
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    return Samples(count=count, total=math.fsum(values), minimum=low, maximum=high, values=values)


def _folded(count: int, record: Mapping[str, Any]) -> Samples:
    buckets = tuple((_sample(upper), _natural(n)) for upper, n in record["b"])
    above = tuple((_measured(limit), _natural(gt), _natural(ge)) for limit, gt, ge in record["above"])
    low, high = _measured(record["min"]), _measured(record["max"])
    uppers = [upper for upper, _ in buckets]
    if sum(n for _, n in buckets) != count or sorted(set(uppers)) != uppers or any(n == 0 for _, n in buckets):
        raise ValueError
    if not low <= high == max(uppers) or any(not gt <= ge <= count for _, gt, ge in above):
        raise ValueError
    total = _measured(record["total"])
    return Samples(count=count, total=total, minimum=low, maximum=high, values=None, buckets=buckets, above=above)


def _sum(record: Mapping[str, Any]) -> Sum:
    return Sum(total=_measured(record["total"]), updates=_natural(record["n"]))


def _parts(record: Mapping[str, Any]) -> Parts:
    return Parts(hits=_natural(record["hits"]), misses=_natural(record["misses"]))


def _points(record: Mapping[str, Any]) -> Points:
    times_s, values = (tuple(_finite(number) for number in record[key]) for key in ("t", "x"))
    if len(times_s) != len(values):
        raise ValueError
    return Points(times_s=times_s, values=values)


_KINDS: Final[Mapping[MetricKind, Callable[[Mapping[str, Any]], Samples | Sum | Parts | Points]]] = {
    MetricKind.HISTOGRAM: _samples,
    MetricKind.COUNTER: _sum,
    MetricKind.RATIO: _parts,
    MetricKind.GAUGE: _points,
}


# ---- scalars ------------------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _natural(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    if not 0 <= value < 2**63:
        raise Insane("a number that is no count")
    return value


def _finite(value: object) -> float:
    if type(value) not in (int, float):
        raise TypeError
    number = float(value)  # type: ignore[arg-type]  # one of the two types above
    if not -_BOUND < number < _BOUND:
        raise Insane(f"{number} is not finite, or out of any range")
    return number


def _measured(value: object) -> float:
    number = _finite(value)
    if number < 0:
        raise Insane(f"{number} is negative")
    return number


def _sample(value: object) -> float:
    number = _measured(value)
    if number >= HUGE:
        raise Insane(f"{number} among the samples")
    return number


def _refuse(name: str) -> float:
    raise Insane(f"{name} is not a number")
