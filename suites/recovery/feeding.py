"""Ticks that keep coming while things break, and the waiting for what becomes of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice

from suites.database import Database
from suites.oracle import expected_bars, lost_and_doubled
from suites.recovery.waits import holds
from suites.system import Service, Source, Tick, ticks

SYMBOLS = [f"S{number}" for number in range(20)]
NAME = "feed"


def plain_market() -> Iterator[Tick]:
    """Endless ticks of one source, a minute of the market in 600 of them; always the same."""
    return ticks(SYMBOLS, seed=17, rate_per_s=10)


class Feed:
    """Sends frame after frame and goes on through every loss. `sent` is what it sent, `acknowledged` a sequence."""

    def __init__(self, source: Source, market: Iterator[Tick], *, frame_ticks: int, pause_s: float) -> None:
        self._source = source
        self._market = market
        self._frame_ticks = frame_ticks
        self._pause_s = pause_s
        self._over = False
        self.sent: list[Tick] = []
        self.acknowledged = 0

    async def run(self) -> None:
        while not self._over:
            frame = list(islice(self._market, self._frame_ticks))
            self.sent += frame
            await self._source.send(frame)
            self.acknowledged = frame[-1].sequence
            await asyncio.sleep(self._pause_s)

    def end(self) -> None:
        """Send no more than what is under way."""
        self._over = True

    async def passes(self, count: int = 100) -> int:
        """Return when `count` more ticks are acknowledged; up to which sequence all are then."""
        goal = self.acknowledged + count
        await holds(lambda: self.acknowledged >= goal)
        return self.acknowledged


@asynccontextmanager
async def feeding(
    service: Service,
    *,
    url: str = "",
    market: Iterator[Tick] | None = None,
    frame_ticks: int = 20,
    pause_s: float = 0.01,
    name: str = NAME,
) -> AsyncIterator[Feed]:
    """Feeds the service, or whoever is at `url`; the end of the block waits until all that was sent is acknowledged."""
    async with Source(url or service.ticks_url, name) as source:
        feed = Feed(source, market or plain_market(), frame_ticks=frame_ticks, pause_s=pause_s)
        running = asyncio.create_task(feed.run())
        try:
            yield feed
            feed.end()
            await running
        finally:
            running.cancel()
            await asyncio.wait([running])


async def all_there(database: Database, sent: Sequence[Tick], name: str = NAME) -> None:
    """Wait until the last of `sent` is in its bar, and compare every bar with what it must be."""
    await database.settled(name, sent[-1].sequence)
    assert await database.bars() == expected_bars(sent)


async def applied(database: Database, name: str = NAME) -> int:
    """Up to which sequence the ticks are in their bars now."""
    async with database.connect() as connection:
        return int(await connection.fetchval("SELECT applied FROM tick_source WHERE source = $1", name))


async def first_new_bar(database: Database, sequence: int, *, since: float, name: str = NAME) -> float:
    """Seconds from `since`, on `perf_counter`, until a tick beyond `sequence` is in its bar."""
    await database.settled(name, sequence + 1)
    return time.perf_counter() - since


async def compare(metrics, database: Database, sent: Sequence[Tick], name: str = NAME) -> None:
    """Record how many of `sent` are missing from the bars, and how many are in them too often."""
    await database.settled(name, sent[-1].sequence)
    lost, doubled = lost_and_doubled(expected_bars(sent), await database.bars())
    metrics.counter("recovery_ticks_lost").add(lost)
    metrics.counter("recovery_ticks_doubled").add(doubled)
