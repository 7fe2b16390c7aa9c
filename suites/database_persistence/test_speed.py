"""How fast, how complete, how soon back. Nothing is asserted about time here: the declared thresholds judge.

Loss and doubling are recorded as well, by the tests that give them the best chance to happen. What a defect could draw
out for ever is given up after a while, and the time until then counts: far beyond every limit, but the suite ends.
"""

import asyncio
import time
from contextlib import suppress
from itertools import islice

import pytest

from suites.oracle import expected_bars, lost_and_doubled
from suites.system import (
    BarBuilder,
    BarStore,
    Source,
    Span,
    Target,
    Ticks,
    declared_faults,
    decode_request,
    encode,
    ticks,
)

pytestmark = pytest.mark.performance

SYMBOLS = [f"S{number}" for number in range(100)]


def market(count, *, symbols=SYMBOLS, seed=5, rate_per_s=2000.0):
    return list(islice(ticks(symbols, seed=seed, rate_per_s=rate_per_s), count))


async def gives_up(condition, after_s):
    """Wait until `condition` holds, but no longer than that; whether it was in vain."""
    with suppress(TimeoutError):
        await asyncio.wait_for(condition, after_s)
        return False
    return True


async def compare(metrics, database, sent, prefix=""):
    """Record how many of `sent` are missing from the bars and how many are in them too often."""
    lost, doubled = lost_and_doubled(expected_bars(sent), await database.bars(prefix))
    metrics.counter("ticks_lost").add(lost)
    metrics.counter("ticks_doubled").add(doubled)


def test_processing_a_tick_from_bytes_to_bar(metrics):
    processing = metrics.histogram("tick_processing", unit="s")
    builder = BarBuilder()
    apply = declared_faults().on_apply(builder.add_all)
    frames = [encode(Ticks([tick])) for tick in market(20_000)]
    for frame in frames:
        with processing.time():
            apply(decode_request(frame).ticks)
    assert len(builder) >= len(SYMBOLS)


async def test_acknowledging_a_tick_over_the_network(metrics, shared_service, shared_database, unique):
    acknowledged = metrics.histogram("tick_acknowledged", unit="s")
    sent = market(400, symbols=[unique])
    async with Source(shared_service.ticks_url, unique) as feed:
        for tick in sent:
            with acknowledged.time():
                await feed.send([tick])
    await shared_database.settled(unique, len(sent))
    await compare(metrics, shared_database, sent, unique)


async def test_writing_batches(metrics, database):
    batch_write = metrics.histogram("batch_write", unit="s")
    store = BarStore(Target(url=database.url, schema=database.schema), declared_faults())
    await store.applied("feed")
    builder = BarBuilder()
    for number in range(1000):
        batch = market(50, seed=number)
        builder.add_all(batch)
        builder.cover("feed", Span(since=number * 50, upto=number * 50 + 50))
        ready = builder.take()
        with batch_write.time():
            rows = await store.write(ready)
        assert len(rows) == len(ready.bars)
    await store.close()


async def test_writing_batches_of_a_whole_market(metrics, database):
    batch_write = metrics.histogram("batch_write", unit="s")
    store = BarStore(Target(url=database.url, schema=database.schema), declared_faults())
    await store.applied("feed")
    builder = BarBuilder()
    sent = market(60_000)
    for start in range(0, len(sent), 500):
        builder.add_all(sent[start : start + 500])
        builder.cover("feed", Span(since=start, upto=start + 500))
        ready = builder.take()
        with batch_write.time():
            await store.write(ready)
    await store.close()
    await compare(metrics, database, sent)


async def test_taking_as_many_ticks_as_there_are(metrics, shared_service, shared_database, unique):
    rate = metrics.counter("ticks")
    sent = market(100_000, symbols=[unique + symbol for symbol in SYMBOLS])
    rate.add(0)
    async with Source(shared_service.ticks_url, unique, frame_ticks=1000) as feed:
        for start in range(0, len(sent), 10_000):
            if await gives_up(feed.send(sent[start : start + 10_000]), 8.0):
                return
            rate.add(10_000)
    await shared_database.settled(unique, len(sent))
    await compare(metrics, shared_database, sent, unique)


async def test_coming_back_after_the_server_ended_the_connection(metrics, start_service, database):
    reconnect = metrics.histogram("reconnect", unit="s")
    sent = market(8000)
    service = await start_service()
    async with Source(service.ticks_url, "feed") as feed:
        for start in range(0, 8000, 1000):
            assert await database.end_connections() == 1
            began = time.perf_counter()
            await feed.send(sent[start : start + 1000])
            await database.settled("feed", start + 1000)
            reconnect.record(time.perf_counter() - began)
    await compare(metrics, database, sent)


async def test_coming_back_after_the_database_was_away(metrics, start_service, database, faults):
    reconnect = metrics.histogram("reconnect", unit="s")
    sent = market(5000)
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url)
    async with Source(service.ticks_url, "feed") as feed:
        for start in range(0, 5000, 1000):
            proxy.down()
            await feed.send(sent[start : start + 1000])
            await proxy.refused()
            await asyncio.sleep(0.2)  # long enough for the breaker to have opened
            proxy.up()
            began = time.perf_counter()
            await database.settled("feed", start + 1000)
            reconnect.record(time.perf_counter() - began)
    await compare(metrics, database, sent)


async def test_coming_back_after_a_kill_in_mid_stream(metrics, start_service, database):
    restart = metrics.histogram("restart", unit="s")
    sent = market(15_000)
    for upto in (5000, 10_000, 15_000):
        service = await start_service()
        async with Source(service.ticks_url, "feed") as feed:
            feeding = asyncio.create_task(feed.send(sent[:upto]))
            await database.settled("feed", upto - 4500)
            await asyncio.to_thread(service.kill)
            feeding.cancel()
            await asyncio.wait([feeding])
        began = time.perf_counter()
        service = await start_service()
        restart.record(time.perf_counter() - began)
        async with Source(service.ticks_url, "feed") as feed:
            await feed.send(sent[:upto])
        await database.settled("feed", upto)
        await asyncio.to_thread(service.terminate)
    await compare(metrics, database, sent)
