"""How soon everything is used again after its return, and what was lost on the way: recorded, for limits to judge."""

import asyncio
import time

import pytest

from suites.recovery.feeding import compare, feeding, first_new_bar
from suites.recovery.talking import CHANNEL, kept, talking
from suites.system import Live

pytestmark = pytest.mark.performance

# Long enough for the waits between attempts to have grown to their cap.
_AWAY_S = 0.4


async def test_the_database_is_used_again_soon_after_each_kind_of_loss(metrics, start_service, database, postgres):
    recovery = metrics.histogram("database_recovery", unit="s")
    service = await start_service(TICKSTREAM_FLUSH_MS="1")
    losses = [
        (postgres.kill, postgres.start),
        (postgres.stop_cleanly, postgres.start),
        (postgres.freeze, _thaw(postgres)),
    ]
    async with feeding(service) as feed:
        for away, back in losses * 2:
            await database.settled("feed", await feed.passes(50))
            await asyncio.to_thread(away)
            before = await feed.passes(100)
            await asyncio.sleep(_AWAY_S)
            since = await asyncio.to_thread(back)
            recovery.record(await first_new_bar(database, before, since=since))
    await compare(metrics, database, feed.sent)


async def test_the_database_is_used_again_soon_after_a_partition(metrics, start_service, database, faults):
    recovery = metrics.histogram("database_recovery", unit="s")
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        for fault in (proxy.blackhole, proxy.down) * 2:
            await database.settled("feed", await feed.passes(50))
            fault()
            before = await feed.passes(100)
            await asyncio.sleep(_AWAY_S)
            proxy.heal()
            recovery.record(await first_new_bar(database, before, since=time.perf_counter()))
    await compare(metrics, database, feed.sent)


async def test_redis_is_used_again_soon_after_each_kind_of_loss(metrics, redis, names):
    recovery = metrics.histogram("redis_recovery", unit="s")
    losses = [(redis.kill, redis.start), (redis.stop_cleanly, redis.start), (redis.freeze, _thaw(redis))]
    async with talking(redis.url, names) as talk, Live(redis.url, channels=[CHANNEL], names=names) as live:
        for away, back in losses * 2:
            await talk.goes_on(10)
            await asyncio.to_thread(away)
            await asyncio.sleep(_AWAY_S)
            before = talk.said
            since = await asyncio.to_thread(back)
            await talk.goes_on(1)
            recovery.record(time.perf_counter() - since)
            await _hears(live, before + 1)
            recovery.record(time.perf_counter() - since)
    found = [int(payload) for payload in await kept(redis.url, names)]
    metrics.counter("recovery_messages_lost").add(len(set(range(1, talk.said + 1)) - set(found)))
    metrics.counter("recovery_messages_doubled").add(len(found) - len(set(found)))


async def _hears(live, number):
    while int((await anext(live)).payload) <= number:
        pass


def _thaw(server):
    def thaw():
        since = time.perf_counter()
        server.thaw()
        return since

    return thaw
