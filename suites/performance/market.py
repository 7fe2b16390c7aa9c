"""The market of these tests, known beforehand from its settings, and what is measured of the process that takes it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import psutil

from suites.database import Database
from suites.oracle import expected_bars, lost_and_doubled
from suites.system import Tick, ticks

SYMBOLS = tuple(f"S{number}" for number in range(200))
SOURCE = "exchange"
_SEED = 11
_EVERY_S = 0.1


def day(count: int, *, rate: int = 0) -> list[Tick]:
    """The first `count` ticks of an exchange with `environment`."""
    pace = {"rate_per_s": float(rate)} if rate else {}
    return list(islice(ticks(SYMBOLS, seed=_SEED, **pace), count))


def environment(*, rate: int, ticks: int) -> dict[str, str]:
    return {
        "TICKSTREAM_SYMBOLS": ",".join(SYMBOLS),
        "TICKSTREAM_SEED": str(_SEED),
        "TICKSTREAM_RATE": str(rate),
        "TICKSTREAM_TICKS": str(ticks),
        "LOG_LEVEL": "info",
    }


async def compare(metrics: Any, database: Database, sent: list[Tick]) -> None:
    """Record how many of `sent` are missing from the bars and how many are in them too often."""
    lost, doubled = lost_and_doubled(expected_bars(sent), await database.bars())
    metrics.counter("ticks_lost").add(lost)
    metrics.counter("ticks_doubled").add(doubled)


@asynccontextmanager
async def memory_watched(metrics: Any, pid: int, name: str = "service_memory") -> AsyncIterator[None]:
    """Record the resident memory of a process, ten times a second, while the block runs."""
    resident = metrics.gauge(name, unit="MB")
    process = psutil.Process(pid)

    async def watch() -> None:
        while True:
            resident.set(process.memory_info().rss / 1e6)
            await asyncio.sleep(_EVERY_S)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])
