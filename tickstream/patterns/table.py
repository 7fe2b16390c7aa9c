"""Patterns in PostgreSQL, and the bars that they are found in: what the finder and the outbox ask of the database.

Every call here is tried until the database is there, however long that takes, and may be tried twice after a lost
answer: adding patterns that are there already adds nothing and uses up no number. One connection serves all; it is not
that of the bars, so that looking for patterns never stands before a batch.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

import asyncpg

from tickstream import log, schema
from tickstream.backoff import delays
from tickstream.database import DATABASE_ERRORS, Connection, Target
from tickstream.faults import Faults
from tickstream.model import Pattern
from tickstream.patterns.detectors import BARS, ClosedBar, Finding

T = TypeVar("T")

_BAR: Final = """minute, (open * 1000000)::bigint AS open, (high * 1000000)::bigint AS high,
       (low * 1000000)::bigint AS low, (close * 1000000)::bigint AS close, volume"""

# A walk from symbol to symbol along the primary key, which costs the same however many bars each of them has. Two bars
# that were not looked at are needed: the newest one may still change.
_UNSEEN_SYMBOLS: Final = """
WITH RECURSIVE known AS (
    (SELECT symbol FROM ohlcv_1min WHERE symbol > $1 ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT b.symbol FROM ohlcv_1min b WHERE b.symbol > k.symbol ORDER BY b.symbol LIMIT 1)
    FROM known k WHERE k.symbol IS NOT NULL
)
SELECT k.symbol FROM known k LEFT JOIN pattern_seen s USING (symbol)
WHERE k.symbol IS NOT NULL AND EXISTS (
    SELECT FROM ohlcv_1min b WHERE b.symbol = k.symbol AND b.minute > coalesce(s.minute, '-infinity') OFFSET 1)
LIMIT $2
"""

_WINDOWS: Final = f"""
SELECT w.symbol, s.minute AS seen, b.* FROM unnest($1::text[]) AS w(symbol)
LEFT JOIN pattern_seen s USING (symbol)
LEFT JOIN LATERAL (
    SELECT {_BAR} FROM ohlcv_1min o WHERE o.symbol = w.symbol AND o.minute <= s.minute ORDER BY o.minute DESC LIMIT $2
) AS b ON true
ORDER BY w.symbol, b.minute
"""  # noqa: S608  # put together from this module's own text

_UNSEEN_BARS: Final = f"""
SELECT w.symbol, b.* FROM unnest($1::text[], $2::timestamptz[]) AS w(symbol, seen)
CROSS JOIN LATERAL (
    SELECT {_BAR} FROM ohlcv_1min o WHERE o.symbol = w.symbol AND o.minute > coalesce(w.seen, '-infinity')
    ORDER BY o.minute LIMIT $3
) AS b
ORDER BY w.symbol, b.minute
"""  # noqa: S608  # as above

# One writer at a time: numbers follow each other because nobody else takes any meanwhile.
_ALONE: Final = "SELECT FROM pattern_told FOR UPDATE"

_ADD: Final = """
INSERT INTO pattern (number, kind, symbol, minute, direction, price, strength)
SELECT (SELECT coalesce(max(number), 0) FROM pattern) + row_number() OVER (ORDER BY place),
       kind, symbol, minute, direction, price * 0.000001, strength
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::bigint[], $6::smallint[])
     WITH ORDINALITY AS t(kind, symbol, minute, direction, price, strength, place)
WHERE NOT EXISTS (SELECT FROM pattern p WHERE (p.symbol, p.minute, p.kind) = (t.symbol, t.minute, t.kind))
"""

_NEWEST: Final = "SELECT coalesce(max(number), 0) FROM pattern"

_STANDING: Final = f"SELECT number, ({_NEWEST}) AS newest FROM pattern_told"  # noqa: S608  # as above

_SEE: Final = """
INSERT INTO pattern_seen AS s (symbol, minute) SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS t(symbol, minute)
ORDER BY symbol
ON CONFLICT (symbol) DO UPDATE SET minute = greatest(s.minute, excluded.minute)
"""

_UNTOLD: Final = """
SELECT number, kind, symbol, minute, direction, price, strength FROM pattern WHERE number > $1 ORDER BY number LIMIT $2
"""


class Found(NamedTuple):
    """A pattern on its way into the table."""

    symbol: str
    minute: datetime
    finding: Finding


@dataclass(slots=True)
class Window:
    """What a symbol's next bar is seen against: its last bars, and up to which minute they were looked at."""

    seen: datetime | None = None
    bars: deque[ClosedBar] = field(default_factory=lambda: deque(maxlen=BARS))


