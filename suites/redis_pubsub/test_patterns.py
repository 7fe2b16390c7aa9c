"""From ticks to patterns to messages: what the table holds, subscribers hear and the stream keeps is one and the same.

Every comparison is with an oracle that works from the ticks alone, pattern by pattern and message by message.
"""

import asyncio
import json
import random
import urllib.request
from collections import Counter

import pytest

from suites.redis_pubsub.findings import listening, looked_through, market
from suites.redis_pubsub.pattern_oracle import expected_patterns
from suites.system import Source, Tick
from suites.waiting import until


async def feed(service, ticks, name="feed"):
    async with Source(service.ticks_url, name) as source:
        await source.send(ticks)


async def test_patterns_are_those_of_the_ticks_in_table_channel_and_stream(broker, database, start_finding):
    sent = market(4000)
    expected = expected_patterns(sent)
    kinds = Counter((pattern["kind"], pattern["direction"]) for pattern in expected)
    assert len(kinds) == 8, kinds
    service = await start_finding()
    async with listening(broker, database) as findings:
        await feed(service, sent)
        await looked_through(database, sent)
    findings.assert_are(expected)


async def test_a_symbol_with_a_long_history_that_nobody_looked_at_is_caught_up(broker, database, start_service):
    sent = market(3000, symbols=2, seed=2)
    quiet = await start_service()  # finds, and has nobody to tell
    await feed(quiet, sent)
    await looked_through(database, sent, told=False)
    await asyncio.to_thread(quiet.terminate)
    async with database.connect() as connection:
        await connection.execute("TRUNCATE pattern, pattern_seen")
    async with listening(broker, database) as findings:
        await start_service(REDIS_URL=broker.url, TICKSTREAM_PREFIX=broker.names.prefix)
        await looked_through(database, sent)
    findings.assert_are(expected_patterns(sent))


@pytest.mark.parametrize("seed", [1, 2])
async def test_kills_at_any_moment_lose_and_double_no_pattern(broker, database, start_finding, seed):
    rng = random.Random(seed)
    sent = market(3000, seed=seed)
    async with listening(broker, database) as findings:
        for step in range(1, 4):
            service = await start_finding()
            feeding = asyncio.create_task(feed(service, sent[: 800 * step]))
            await asyncio.sleep(rng.uniform(0.0, 0.3))
            await asyncio.to_thread(service.kill)
            feeding.cancel()
            await asyncio.wait([feeding])
        service = await start_finding()
        await feed(service, sent)
        await looked_through(database, sent)
    findings.assert_are(expected_patterns(sent))


async def test_a_bar_that_was_committed_and_not_looked_at_before_a_kill_is_looked_at_after_it(
    broker, database, start_finding
):
    sent = market(1500, seed=3)
    service = await start_finding()
    async with listening(broker, database) as findings:
        async with database.connect() as holder, holder.transaction():
            await holder.execute("LOCK TABLE pattern, pattern_seen IN ACCESS EXCLUSIVE MODE")
            await feed(service, sent)
            await database.settled("feed", 1500)  # the finder is held up, ingestion is not
            await asyncio.to_thread(service.kill)
            assert await holder.fetchval("SELECT count(*) FROM pattern") == 0
        await start_finding()
        await looked_through(database, sent)
    findings.assert_are(expected_patterns(sent))


async def test_patterns_wait_for_a_redis_that_is_away_and_are_told_once(broker, database, start_finding, faults):
    sent = market(3000, seed=4)
    proxy = faults.proxy(broker.url)
    service = await start_finding(proxy.url)
    async with listening(broker, database) as findings:
        await feed(service, sent[:1000])
        await looked_through(database, sent[:1000])
        proxy.down()
        await feed(service, sent[1000:2000])
        await looked_through(database, sent[1000:2000], told=False)
        await proxy.refused()
        assert (await asyncio.to_thread(service.facts))["patterns"]["waiting"] > 0
        proxy.up()
        await feed(service, sent)
        await looked_through(database, sent)
    findings.assert_are(expected_patterns(sent))


async def test_a_service_that_is_killed_while_redis_is_away_tells_after_its_return(
    broker, database, start_finding, faults
):
    sent = market(1500, seed=5)
    proxy = faults.proxy(broker.url)
    service = await start_finding(proxy.url)
    async with listening(broker, database) as findings:
        await feed(service, sent[:700])
        await looked_through(database, sent[:700])
        proxy.down()
        await feed(service, sent)
        await looked_through(database, sent, told=False)
        await asyncio.to_thread(service.kill)
        await start_finding()
        await looked_through(database, sent)
    findings.assert_are(expected_patterns(sent))


