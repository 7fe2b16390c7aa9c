"""What still works while something is away, what is said about it, and how hard a missing server is knocked at."""

import asyncio
import time

import pytest

from suites.recovery.feeding import all_there, feeding
from suites.recovery.waits import feels, health, tells


async def test_ingestion_says_at_each_stage_how_it_is(start_service, database, postgres):
    service = await start_service()
    assert await health(service) == (200, "ok")
    async with feeding(service) as feed:
        await asyncio.to_thread(postgres.kill)
        await feels(service, 200, "degraded")
        await tells(service, "ingest", "breaker", "open", "half_open")
        await feed.passes(100)  # which is what degraded means: it still does its work
        await asyncio.to_thread(postgres.start)
        await feels(service, 200, "ok")
        await tells(service, "ingest", "breaker", "closed")
    await all_there(database, feed.sent)


async def test_ingestion_does_not_call_a_database_well_that_stands_still(start_service, database, postgres):
    service = await start_service()
    async with feeding(service) as feed:
        await database.settled("feed", 200)
        await asyncio.to_thread(postgres.freeze)
        began = time.monotonic()
        await feels(service, 200, "degraded")
        assert time.monotonic() - began < 5
        await asyncio.to_thread(postgres.thaw)
        await feels(service, 200, "ok")
    await all_there(database, feed.sent)


async def test_ingestion_does_not_call_itself_whole_without_redis(start_service, database, redis, names):
    service = await start_service(REDIS_URL=redis.url, TICKSTREAM_PREFIX=names.prefix)
    async with feeding(service) as feed:
        await database.settled("feed", await feed.passes(200))
        await feels(service, 200, "ok")
        await asyncio.to_thread(redis.kill)
        await feels(service, 200, "degraded")
        await asyncio.to_thread(redis.start)
        await feels(service, 200, "ok")
    await all_there(database, feed.sent)


async def test_health_and_metrics_are_answered_while_everything_behind_hangs(
    start_service, database, postgres, redis, names
):
    service = await start_service(REDIS_URL=redis.url, TICKSTREAM_PREFIX=names.prefix)
    async with feeding(service) as feed:
        await database.settled("feed", 200)
        await asyncio.gather(asyncio.to_thread(postgres.freeze), asyncio.to_thread(redis.freeze))
        await feed.passes(200)
        for _ in range(20):
            began = time.monotonic()
            status, _ = await health(service)
            assert status == 200
            assert time.monotonic() - began < 1
        await asyncio.gather(asyncio.to_thread(postgres.thaw), asyncio.to_thread(redis.thaw))
    await all_there(database, feed.sent)


@pytest.mark.performance
async def test_a_missing_database_is_not_overrun(metrics, start_service, database, faults):
    attempts = metrics.histogram("breaker_attempts", unit="")
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url)
    async with feeding(service) as feed:
        await database.settled("feed", 200)
        proxy.down()
        for _ in range(3):
            before = proxy.accepted
            await asyncio.sleep(1.0)
            attempts.record(proxy.accepted - before)
            await feed.passes(10)
        proxy.up()
        await tells(service, "ingest", "breaker", "closed")
    await all_there(database, feed.sent)
