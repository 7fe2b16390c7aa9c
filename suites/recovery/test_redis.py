"""Redis killed, emptied, frozen and cut off while messages flow: what it confirmed is there, in order and once."""

import asyncio
import json
from itertools import pairwise

from suites.recovery.feeding import all_there, feeding
from suites.recovery.talking import CHANNEL, STREAM, kept, talking
from suites.recovery.waits import holds
from suites.system import Live, Mailbox
from suites.waiting import until


def numbers(upto):
    return [str(number).encode() for number in range(1, upto + 1)]


async def test_what_redis_confirmed_survives_its_kill_and_the_rest_follows_in_order(redis, names):
    async with talking(redis.url, names) as talk:
        for _ in range(3):
            await talk.goes_on(50)
            await asyncio.to_thread(redis.kill)
            await asyncio.to_thread(redis.start)
    assert await kept(redis.url, names) == numbers(talk.said)


async def test_messages_wait_while_redis_is_stopped_for_maintenance(redis, names):
    async with talking(redis.url, names) as talk:
        await talk.goes_on(50)
        await asyncio.to_thread(redis.stop_cleanly)
        before = talk.said
        await asyncio.sleep(0.3)
        assert talk.said <= before + 1  # one answer may have been under way
        await asyncio.to_thread(redis.start)
        await talk.goes_on(50)
    assert await kept(redis.url, names) == numbers(talk.said)


async def test_messages_wait_while_redis_stands_still(redis, names):
    async with talking(redis.url, names) as talk:
        await talk.goes_on(50)
        await asyncio.to_thread(redis.freeze)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(redis.thaw)
        await talk.goes_on(50)
    assert await kept(redis.url, names) == numbers(talk.said)


async def test_messages_wait_behind_a_partition_and_come_once(redis, names, faults):
    proxy = faults.proxy(redis.url)
    async with talking(proxy.url, names) as talk:
        for _ in range(3):
            await talk.goes_on(30)
            proxy.blackhole()
            await asyncio.sleep(0.1)
            proxy.reset()  # whatever had been said and not answered is in doubt now
            proxy.heal()
        await talk.goes_on(30)
    assert await kept(redis.url, names) == numbers(talk.said)


async def test_a_redis_that_lost_everything_is_used_again_at_once(redis, names):
    async with talking(redis.url, names) as talk:
        await talk.goes_on(50)
        await asyncio.to_thread(redis.kill)
        await asyncio.to_thread(redis.start_empty)
        await talk.goes_on(50)
    found = [int(payload) for payload in await kept(redis.url, names)]
    assert found == list(range(found[0], talk.said + 1))
    assert len(found) >= 49  # the first of the fifty may have been confirmed by the one that is gone


async def test_who_listens_hears_on_after_redis_was_killed_and_can_tell_what_was_missed(redis, names):
    async with talking(redis.url, names) as talk, Live(redis.url, channels=[CHANNEL], names=names) as live:
        await talk.goes_on(20)
        await asyncio.to_thread(redis.kill)
        before = talk.said
        await asyncio.to_thread(redis.start)
        heard = [await anext(live)]
        while heard[-1].number < before + 50:
            heard.append(await anext(live))
    assert [message.number for message in heard] == [int(message.payload) for message in heard]
    steps = [two.number - one.number for one, two in pairwise(heard)]
    assert all(step >= 1 for step in steps)
    assert sum(step > 1 for step in steps) <= 1  # nothing is missed but around the one loss


async def test_a_user_who_was_away_reads_everything_once_across_a_kill_of_redis(redis, names):
    read = []
    async with talking(redis.url, names) as talk:
        async with Mailbox(redis.url, STREAM, "ada", names=names) as mailbox:
            await talk.goes_on(50)
            read += await _read(mailbox, 20)
        await asyncio.to_thread(redis.kill)
        await asyncio.to_thread(redis.start)
        await talk.goes_on(50)
    async with Mailbox(redis.url, STREAM, "ada", names=names) as mailbox:
        while messages := await mailbox.read(count=30):
            await mailbox.acknowledge(messages)
            read += [int(message.payload) for message in messages]
        assert mailbox.missed == 0
    assert read == list(range(read[0], talk.said + 1))