async def test_patterns_survive_a_database_that_flickers(broker, database, start_finding, faults):
    sent = market(2400, seed=6)
    proxy = faults.proxy(database.url)
    service = await start_finding(POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    async with listening(broker, database) as findings:
        for upto in range(200, 2401, 200):
            feeding = asyncio.create_task(feed(service, sent[:upto]))
            proxy.down()
            await proxy.refused()
            proxy.up()
            await feeding
        await looked_through(database, sent)
    findings.assert_are(expected_patterns(sent))


async def test_a_commit_whose_answer_was_lost_repeats_no_pattern(broker, database, start_finding, faults):
    sent = market(1200, seed=7)
    proxy = faults.proxy(database.url)
    service = await start_finding(POSTGRES_URL=proxy.url)
    async with listening(broker, database) as findings:
        for upto in range(200, 1201, 200):
            async with database.connect() as holder, holder.transaction():
                await holder.execute("LOCK TABLE pattern_seen IN EXCLUSIVE MODE")
                await feed(service, sent[:upto])
                await database.settled("feed", upto)
                proxy.cut_answer_to(b"COMMIT")  # the bars are committed, the finder is about to
            await looked_through(database, sent[:upto])
    assert proxy.cuts == 6
    findings.assert_are(expected_patterns(sent))


async def test_a_lost_answer_of_redis_repeats_no_pattern(broker, database, start_finding, faults):
    sent = market(2000, seed=8)
    proxy = faults.proxy(broker.url)
    service = await start_finding(proxy.url)
    async with listening(broker, database) as findings:
        for upto in range(200, 2001, 200):
            proxy.cut_answer_to(b"patterns:S")  # what only the outbox sends
            await feed(service, sent[:upto])
            await looked_through(database, sent[:upto])
    assert proxy.cuts >= 8
    findings.assert_are(expected_patterns(sent))


async def test_a_redis_that_lost_its_data_goes_on_with_the_next_number(broker, database, start_finding):
    sent = market(2000, seed=9)
    service = await start_finding()
    async with listening(broker, database) as findings:
        await feed(service, sent[:1000])
        await looked_through(database, sent[:1000])
        async with broker.server() as connection:
            await connection.delete(*[key async for key in connection.scan_iter(f"{broker.names.prefix}*")])
        async with database.connect() as connection:
            before = await connection.fetchval("SELECT number FROM pattern_told")
        await feed(service, sent)
        await looked_through(database, sent)
    numbers = [row["number"] for row in findings.table]
    assert 0 < before < numbers[-1]
    assert [message.number for message in findings.heard] == numbers
    assert [message.number for message in findings.kept] == numbers[before:]


@pytest.mark.parametrize("forgotten", [0, 1], ids=["redis remembers", "redis has only the stream"])
async def test_an_outbox_that_tells_everything_again_repeats_no_pattern(broker, database, start_finding, forgotten):
    """As when the database lost what it had noted; and when Redis lost the publisher, since memory ran short."""
    sent = market(1000, seed=10)
    service = await start_finding()
    async with listening(broker, database) as findings:
        await feed(service, sent)
        await looked_through(database, sent)
        await asyncio.to_thread(service.terminate)
        if forgotten:
            async with broker.server() as connection:
                assert await connection.delete(broker.names.publisher("patterns")) == 1
        async with database.connect() as connection:
            await connection.execute("UPDATE pattern_told SET number = 0")
        await start_finding()
        await looked_through(database, sent)
    findings.assert_are(expected_patterns(sent))


async def test_two_services_number_their_patterns_without_gaps_and_tell_each_once(
    broker, database, start_finding, tmp_path
):
    one, two = market(1500, seed=11), [tick_of("T", tick) for tick in market(1500, seed=12)]
    services = [await start_finding(), await start_finding(TICKSTREAM_JOURNAL=str(tmp_path / "other"))]
    async with listening(broker, database) as findings:
        await asyncio.gather(feed(services[0], one, "one"), feed(services[1], two, "two"))
        await looked_through(database, one + two)
    expected = expected_patterns(one) + expected_patterns(two)
    findings.assert_are(expected)


def tick_of(prefix, tick):
    return Tick(prefix + tick.symbol, tick.price_micros, tick.size, tick.at_us, tick.sequence)


async def test_a_late_tick_takes_no_pattern_back_and_counts_for_the_bars_after_it(broker, database, start_finding):
    gap = [
        Tick("S", price * 10_000, 1, minute * 60_000_000, minute) for minute, price in [(1, 100), (2, 110), (3, 110)]
    ]
    late = [Tick("S", 1_200_000, 1, 2 * 60_000_000 + 5, 4), Tick("S", 1_190_000, 1, 4 * 60_000_000, 5)]
    service = await start_finding()
    async with listening(broker, database) as findings:
        await feed(service, gap)
        await looked_through(database, gap)
        await feed(service, gap + late)  # minute 2 now closes at 1.20, minute 3 opens below its range
        await looked_through(database, gap + late)
    found = [(row["kind"], row["direction"], row["minute"][14:16]) for row in findings.table]
    assert found == [("gap", "up", "02")]
    assert [message.number for message in findings.heard] == [1]


async def test_patterns_of_a_symbol_come_in_the_order_of_its_minutes(broker, database, start_finding):
    sent = market(2000, seed=13)
    service = await start_finding()
    async with listening(broker, database) as findings:
        await feed(service, sent)
        await looked_through(database, sent)
    assert len(findings.heard) > 100
    minutes = {}
    for message in findings.heard:
        minutes.setdefault(message.channel, []).append(json.loads(message.payload)["minute"])
    assert all(those == sorted(those) for those in minutes.values())


async def test_the_service_shows_how_patterns_fare(database, broker, start_finding):
    sent = market(1500, seed=14)
    expected = expected_patterns(sent)
    service = await start_finding()
    await feed(service, sent)
    await looked_through(database, sent)
    count = len(expected)

    async def facts():
        return (await asyncio.to_thread(service.facts))["patterns"]

    async def all_told():
        return (await facts())["told"] == count

    await until(all_told)
    assert await facts() == {
        "database": "connected",
        "found": count,
        "told": count,
        "waiting": 0,
        "last_told": count,
    }
    lines = await asyncio.to_thread(metrics_of, service)
    gaps = sum(pattern["kind"] == "gap" for pattern in expected)
    assert f'tickstream_patterns_found_total{{kind="gap"}} {gaps}.0' in lines
    assert f"tickstream_patterns_told {count}.0" in lines
    assert "tickstream_patterns_waiting 0.0" in lines


def metrics_of(service):
    with urllib.request.urlopen(service.url("ingest", "/metrics"), timeout=5) as answer:
        return answer.read().decode().splitlines()
