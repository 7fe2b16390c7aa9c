"""The service as a whole against the clock: how much it pulls, how soon it starts, ends and is back, what it keeps.

As in `test_speed` nothing is asserted about time.
"""

import asyncio
import time

import psutil
import pytest
from websockets.asyncio.client import connect

from suites.database_persistence.day import day, exchange_environment
from suites.database_persistence.test_speed import compare, gives_up, market
from suites.system import FEED_SOURCE, Hello, Source, Ticks, decode_reply, encode
from suites.waiting import until

pytestmark = pytest.mark.performance

PULLED = 100_000
SOURCES = 8
FRAMES = 250  # of one tick, from each source


async def test_pulling_a_day_from_the_exchange_into_the_database(metrics, start_service, database):
    rate = metrics.counter("pulled_ticks")
    exchange = await start_service("exchange", **exchange_environment(ticks=PULLED))
    await start_service(TICKSTREAM_EXCHANGE_URL=exchange.url("exchange", "/ticks", scheme="ws"))
    rate.add(0)  # the span begins here, and there is a rate even if nothing comes
    for upto in range(PULLED // 4, PULLED + 1, PULLED // 4):
        if await gives_up(database.settled(FEED_SOURCE, upto), 8.0):
            return
        rate.add(PULLED // 4)
    await compare(metrics, database, day(PULLED))


async def test_being_killed_right_after_an_acknowledgement(metrics, start_service, database):
    sent = market(800)
    for upto in (400, 800):
        service = await start_service()
        async with Source(service.ticks_url, f"feed{upto}") as feed:
            await feed.send([_renumbered(tick, upto - 400) for tick in sent[upto - 400 : upto]])
            service.kill()
    service = await start_service()  # it takes up what the journal holds, and nobody sends anything again
    assert await asyncio.to_thread(service.terminate) == 0
    await compare(metrics, database, sent)


def _renumbered(tick, by):
    return type(tick)(tick.symbol, tick.price_micros, tick.size, tick.at_us, tick.sequence - by)


async def test_coming_back_after_an_outage_that_opened_the_breaker(metrics, start_service, database, faults):
    reconnect = metrics.histogram("reconnect", unit="s")
    sent = market(400)
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url)
    async with Source(service.ticks_url, "feed") as feed:
        for upto in (200, 400):
            proxy.down()
            await feed.send(sent[:upto])
            await asyncio.sleep(0.8)
            proxy.up()
            began = time.perf_counter()
            gone = await gives_up(database.settled("feed", upto), 6.0)
            reconnect.record(time.perf_counter() - began)
            if gone:
                break


async def test_starting_with_nothing_to_take_up(metrics, start_service):
    began = time.perf_counter()
    service = await start_service(wait=False)
    await gives_up(until(lambda: asyncio.sleep(0, service.events("ready"))), 16.0)
    metrics.histogram("start", unit="s").record(time.perf_counter() - began)


async def test_ending_with_everything_to_hand_over(metrics, start_service, database):
    sent = market(5000)
    service = await start_service(TICKSTREAM_FLUSH_MS="60000")
    async with Source(service.ticks_url, "feed") as feed:
        await feed.send(sent)
    began = time.perf_counter()
    assert await asyncio.to_thread(service.terminate) == 0
    metrics.histogram("stop", unit="s").record(time.perf_counter() - began)
    await compare(metrics, database, sent)


async def test_thousands_of_frames_leave_no_memory_behind(metrics, start_service):
    service = await start_service()
    process = psutil.Process(service.pid)
    await _flood(service, "warm")
    before = process.memory_info().rss
    await _flood(service, "measured")
    growth = process.memory_info().rss - before
    metrics.histogram("memory_growth", unit="B").record(max(0, growth))


async def _flood(service, name):
    """Many small frames from several sources at once; each is acknowledged before the next is sent."""

    async def send(source):
        async with connect(service.ticks_url, proxy=None, compression=None) as connection:
            await connection.send(encode(Hello(source)))
            await connection.recv()
            for tick in market(FRAMES):
                await connection.send(encode(Ticks([tick])))
                assert decode_reply(await connection.recv()).sequence == tick.sequence

    await asyncio.gather(*(send(f"{name}{number}") for number in range(SOURCES)))
