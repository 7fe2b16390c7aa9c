"""Whatever is taken away, an acknowledged tick is in its bar once: the process, the database, an answer, the room."""

import asyncio
import time
from itertools import islice

from suites.oracle import expected_bars
from suites.system import Source, ticks

SYMBOLS = [f"S{number}" for number in range(30)]


def market(count, seed=11):
    return list(islice(ticks(SYMBOLS, seed=seed, rate_per_s=200), count))


async def fed(service, sent, source="feed", frame_ticks=100):
    async with Source(service.ticks_url, source, frame_ticks=frame_ticks) as feed:
        await feed.send(sent)


async def test_a_killed_service_finds_every_acknowledged_tick_again(start_service, database):
    sent = market(6000)
    service = await start_service(TICKSTREAM_FLUSH_MS="60000")  # the second batch is never flushed
    await fed(service, sent)
    service.kill()
    assert await database.bars() != expected_bars(sent)
    await start_service()
    await database.settled("feed", 6000)
    assert await database.bars() == expected_bars(sent)


async def test_kill_after_kill_in_mid_stream_loses_and_doubles_nothing(start_service, database):
    sent = market(9000)
    for upto in (3000, 6000, 9000):
        service = await start_service()
        feeding = asyncio.create_task(fed(service, sent[:upto]))
        await database.settled("feed", upto - 2500)
        await asyncio.to_thread(service.kill)
        feeding.cancel()
        await asyncio.wait([feeding])
    await fed(await start_service(), sent)
    await database.settled("feed", 9000)
    assert await database.bars() == expected_bars(sent)


async def test_a_stopped_service_has_handed_over_everything(start_service, database):
    sent = market(5000)
    service = await start_service()
    await fed(service, sent)
    assert await asyncio.to_thread(service.terminate) == 0
    assert await database.bars() == expected_bars(sent)


async def test_a_stop_without_a_database_leaves_the_rest_to_the_next_start(start_service, database, faults):
    sent = market(2000)
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url)
    await fed(service, sent[:1000])
    await database.settled("feed", 1000)
    proxy.down()
    await fed(service, sent)
    await proxy.refused()
    assert await asyncio.to_thread(service.terminate) == 0
    assert await database.bars() == expected_bars(sent[:1000])
    await start_service()
    await database.settled("feed", 2000)
    assert await database.bars() == expected_bars(sent)


async def test_ticks_are_acknowledged_while_the_database_is_away_and_arrive_when_it_is_back(
    start_service, database, faults
):
    sent = market(6000)
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url)
    async with Source(service.ticks_url, "feed") as feed:
        await feed.send(sent[:2000])
        proxy.down()
        await feed.send(sent[2000:])
        await proxy.refused()
        health = await asyncio.to_thread(service.health)
        proxy.up()
        await database.settled("feed", 6000)
    # It still does what it promises: ticks are taken and made durable.
    assert (health["http_status"], health["status"]) == (200, "degraded")
    assert health["parts"]["ingest"]["pending_bars"] > 0
    assert await database.bars() == expected_bars(sent)


async def test_a_service_killed_while_the_database_is_away_finds_its_ticks_again(start_service, database, faults):
    sent = market(3000)
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url)
    await fed(service, sent[:10])
    proxy.down()
    await fed(service, sent)
    service.kill()
    proxy.up()
    await start_service(POSTGRES_URL=proxy.url)
    await database.settled("feed", 3000)
    assert await database.bars() == expected_bars(sent)


async def test_a_service_that_starts_before_its_database_waits_for_it(start_service, database, faults):
    proxy = faults.proxy(database.url)
    proxy.down()
    service = await start_service(POSTGRES_URL=proxy.url, wait=False)
    await proxy.refused()
    proxy.up()
    await asyncio.to_thread(service.wait_ready)
    await fed(service, market(10))
    await database.settled("feed", 10)
    assert await database.bars() == expected_bars(market(10))


async def test_connections_ended_by_the_server_in_mid_stream_change_no_bar(start_service, database):
    sent = market(12_000)
    service = await start_service(TICKSTREAM_FLUSH_MS="1")
    feeding = asyncio.create_task(fed(service, sent))
    ended = 0
    for upto in (2000, 5000, 8000):
        await database.settled("feed", upto)
        ended += await database.end_connections()
    await feeding
    await database.settled("feed", 12_000)
    assert ended >= 1
    assert await database.bars() == expected_bars(sent)


async def test_commits_that_were_not_answered_are_not_made_again(start_service, database, faults):
    sent = market(4000)
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    async with Source(service.ticks_url, "feed") as feed:
        for start in range(0, 4000, 400):
            proxy.cut_answer_to(b"COMMIT")
            await feed.send(sent[start : start + 400])
            await database.settled("feed", start + 400)
    assert proxy.cuts >= 8
    assert await database.bars() == expected_bars(sent)


