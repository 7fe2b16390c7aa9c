"""The words of the system: a tick, the bar it becomes part of, and the batch that carries bars to the database.

Prices are whole numbers of millionths of the currency unit and sizes whole numbers of shares, so that every sum and
comparison is exact; the database shows prices as NUMERIC(18, 6). Times are microseconds since 1970-01-01 UTC, minutes
whole minutes since then. The limits below are checked once, where ticks enter; behind that door every tick is valid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta, Struct

MICROS: Final = 1_000_000
MINUTE_US: Final = 60_000_000

KINDS: Final = ("breakout", "gap", "volume_spike", "engulfing")
DIRECTIONS: Final = ("up", "down")
# A pattern is told on the channel `patterns:<symbol>` and kept in this stream, as JSON.
PATTERN_STREAM: Final = "patterns"

# PostgreSQL's text cannot hold NUL; everything else that is UTF-8 is a name like any other.
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[^\\x00]+$")]
PriceMicros = Annotated[int, Meta(gt=0, lt=10**18)]
# A bar's volume is a BIGINT: even 9 million ticks of this size within one minute fit.
Size = Annotated[int, Meta(gt=0, le=10**12)]
TimeUs = Annotated[int, Meta(ge=0, le=253_402_300_799_999_999)]  # the end of the year 9999
SequenceNumber = Annotated[int, Meta(ge=1, le=2**62)]

# What orders ticks within a bar: time, then sequence; the price decides between two sources that agree on both.
Moment = tuple[int, int, int]


class Tick(Struct, array_like=True, frozen=True, gc=False):
    """One trade. `sequence` counts the ticks of one source without gaps, from 1."""

    symbol: Name
    price_micros: PriceMicros
    size: Size
    at_us: TimeUs
    sequence: SequenceNumber


class Bar(Struct, gc=False):
    """What the ticks of one symbol in one minute come to. `first` and `last` end with the opening and closing price."""

    symbol: str
    minute: int
    first: Moment
    last: Moment
    high_micros: int
    low_micros: int
    volume: int
    trades: int


class Pattern(Struct, frozen=True, kw_only=True):
    """Something that bars show, as it is stored, told and served. `minute` is ISO 8601 in UTC, `price` decimal text.

    Numbers count from 1 without gaps. `strength` is from 1 to 100.
    """

    number: int
    kind: str
    symbol: str
    minute: str
    direction: str
    price: str
    strength: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The ticks of one source that a batch holds: all those with `since` < sequence <= `upto`."""

    since: int
    upto: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Partial bars, and exactly which ticks are in them. It is applied whole and once, or not at all."""

    bars: tuple[Bar, ...]
    spans: Mapping[str, Span]
