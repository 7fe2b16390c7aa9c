"""Users of the broadcaster, while it, Redis or their own line goes away: all messages, in order, each once."""

import asyncio
import time

import pytest

from suites.recovery.subscribers import subscribed
from suites.recovery.talking import as_pattern, talking
from suites.recovery.waits import feels, health, holds, tells

USERS = ("ada", "bob", "cy")


@pytest.fixture
def start_broadcaster(start_service, redis, names, fixed_port):
    async def start(**environment):
        settings = {"REDIS_URL": redis.url, "TICKSTREAM_PREFIX": names.prefix, "TICKSTREAM_HEARTBEAT_MS": "3000"}
        return await start_service("broadcast", **{**settings, "TICKSTREAM_BROADCAST_PORT": fixed_port, **environment})

    return start


def ws(service):
    return service.url("broadcast", "/ws", scheme="ws")


async def all_have_everything(users, upto):
    await asyncio.gather(*(one.reaches(upto) for one in users))
    for one in users:
        assert one.got == list(range(1, upto + 1))
        assert (one.doubled, one.missed) == (0, 0)


async def test_users_of_a_killed_broadcaster_return_and_get_everything_once(start_broadcaster, redis, names):
    service = await start_broadcaster()
    async with subscribed(ws(service), *USERS) as users:
        async with talking(redis.url, names, as_pattern) as talk:
            for _ in range(2):
                await talk.goes_on(60)
                await asyncio.to_thread(service.kill)
                await talk.goes_on(60)
                service = await start_broadcaster()
            await talk.goes_on(60)
        await all_have_everything(users, talk.said)


async def test_a_stopped_broadcaster_says_goodbye_and_knows_where_everybody_was(start_broadcaster, redis, names):
    service = await start_broadcaster()
    async with subscribed(ws(service), *USERS) as users:
        async with talking(redis.url, names, as_pattern) as talk:
            await talk.goes_on(60)
            assert await asyncio.to_thread(service.terminate) == 0
            await talk.goes_on(60)
            await start_broadcaster()
            await talk.goes_on(60)
        await all_have_everything(users, talk.said)
    assert [one.closes[0] for one in users] == [1001] * len(USERS)


async def test_users_stay_while_redis_is_away_and_get_what_came_meanwhile(start_broadcaster, redis, names):
    service = await start_broadcaster()
    async with subscribed(ws(service), *USERS) as users:
        async with talking(redis.url, names, as_pattern) as talk:
            for away, back in (
                (redis.kill, redis.start),
                (redis.stop_cleanly, redis.start),
                (redis.freeze, redis.thaw),
            ):
                await talk.goes_on(60)
                await asyncio.to_thread(away)
                await asyncio.sleep(0.3)
                await asyncio.to_thread(back)
            await talk.goes_on(60)
        await all_have_everything(users, talk.said)
        assert not any(one.closes for one in users)


async def test_a_broadcaster_that_is_cut_off_from_redis_fills_the_gap(start_broadcaster, redis, names, faults):
    proxy = faults.proxy(redis.url)
    service = await start_broadcaster(REDIS_URL=proxy.url)
    async with subscribed(ws(service), *USERS) as users:
        async with talking(redis.url, names, as_pattern) as talk:  # which has another way to Redis
            for strike in (proxy.down, proxy.blackhole, proxy.reset):
                await talk.goes_on(40)
                strike()
                await talk.goes_on(80)
                proxy.reset()
                proxy.up()
                proxy.heal()
            await talk.goes_on(40)
        await all_have_everything(users, talk.said)
        assert not any(one.closes for one in users)


async def test_the_broadcaster_says_how_it_is_while_redis_is_away(start_broadcaster, redis):
    service = await start_broadcaster()
    assert await health(service) == (200, "ok")
    await asyncio.to_thread(redis.kill)
    await feels(service, 200, "degraded")
    await asyncio.to_thread(redis.start)
    await feels(service, 200, "ok")
    await asyncio.to_thread(redis.freeze)
    await feels(service, 200, "degraded")
    await asyncio.to_thread(redis.thaw)
    await feels(service, 200, "ok")


async def test_a_user_behind_a_partition_is_dropped_returns_and_gets_everything_once(
    start_broadcaster, redis, names, faults
):
    service = await start_broadcaster(TICKSTREAM_HEARTBEAT_MS="300")
    proxy = faults.proxy(service.url("broadcast"))
    async with (
        subscribed(f"ws://127.0.0.1:{proxy.port}/ws", "ada") as [ada],
        subscribed(ws(service), "bob") as [bob],
    ):
        # So little that it is the silence that ends the connection, not what has gathered for it.
        async with talking(redis.url, names, as_pattern, pause_s=0.02) as talk:
            await talk.goes_on(20)
            proxy.blackhole()
            await tells(service, "broadcast", "subscribers", 1)  # heartbeats find it out
            await talk.goes_on(30)
            proxy.reset()
            proxy.heal()
            await talk.goes_on(20)
        await all_have_everything([ada, bob], talk.said)
        assert not bob.closes


async def test_a_user_on_a_bad_line_gets_everything_once(start_broadcaster, redis, names, faults):
    service = await start_broadcaster()
    proxy = faults.proxy(service.url("broadcast"))
    async with subscribed(f"ws://127.0.0.1:{proxy.port}/ws", "ada") as [ada]:
        proxy.latency(0.01, jitter_s=0.01)
        proxy.slice(100)
        proxy.bandwidth(100_000)
        async with talking(redis.url, names, as_pattern) as talk:
            for _ in range(4):
                await talk.goes_on(50)
                proxy.reset()
        await all_have_everything([ada], talk.said)


async def test_users_are_told_when_redis_has_lost_everything(start_broadcaster, redis, names):
    service = await start_broadcaster()
    async with subscribed(ws(service), *USERS) as users:
        async with talking(redis.url, names, as_pattern) as talk:
            await talk.goes_on(60)
        await all_have_everything(users, talk.said)
        await asyncio.to_thread(redis.kill)
        await asyncio.to_thread(redis.start_empty)
        await holds(lambda: all(one.closes == [1012] for one in users))


@pytest.mark.performance
async def test_users_hear_again_soon_after_the_return_of_what_was_away(
    metrics, start_broadcaster, redis, names, faults
):
    recovery = metrics.histogram("websocket_recovery", unit="s")
    service = await start_broadcaster()
    proxy = faults.proxy(service.url("broadcast"))
    async with subscribed(f"ws://127.0.0.1:{proxy.port}/ws", "ada") as [ada]:
        async with talking(redis.url, names, as_pattern) as talk:
            for round_number in range(4):
                await talk.goes_on(20)
                if round_number % 2:
                    await asyncio.to_thread(service.kill)
                    await asyncio.sleep(0.3)
                    service = await start_broadcaster()
                else:
                    proxy.down()
                    await asyncio.sleep(0.3)
                    proxy.up()
                since = time.perf_counter()
                await ada.reaches(talk.said + 1)
                recovery.record(time.perf_counter() - since)
        await ada.reaches(talk.said)
    metrics.counter("recovery_messages_lost").add(talk.said - len(set(ada.got)))
    metrics.counter("recovery_messages_doubled").add(ada.doubled)