async def test_an_error_of_the_database_is_outlasted_like_its_absence(start_service, database):
    sent = market(500)
    service = await start_service()
    async with database.connect() as connection, Source(service.ticks_url, "feed") as feed:
        await connection.execute("ALTER TABLE ohlcv_1min ADD CONSTRAINT frozen CHECK (trades < 0) NOT VALID")
        await feed.send(sent)
        await _until(lambda: service.events("database_lost"))
        assert await database.bars() == {}
        await connection.execute("ALTER TABLE ohlcv_1min DROP CONSTRAINT frozen")
        await database.settled("feed", 500)
    assert await database.bars() == expected_bars(sent)


async def test_a_source_waits_when_there_is_no_more_room_and_goes_on_when_there_is(start_service, database, faults):
    symbols = [f"S{number}" for number in range(400)]
    sent = list(islice(ticks(symbols, seed=3), 4000))
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url, TICKSTREAM_MAX_BARS="50", TICKSTREAM_FLUSH_MS="1")
    async with Source(service.ticks_url, "feed", frame_ticks=20) as feed:
        await feed.send(sent[:20])
        proxy.down()
        feeding = asyncio.create_task(feed.send(sent))
        await proxy.refused()
        blocked, _ = await asyncio.wait([feeding], timeout=0.5)
        pending = (await asyncio.to_thread(service.facts))["pending_bars"]
        proxy.up()
        await feeding
    await database.settled("feed", 4000)
    assert not blocked
    assert 50 <= pending <= 70  # the bound, and at most the one frame that reached it
    assert await database.bars() == expected_bars(sent)


async def test_a_journal_serves_one_process(start_service):
    await start_service()
    second = await start_service(wait=False)
    assert await asyncio.to_thread(second.wait_end) == 1
    assert "in use by another process" in second.events("broken")[0]["reason"]


async def test_a_source_that_writes_through_two_services_is_never_doubled(start_service, database, tmp_path):
    sent = market(1000)
    one = await start_service()
    two = await start_service(TICKSTREAM_JOURNAL=str(tmp_path / "other"))
    async with Source(one.ticks_url, "feed") as left, Source(two.ticks_url, "feed") as right:
        await left.send(sent[:600])
        await database.settled("feed", 600)
        await right.send(sent[:300])
        assert await asyncio.to_thread(two.wait_end) == 1
        await left.send(sent[600:])
    await database.settled("feed", 1000)
    await start_service(TICKSTREAM_JOURNAL=str(tmp_path / "other"))
    assert await database.bars() == expected_bars(sent)


async def test_a_service_without_a_database_url_says_so_and_ends(start_service):
    service = await start_service(POSTGRES_URL="", TICKSTREAM_PORT="lots", wait=False)
    assert await asyncio.to_thread(service.wait_end) == 2
    assert "POSTGRES_URL is not set" in service.log[0]["text"]
    assert "TICKSTREAM_PORT is 'lots'" in service.log[0]["text"]


async def test_many_sources_through_a_flickering_database(start_service, database, faults):
    names = [f"feed{number}" for number in range(4)]
    sent = {name: market(1500, seed=number) for number, name in enumerate(names)}
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    feeds = [asyncio.create_task(fed(service, sent[name], name, 25)) for name in names]
    flicker = asyncio.create_task(_flicker(proxy))
    await asyncio.gather(*feeds, flicker)
    await asyncio.gather(*(database.settled(name, 1500) for name in names))
    assert await database.bars() == expected_bars(tick for name in names for tick in sent[name])


async def _flicker(proxy):
    for _ in range(5):
        proxy.down()
        await proxy.refused()
        proxy.up()
        await asyncio.sleep(0.03)


async def _until(condition, within_s=10.0):
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


async def test_a_reader_with_a_long_transaction_does_not_hold_ingestion_up(start_service, database):
    sent = market(2000)
    service = await start_service()
    await fed(service, sent[:1000])
    await database.settled("feed", 1000)
    async with database.connect() as reader, reader.transaction(isolation="repeatable_read"):
        before = await reader.fetchval("SELECT sum(trades) FROM ohlcv_1min")
        await fed(service, sent)
        await database.settled("feed", 2000)
        assert await reader.fetchval("SELECT sum(trades) FROM ohlcv_1min") == before
    assert await database.bars() == expected_bars(sent)


async def test_a_writer_that_holds_a_lock_is_waited_for(start_service, database):
    sent = market(600)
    service = await start_service()
    async with database.connect() as holder, Source(service.ticks_url, "feed") as feed:
        async with holder.transaction():
            await holder.execute("LOCK TABLE ohlcv_1min IN EXCLUSIVE MODE")
            await feed.send(sent)
            with_lock = await holder.fetchval("SELECT count(*) FROM ohlcv_1min")
        await database.settled("feed", 600)
    assert with_lock == 0
    assert await database.bars() == expected_bars(sent)