async def test_a_reader_goes_on_where_it_was_while_redis_restarts_under_it(redis, names):
    read = []
    async with Mailbox(redis.url, STREAM, "ada", names=names) as mailbox:
        reading = asyncio.create_task(_read_into(mailbox, read))
        async with talking(redis.url, names) as talk:
            for _ in range(3):
                await talk.goes_on(40)
                await asyncio.to_thread(redis.restart)
            await talk.goes_on(40)
        await holds(lambda: read and read[-1] == talk.said)
        reading.cancel()
    assert read == list(range(1, talk.said + 1))


async def test_ingestion_does_not_notice_that_redis_is_away(start_service, database, redis, names):
    service = await start_service(REDIS_URL=redis.url, TICKSTREAM_PREFIX=names.prefix)
    async with feeding(service) as feed:
        await database.settled("feed", 200)
        for away, back in ((redis.kill, redis.start), (redis.freeze, redis.thaw)):
            await asyncio.to_thread(away)
            await database.settled("feed", await feed.passes(500))
            await asyncio.to_thread(back)
    await all_there(database, feed.sent)
    await until(lambda: _told_as_they_are(database, redis, names))


async def test_a_redis_that_comes_back_empty_is_told_every_bar_that_changes_then(start_service, database, redis, names):
    service = await start_service(REDIS_URL=redis.url, TICKSTREAM_PREFIX=names.prefix)
    async with feeding(service) as feed:
        await database.settled("feed", 200)
        await asyncio.to_thread(redis.kill)
        await asyncio.to_thread(redis.start_empty)
        await feed.passes(1000)  # more than a minute of the market, so that every symbol has a new bar
    await all_there(database, feed.sent)
    bars = await database.bars()
    newest = max(minute for _, minute in bars)
    await until(lambda: _told({key: bar for key, bar in bars.items() if key[1] == newest}, redis, names))


async def test_both_servers_go_away_at_once_and_come_back(start_service, database, postgres, redis, names):
    service = await start_service(REDIS_URL=redis.url, TICKSTREAM_PREFIX=names.prefix, TICKSTREAM_FLUSH_MS="1")
    async with feeding(service) as feed:
        await database.settled("feed", 200)
        await asyncio.gather(asyncio.to_thread(postgres.kill), asyncio.to_thread(redis.kill))
        await feed.passes(500)
        health = await asyncio.to_thread(service.health)
        await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(redis.start))
    assert (health["http_status"], health["status"]) == (200, "degraded")
    await all_there(database, feed.sent)
    await until(lambda: _told_as_they_are(database, redis, names))


async def _told_as_they_are(database, redis, names):
    return await _told(await database.bars(), redis, names)


async def _told(bars, redis, names):
    """Whether the newest word about each of `bars` in the stream is what the database holds."""
    newest = {}
    for payload in await kept(redis.url, names, "bars"):
        bar = json.loads(payload)
        newest[bar["symbol"], bar["minute"]] = bar
    wanted = {(symbol, minute.isoformat()): bar for (symbol, minute), bar in bars.items()}
    return all(
        key in newest
        and [newest[key][name] for name in ("open", "high", "low", "close")] == [str(price) for price in bar[:4]]
        and (newest[key]["volume"], newest[key]["trades"]) == (bar.volume, bar.trades)
        for key, bar in wanted.items()
    )


async def _read(mailbox, count):
    messages = await mailbox.read(count=count, wait_s=1)
    await mailbox.acknowledge(messages)
    return [int(message.payload) for message in messages]


async def _read_into(mailbox, read):
    while True:
        read += await _read(mailbox, 25)
