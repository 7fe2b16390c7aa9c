"""Bars in PostgreSQL: one attempt to apply a batch, whole and exactly once.

The transaction first moves `tick_source.applied` from where the batch begins to where it ends. If the database stands
anywhere else, the batch has been applied already (an earlier attempt whose answer was lost) or somebody else writes for
this source; neither touches a bar. Rows are locked in one order everywhere, so that writers never deadlock. Repeating
attempts is left to `ingest`.
"""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from tickstream import schema
from tickstream.database import Connection, Target
from tickstream.faults import Faults
from tickstream.model import Bar, Batch

_ADVANCE: Final = """
WITH wanted AS MATERIALIZED (
    SELECT t.source, t.since, t.upto FROM tick_source s
    JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS t(source, since, upto) USING (source)
    ORDER BY t.source FOR UPDATE OF s
)
UPDATE tick_source s SET applied = w.upto FROM wanted w WHERE s.source = w.source AND s.applied = w.since
"""

_MERGE: Final = """
INSERT INTO ohlcv_1min AS b
SELECT symbol, timestamptz 'epoch' + minute * interval '1 minute',
       open * 0.000001, high * 0.000001, low * 0.000001, close * 0.000001, volume, trades, fu, fs, lu, ls
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])
     AS t(symbol, minute, open, high, low, close, volume, trades, fu, fs, lu, ls)
ORDER BY symbol, minute
ON CONFLICT (symbol, minute) DO UPDATE SET
    high = greatest(b.high, excluded.high),
    low = least(b.low, excluded.low),
    volume = b.volume + excluded.volume,
    trades = b.trades + excluded.trades,
    (open, first_us, first_sequence) = (
        SELECT o, u, s FROM (VALUES (b.open, b.first_us, b.first_sequence),
                                    (excluded.open, excluded.first_us, excluded.first_sequence)) v(o, u, s)
        ORDER BY u, s, o LIMIT 1),
    (close, last_us, last_sequence) = (
        SELECT c, u, s FROM (VALUES (b.close, b.last_us, b.last_sequence),
                                    (excluded.close, excluded.last_us, excluded.last_sequence)) v(c, u, s)
        ORDER BY u DESC, s DESC, c DESC LIMIT 1)
RETURNING symbol, minute, open, high, low, close, volume, trades
"""

_CURRENT: Final = """
SELECT symbol, b.minute, open, high, low, close, volume, trades
FROM ohlcv_1min b JOIN unnest($1::text[], $2::bigint[]) AS t(symbol, epoch_minute) USING (symbol)
WHERE b.minute = timestamptz 'epoch' + epoch_minute * interval '1 minute'
"""


class SourceConflict(Exception):
    """The database stands neither before nor behind this batch: another process has written for one of its sources."""


class BarStore:
    """One connection, opened when needed and dropped at the first error. Raises DATABASE_ERRORS and SourceConflict."""

    def __init__(self, target: Target, faults: Faults) -> None:
        self._connection = Connection(target, faults)
        self._faults = faults

    async def applied(self, source: str) -> int:
        """Up to which sequence the ticks of `source` are in their bars; a source not seen before is noted, at 0."""
        async with self._connection.session() as connection:
            await connection.execute("INSERT INTO tick_source (source) VALUES ($1) ON CONFLICT DO NOTHING", source)
            return int(await connection.fetchval("SELECT applied FROM tick_source WHERE source = $1", source))

    async def all_applied(self) -> Mapping[str, int]:
        async with self._connection.session() as connection:
            return {row["source"]: row["applied"] for row in await connection.fetch("SELECT * FROM tick_source")}

    async def write(self, batch: Batch) -> list[asyncpg.Record]:
        """Apply `batch`, unless an earlier attempt has done so; its rows as they are now."""
        columns = _columns(batch.bars)
        async with self._connection.session() as connection, schema.transaction(connection):
            fresh = await self._advance(connection, batch)
            query = (_MERGE, *columns) if fresh else (_CURRENT, *columns[:2])
            rows: list[asyncpg.Record] = await connection.fetch(*query)
            await self._faults.wait("slow_batch")
        return rows

    async def close(self) -> None:
        await self._connection.close()

    async def _advance(self, connection: asyncpg.Connection, batch: Batch) -> bool:
        """Move every source of the batch to its end. False when all stand there already."""
        sources = list(batch.spans)
        since = [span.since for span in batch.spans.values()]
        upto = [span.upto for span in batch.spans.values()]
        moved = await connection.execute(_ADVANCE, sources, since, upto)
        if moved == f"UPDATE {len(sources)}":
            return True
        found = dict(
            await connection.fetch("SELECT source, applied FROM tick_source WHERE source = ANY($1::text[])", sources)
        )
        if moved == "UPDATE 0" and found == dict(zip(sources, upto, strict=True)):
            return False
        raise SourceConflict(f"expected {dict(zip(sources, since, strict=True))}, found {found}")


def _columns(bars: tuple[Bar, ...]) -> tuple[list[Any], ...]:
    return (
        [bar.symbol for bar in bars],
        [bar.minute for bar in bars],
        [bar.first[2] for bar in bars],
        [bar.high_micros for bar in bars],
        [bar.low_micros for bar in bars],
        [bar.last[2] for bar in bars],
        [bar.volume for bar in bars],
        [bar.trades for bar in bars],
        [bar.first[0] for bar in bars],
        [bar.first[1] for bar in bars],
        [bar.last[0] for bar in bars],
        [bar.last[1] for bar in bars],
    )
