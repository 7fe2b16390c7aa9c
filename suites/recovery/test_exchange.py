"""The exchange killed, frozen and cut off: ingestion goes on where it was, with every tick of the day, each once."""

import asyncio
import time
from itertools import islice

import pytest

from suites.oracle import expected_bars, lost_and_doubled
from suites.recovery.feeding import SYMBOLS
from suites.recovery.waits import feels, health, tells
from suites.system import FEED_SOURCE, ticks

RATE = 4000
MARKET = {"TICKSTREAM_RATE": str(RATE), "TICKSTREAM_SEED": "7", "TICKSTREAM_SYMBOLS": ",".join(SYMBOLS)}


def day(count):
    """The first `count` ticks of the exchange's day."""
    return list(islice(ticks(SYMBOLS, seed=7, rate_per_s=RATE), count))


async def start_pair(start_service, port, count, **environment):
    """An exchange with `count` ticks on `port`, and an ingestion that pulls from it."""
    market = {**MARKET, "TICKSTREAM_TICKS": str(count), "TICKSTREAM_EXCHANGE_PORT": port}
    exchange = await start_service("exchange", **market)
    settings = {"TICKSTREAM_EXCHANGE_URL": f"ws://127.0.0.1:{port}/ticks", "TICKSTREAM_FLUSH_MS": "1", **environment}
    return exchange, await start_service("ingest", **settings), market


async def test_an_exchange_that_is_killed_and_restarted_leaves_no_gap(start_service, database, fixed_port):
    exchange, ingest, market = await start_pair(start_service, fixed_port, 8000)
    for losses, upto in ((1, 1500), (2, 4000)):
        await database.settled(FEED_SOURCE, upto)
        await asyncio.to_thread(exchange.kill)
        await tells(ingest, "ingest", "exchange_losses", losses)
        exchange = await start_service("exchange", **market)
    await database.settled(FEED_SOURCE, 8000)
    assert await database.bars() == expected_bars(day(8000))
    assert (await asyncio.to_thread(ingest.facts))["exchange_losses"] == 2


async def test_an_exchange_behind_a_bad_line_leaves_no_gap(start_service, database, fixed_port, faults):
    proxy = faults.proxy(f"127.0.0.1:{fixed_port}")
    _, ingest, _ = await start_pair(
        start_service, fixed_port, 8000, TICKSTREAM_EXCHANGE_URL=f"ws://127.0.0.1:{proxy.port}/ticks"
    )
    proxy.latency(0.002, jitter_s=0.002)
    proxy.slice(1000)
    for upto, strike in ((800, proxy.reset), (2000, proxy.down), (3500, proxy.blackhole), (5000, proxy.reset)):
        await database.settled(FEED_SOURCE, upto)
        strike()
        await asyncio.sleep(0.1)
        proxy.reset()
        proxy.up()
        proxy.heal()
    await database.settled(FEED_SOURCE, 8000)
    assert await database.bars() == expected_bars(day(8000))
    assert (await asyncio.to_thread(ingest.facts))["gaps"] == 0


async def test_an_exchange_that_stands_still_is_told_of_and_goes_on(start_service, database, fixed_port, faults):
    exchange, ingest, _ = await start_pair(start_service, fixed_port, 10_000)
    await database.settled(FEED_SOURCE, 500)
    with faults.process(exchange.pid).stopped():
        await feels(ingest, 200, "degraded")  # pings find it out
    await database.settled(FEED_SOURCE, 10_000)
    assert await database.bars() == expected_bars(day(10_000))
    assert await health(ingest) == (200, "ok")


async def test_ingestion_that_is_killed_goes_on_where_the_day_was(start_service, database, fixed_port):
    _, ingest, _ = await start_pair(start_service, fixed_port, 8000)
    for upto in (1000, 3500):
        await database.settled(FEED_SOURCE, upto)
        await asyncio.to_thread(ingest.kill)
        ingest = await start_service("ingest", TICKSTREAM_EXCHANGE_URL=f"ws://127.0.0.1:{fixed_port}/ticks")
    await database.settled(FEED_SOURCE, 8000)
    assert await database.bars() == expected_bars(day(8000))


async def test_exchange_database_and_ingestion_fall_one_after_the_other(start_service, database, postgres, fixed_port):
    exchange, ingest, market = await start_pair(start_service, fixed_port, 8000)
    await database.settled(FEED_SOURCE, 1000)
    await asyncio.to_thread(postgres.kill)
    await asyncio.to_thread(exchange.kill)
    await asyncio.to_thread(ingest.kill)
    exchange = await start_service("exchange", **market)
    ingest = await start_service("ingest", wait=False, TICKSTREAM_EXCHANGE_URL=f"ws://127.0.0.1:{fixed_port}/ticks")
    await asyncio.to_thread(postgres.start)
    await database.settled(FEED_SOURCE, 8000)
    assert await database.bars() == expected_bars(day(8000))


@pytest.mark.performance
async def test_the_exchange_is_followed_again_soon_after_its_return(
    metrics, start_service, database, fixed_port, faults
):
    recovery = metrics.histogram("websocket_recovery", unit="s")
    proxy = faults.proxy(f"127.0.0.1:{fixed_port}")
    url = f"ws://127.0.0.1:{proxy.port}/ticks"
    exchange, ingest, market = await start_pair(start_service, fixed_port, 12_000, TICKSTREAM_EXCHANGE_URL=url)
    upto = 500
    for round_number in range(4):
        await database.settled(FEED_SOURCE, upto)
        if round_number % 2:
            proxy.down()
            await asyncio.sleep(0.4)
            proxy.up()
        else:
            await asyncio.to_thread(exchange.kill)
            await asyncio.sleep(0.4)
            exchange = await start_service("exchange", **market)
        since = time.perf_counter()
        upto = (await asyncio.to_thread(ingest.facts))["ticks"] + 1
        await database.settled(FEED_SOURCE, upto)
        recovery.record(time.perf_counter() - since)
        upto += 200
    await database.settled(FEED_SOURCE, 12_000)
    lost, doubled = lost_and_doubled(expected_bars(day(12_000)), await database.bars())
    metrics.counter("recovery_ticks_lost").add(lost)
    metrics.counter("recovery_ticks_doubled").add(doubled)
