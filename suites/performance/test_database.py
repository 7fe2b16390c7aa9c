"""Batches into the database: small, large, of many symbols, and while somebody reads. The declared thresholds judge."""

import asyncio

import pytest

from suites.performance.market import SYMBOLS, day
from suites.system import BarBuilder, BarStore, Span, Target, declared_faults
from suites.waiting import until

pytestmark = pytest.mark.performance

_COUNT = "SELECT count(*), sum(volume) FROM ohlcv_1min"


def batches(count, ticks_each):
    """Batches that follow each other, each of `ticks_each` ticks over all symbols."""
    builder = BarBuilder()
    sent = day(count * ticks_each)
    for start in range(0, len(sent), ticks_each):
        builder.add_all(sent[start : start + ticks_each])
        builder.cover("feed", Span(since=start, upto=start + ticks_each))
        yield builder.take()


async def write(metrics, database, ready):
    """Write each batch on its own, timed."""
    batch_write = metrics.histogram("batch_write", unit="s")
    store = BarStore(Target(url=database.url, schema=database.schema), declared_faults())
    await store.applied("feed")
    try:
        for batch in ready:
            with batch_write.time():
                rows = await store.write(batch)
            assert len(rows) == len(batch.bars)
    finally:
        await store.close()


async def test_batches_of_a_busy_second(metrics, database):
    await write(metrics, database, batches(300, 100))


async def test_batches_of_every_symbol(metrics, database):
    await write(metrics, database, batches(40, len(SYMBOLS) * 5))


async def test_batches_while_somebody_reads_everything(metrics, database):
    reads = 0

    async def read():
        nonlocal reads
        async with database.connect() as connection:

            async def again():
                nonlocal reads
                await connection.fetchrow(_COUNT)
                reads += 1
                return False

            await until(again)

    store = BarStore(Target(url=database.url, schema=database.schema), declared_faults())
    await store.applied("feed")  # makes the tables
    await store.close()
    reading = asyncio.create_task(read())
    await write(metrics, database, batches(100, 100))
    reading.cancel()
    await asyncio.wait([reading])
    assert reads > 0
