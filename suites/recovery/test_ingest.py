"""The ingestion process killed, stopped and started again: what it acknowledged is in its bar, once."""

import asyncio
import random

import pytest

from suites.recovery.feeding import all_there, applied, feeding
from suites.recovery.waits import logs
from suites.waiting import until


@pytest.mark.parametrize("seed", range(2))
async def test_kills_at_seeded_moments_lose_and_double_nothing(seed, start_service, database, fixed_port):
    moments = random.Random(seed)
    service = await start_service(TICKSTREAM_PORT=fixed_port, TICKSTREAM_FLUSH_MS="5")
    async with feeding(service) as feed:
        for _ in range(2):
            await feed.passes(moments.randrange(1, 800))
            await asyncio.sleep(moments.uniform(0, 0.02))
            await asyncio.to_thread(service.kill)
            service = await start_service(TICKSTREAM_PORT=fixed_port, TICKSTREAM_FLUSH_MS="5")
    await all_there(database, feed.sent)


async def test_a_kill_while_the_database_is_away_loses_nothing_that_was_acknowledged(
    start_service, database, postgres, fixed_port
):
    service = await start_service(TICKSTREAM_PORT=fixed_port)
    async with feeding(service) as feed:
        await database.settled("feed", 200)
        await asyncio.to_thread(postgres.kill)
        await feed.passes(500)
        await asyncio.to_thread(service.kill)
        service = await start_service(TICKSTREAM_PORT=fixed_port, wait=False)
        await logs(service, "database_lost")
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(service.wait_ready)
        await feed.passes(200)
    await all_there(database, feed.sent)


async def test_a_kill_right_after_the_acknowledgement_loses_nothing(start_service, database):
    service = await start_service(TICKSTREAM_FLUSH_MS="60000")  # after the first batch only the journal has it
    async with feeding(service) as feed:
        await feed.passes(100)
    await asyncio.to_thread(service.kill)
    assert await applied(database) < feed.sent[-1].sequence
    await start_service()
    async with asyncio.timeout(5):
        await all_there(database, feed.sent)


async def test_being_asked_to_end_while_the_database_is_away_takes_less_than_five_seconds(
    start_service, database, postgres, faults
):
    service = await start_service()
    async with feeding(service) as feed:
        await database.settled("feed", 200)
        await asyncio.to_thread(postgres.kill)
        await feed.passes(300)
    await asyncio.to_thread(faults.process(service.pid).terminate, 5.0)
    assert await asyncio.to_thread(service.wait_end) == 0
    await asyncio.to_thread(postgres.start)
    await start_service()
    await all_there(database, feed.sent)


async def test_being_asked_to_end_in_mid_transaction_while_everything_stands_still_takes_less_than_five_seconds(
    start_service, database, postgres, redis, names, faults
):
    service = await start_service(REDIS_URL=redis.url, TICKSTREAM_PREFIX=names.prefix)
    async with database.connect() as holder:
        await holder.execute("BEGIN")
        async with feeding(service) as feed:
            await database.settled("feed", 200)
            await holder.execute("LOCK TABLE ohlcv_1min IN EXCLUSIVE MODE")
            await until(lambda: _waits_for_the_lock(holder))
            await asyncio.gather(asyncio.to_thread(postgres.freeze), asyncio.to_thread(redis.freeze))
            await feed.passes(200)
        await asyncio.to_thread(faults.process(service.pid).terminate, 5.0)
        assert await asyncio.to_thread(service.wait_end) == 0
        await asyncio.to_thread(postgres.thaw)
    await start_service()
    await all_there(database, feed.sent)


async def test_a_process_that_stood_still_goes_on_as_if_nothing_had_been(start_service, database, faults):
    service = await start_service()
    async with feeding(service) as feed:
        await feed.passes(200)
        with faults.process(service.pid).stopped():
            await database.end_connections()
            await asyncio.sleep(0.3)
        await feed.passes(500)
    await all_there(database, feed.sent)


async def test_a_killed_process_leaves_no_lock_to_the_next(start_service, database):
    first = await start_service()
    async with feeding(first) as feed:
        await feed.passes(100)
    await asyncio.to_thread(first.kill)
    second = await start_service()
    assert not second.events("broken")
    await all_there(database, feed.sent)


async def test_a_source_that_is_cut_off_goes_on_without_a_gap(start_service, database, faults):
    service = await start_service()
    proxy = faults.proxy(service.url("ingest"))
    async with feeding(service, url=f"ws://127.0.0.1:{proxy.port}/ticks") as feed:
        for strike in (proxy.reset, proxy.blackhole, proxy.down, proxy.reset):
            await feed.passes(200)
            strike()
            await asyncio.sleep(0.05)
            proxy.reset()
            proxy.heal()
        await feed.passes(200)
    await all_there(database, feed.sent)
    assert (await asyncio.to_thread(service.facts))["gaps"] == 0


async def _waits_for_the_lock(holder):
    query = "SELECT count(*) FROM pg_locks WHERE relation = 'ohlcv_1min'::regclass AND NOT granted"
    return await holder.fetchval(query)
