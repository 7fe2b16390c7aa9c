"""PostgreSQL killed, stopped, frozen, cut off and restarted while ticks flow: taken on, and in their bars once."""

import asyncio

from suites.recovery.feeding import all_there, feeding
from suites.recovery.waits import holds, logs


async def test_a_database_that_is_killed_in_mid_stream_and_restarted_misses_nothing(start_service, database, postgres):
    service = await start_service(TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        await database.settled("feed", 500)
        await asyncio.to_thread(postgres.kill)
        await feed.passes(500)  # taken and made durable all the while
        await asyncio.to_thread(postgres.start)
    await all_there(database, feed.sent)
    assert service.events("database_lost")


async def test_a_database_that_is_stopped_for_maintenance_misses_nothing(start_service, database, postgres):
    service = await start_service(TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        await database.settled("feed", 500)
        await asyncio.to_thread(postgres.stop_cleanly)
        await feed.passes(500)
        await asyncio.to_thread(postgres.start)
    await all_there(database, feed.sent)
    assert service.events("database_lost")


async def test_a_database_that_stands_still_holds_up_no_source(start_service, database, postgres):
    service = await start_service(TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        await database.settled("feed", 500)
        await asyncio.to_thread(postgres.freeze)
        await feed.passes(1000)
        await asyncio.to_thread(postgres.thaw)
    await all_there(database, feed.sent)


async def test_a_partition_before_the_database_is_bridged_and_heals(start_service, database, faults):
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        await database.settled("feed", 500)
        proxy.blackhole()
        await feed.passes(1000)
        proxy.heal()
    await all_there(database, feed.sent)


async def test_a_database_that_does_not_answer_a_newcomer_is_found_again(start_service, database, postgres, faults):
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        await database.settled("feed", 500)
        await asyncio.to_thread(postgres.freeze)
        proxy.reset()  # the connection is taken by the machine, and nobody greets
        await feed.passes(1000)
        await asyncio.to_thread(postgres.thaw)
    await all_there(database, feed.sent)


async def test_a_database_that_restarts_over_and_over_gets_every_tick_once(start_service, database, postgres):
    service = await start_service(TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        for round_number in range(4):
            await asyncio.to_thread(postgres.kill if round_number % 2 else postgres.stop_cleanly)
            await feed.passes(50)
            await asyncio.to_thread(postgres.start)
    await all_there(database, feed.sent)


async def test_a_session_that_crashes_takes_the_others_with_it_and_nothing_is_lost(start_service, database, postgres):
    service = await start_service(TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        for upto in (500, 1500):
            await database.settled("feed", upto)
            async with database.connect() as connection:
                query = "SELECT pid FROM pg_stat_activity WHERE application_name = $1"
                session = await connection.fetchval(query, f"tickstream/{database.schema}")
            await asyncio.to_thread(postgres.crash_session, session)
    await all_there(database, feed.sent)


async def test_answers_to_commits_that_never_arrive_double_nothing(start_service, database, postgres, faults):
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        for round_number in range(5):
            cuts = proxy.cuts
            proxy.cut_answer_to(b"COMMIT")
            await holds(lambda cuts=cuts: proxy.cuts > cuts)
            if round_number == 2:
                await asyncio.to_thread(postgres.restart)  # and now the server itself has forgotten who asked
            await feed.passes(50)
    await all_there(database, feed.sent)


async def test_a_slow_and_narrow_way_to_the_database_only_takes_longer(start_service, database, faults):
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    proxy.latency(0.02, jitter_s=0.02)
    proxy.slice(700)
    proxy.bandwidth(200_000)
    async with feeding(service) as feed:
        await feed.passes(1000)
    await all_there(database, feed.sent)


async def test_a_system_that_starts_before_its_database_serves_when_it_is_there(start_service, database, postgres):
    await asyncio.to_thread(postgres.stop_cleanly)
    service = await start_service(wait=False)
    await logs(service, "database_lost")
    await asyncio.to_thread(postgres.start)
    await asyncio.to_thread(service.wait_ready)
    async with feeding(service) as feed:
        await feed.passes(1000)
    await all_there(database, feed.sent)