class PatternTable:
    """Waits for a database that is away; `trouble` says why, and is empty otherwise."""

    def __init__(self, target: Target, faults: Faults) -> None:
        self._connection = Connection(target, faults, purpose="patterns")
        self.trouble = ""

    async def unseen_symbols(self, after: str, count: int) -> list[str]:
        """Up to `count` symbols behind `after`, in their order, with closed bars that were not looked at."""
        rows = await self._insist(lambda connection: connection.fetch(_UNSEEN_SYMBOLS, after, count))
        return sorted(row["symbol"] for row in rows)

    async def windows(self, symbols: Sequence[str]) -> dict[str, Window]:
        """One for each of `symbols`, empty where none of its bars was looked at."""
        rows = await self._insist(lambda connection: connection.fetch(_WINDOWS, symbols, BARS))
        windows = {symbol: Window() for symbol in symbols}
        for row in rows:
            window = windows[row["symbol"]]
            window.seen = row["seen"]
            if row["minute"] is not None:
                window.bars.append(_bar(row))
        return windows

    async def unseen_bars(self, seen: Mapping[str, datetime | None], count: int) -> dict[str, list[ClosedBar]]:
        """For each symbol up to `count` bars behind the minute `seen`; its newest bar of all may still change."""
        symbols, minutes = list(seen), list(seen.values())
        rows = await self._insist(lambda connection: connection.fetch(_UNSEEN_BARS, symbols, minutes, count))
        bars: dict[str, list[ClosedBar]] = {symbol: [] for symbol in symbols}
        for row in rows:
            bars[row["symbol"]].append(_bar(row))
        return bars

    async def add(self, found: Sequence[Found], seen: Mapping[str, datetime]) -> int:
        """Number and keep what was `found`, and note up to where was looked: both or neither.

        Returns the highest number there is then; 0 when nothing was found. What an earlier attempt has kept, of which
        the answer was lost, is among them.
        """

        async def attempt(connection: asyncpg.Connection) -> int:
            newest = 0
            async with schema.transaction(connection):
                if found:
                    await connection.fetch(_ALONE)
                    await connection.execute(_ADD, *_columns(found))
                    newest = await connection.fetchval(_NEWEST)
                await connection.execute(_SEE, list(seen), list(seen.values()))
            return newest

        return await self._insist(attempt)

    async def standing(self) -> tuple[int, int]:
        """The number up to which patterns were told, and the highest there is."""
        row = await self._insist(lambda connection: connection.fetchrow(_STANDING))
        return int(row["number"]), int(row["newest"])

    async def untold(self, told: int, count: int) -> list[Pattern]:
        """The patterns behind the number `told`, in their order, `count` at most."""
        rows = await self._insist(lambda connection: connection.fetch(_UNTOLD, told, count))
        return [_pattern(row) for row in rows]

    async def note_told(self, number: int) -> None:
        update = "UPDATE pattern_told SET number = $1 WHERE number < $1"
        await self._insist(lambda connection: connection.execute(update, number))

    async def close(self) -> None:
        await self._connection.close()

    async def _insist(self, attempt: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """The result of `attempt`, tried until the database lets it succeed."""
        for wait_s in delays():
            await asyncio.sleep(wait_s)
            try:
                async with self._connection.session() as connection:
                    result = await attempt(connection)
            except DATABASE_ERRORS as error:
                self._note_failure(error)
            else:
                self._note_success()
                return result
        raise AssertionError("the delays never end")

    def _note_failure(self, error: Exception) -> None:
        if not self.trouble:
            log.warning("patterns_wait", reason=f"{type(error).__name__}: {error}")
        self.trouble = f"{type(error).__name__}: {error}"

    def _note_success(self) -> None:
        if self.trouble:
            log.info("patterns_go_on")
        self.trouble = ""


def _bar(row: asyncpg.Record) -> ClosedBar:
    return ClosedBar(row["minute"], row["open"], row["high"], row["low"], row["close"], row["volume"])


def _pattern(row: asyncpg.Record) -> Pattern:
    return Pattern(
        number=row["number"],
        kind=row["kind"],
        symbol=row["symbol"],
        minute=row["minute"].isoformat(),
        direction=row["direction"],
        price=str(row["price"]),
        strength=row["strength"],
    )


def _columns(found: Iterable[Found]) -> tuple[list[object], ...]:
    rows = [
        (one.finding.kind, one.symbol, one.minute, one.finding.direction, one.finding.price, one.finding.strength)
        for one in found
    ]
    return tuple(list(column) for column in zip(*rows, strict=True))
