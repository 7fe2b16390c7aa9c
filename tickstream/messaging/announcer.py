"""Tells Redis which bars have changed, without ever holding up ingestion.

The database is the truth; an announcement carries a bar as it was when its batch committed. While Redis is slow or away
a newer state of a bar takes the place of the older one, so that what waits is bounded by the number of bars; beyond
`capacity` the bars that have waited longest are dropped and counted.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from tickstream.messaging.publisher import Publisher

STREAM = "bars"


class Announcement(msgspec.Struct, frozen=True):
    """A bar as JSON on channel `bars:<symbol>` and in the stream `bars`; prices as decimal text."""

    symbol: str
    minute: str
    open: str
    high: str
    low: str
    close: str
    volume: int
    trades: int


class Announcer:
    """Use `rows` as the ingest's `committed`; `run` until cancelled."""

    def __init__(self, publisher: Publisher, *, capacity: int = 50_000) -> None:
        self._publisher = publisher
        self._capacity = capacity
        self._changed: dict[tuple[str, datetime], asyncpg.Record] = {}
        self._arrived = asyncio.Event()
        self.dropped = 0

    @property
    def state(self) -> str:
        """Of the connection to Redis."""
        return self._publisher.state

    @property
    def lost(self) -> bool:
        """Whether the latest attempt to reach Redis failed."""
        return self._publisher.lost

    @property
    def waiting(self) -> int:
        return len(self._changed)

    def rows(self, rows: Sequence[asyncpg.Record]) -> None:
        for row in rows:
            key = (row["symbol"], row["minute"])
            self._changed.pop(key, None)
            self._changed[key] = row
        while len(self._changed) > self._capacity:
            self._changed.pop(next(iter(self._changed)))
            self.dropped += 1
        self._arrived.set()

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            changed, self._changed = self._changed, {}
            await asyncio.gather(*(self._announce(row) for row in changed.values()))

    async def _announce(self, row: asyncpg.Record) -> None:
        announcement = Announcement(
            symbol=row["symbol"],
            minute=row["minute"].isoformat(),
            open=str(row["open"]),
            high=str(row["high"]),
            low=str(row["low"]),
            close=str(row["close"]),
            volume=row["volume"],
            trades=row["trades"],
        )
        await self._publisher.publish(f"bars:{row['symbol']}", msgspec.json.encode(announcement), stream=STREAM)
