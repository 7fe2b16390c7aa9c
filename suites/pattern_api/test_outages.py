"""With the servers behind it gone, silent and back again: less is answered, nothing wrong, and nobody waits long."""

import asyncio
import time

from suites.pattern_api import market
from suites.pattern_api.client import Client
from suites.system import token
from suites.waiting import until

PATTERNS = "/api/v1/patterns"
WATCHLISTS = "/api/v1/watchlists"
ALL = market.patterns()


async def test_without_the_database_it_says_so_and_is_well_again_when_it_is_back(start_api, database, faults):
    proxy = faults.proxy(database.url)
    service = await start_api(POSTGRES_URL=proxy.url, TICKSTREAM_CACHE_MS="0")
    await market.insert_patterns(database, ALL)
    async with Client(service) as ada:
        proxy.down()
        await ada.healthy("down")
        away = await ada.get(PATTERNS)
        health = await ada.send("GET", "/healthz")
        proxy.up()
        await ada.healthy()
        back = await ada.get(PATTERNS, limit=500)
    assert (away.status, away.headers["Retry-After"], away.error["code"]) == (503, "1", "unavailable")
    assert (health.status, health.json["parts"]["api"]["database"]) == (503, "away")
    assert back.items == market.wanted(ALL)


async def test_what_is_in_the_cache_is_answered_without_the_database(start_api, database, faults):
    proxy = faults.proxy(database.url)
    service = await start_api(POSTGRES_URL=proxy.url, TICKSTREAM_CACHE_MS="60000")
    await market.insert_patterns(database, ALL)
    async with Client(service) as ada:
        before = await ada.get(PATTERNS)
        proxy.down()
        await ada.healthy("down")
        after = await ada.get(PATTERNS)
        new = await ada.get(PATTERNS, limit=7)
    assert (after.status, after.body, new.status) == (200, before.body, 503)


async def test_a_database_that_is_silent_holds_nobody_up_for_long(start_api, database, faults):
    proxy = faults.proxy(database.url)
    service = await start_api(POSTGRES_URL=proxy.url, TICKSTREAM_CACHE_MS="0")
    async with Client(service) as ada:
        await asyncio.gather(*(ada.get(PATTERNS) for _ in range(10)))
        proxy.blackhole()
        first = await asyncio.gather(*(ada.get(PATTERNS) for _ in range(10)))
        began = time.perf_counter()
        later = [await ada.get(PATTERNS) for _ in range(10)]
        took_s = time.perf_counter() - began
        proxy.heal()
        await ada.healthy()
        back = await ada.get(PATTERNS)
    assert {answer.status for answer in (*first, *later)} == {503}
    assert took_s < 10  # ten that wait for the limit of two seconds each would take twenty
    assert back.status == 200


async def test_it_starts_before_its_servers_and_says_so(start_api, database, redis_url, faults):
    postgres, redis = faults.proxy(database.url), faults.proxy(redis_url)
    postgres.down()
    redis.down()
    service = await start_api(healthy=False, POSTGRES_URL=postgres.url, REDIS_URL=redis.url)
    async with Client(service) as ada:
        assert (await ada.send("GET", "/healthz")).json["status"] == "down"
        assert (await ada.get(PATTERNS)).status == 503
        postgres.up()
        await ada.healthy("degraded")
        assert (await ada.get(PATTERNS)).items == []
        redis.up()
        await ada.healthy()


async def test_without_redis_it_reads_on_and_changes_nothing(start_api, database, redis_url, faults, unique):
    proxy = faults.proxy(redis_url)
    service = await start_api(REDIS_URL=proxy.url, TICKSTREAM_CACHE_MS="60000")
    await market.insert_patterns(database, ALL)
    async with Client(service) as ada:
        kept = (await ada.send("POST", WATCHLISTS, json={"name": "kept"})).json
        assert not (await ada.get(PATTERNS, limit=500)).from_cache
        proxy.down()
        await ada.healthy("degraded")
        async with Client(service, unique) as bob:  # nothing is remembered of his token
            reads = [await bob.get(PATTERNS, limit=500) for _ in range(3)]
            writes = [
                await bob.send("POST", WATCHLISTS, json={"name": "x"}),
                await bob.send("PUT", f"{WATCHLISTS}/{kept['id']}", json={"name": "x"}),
                await bob.send("DELETE", f"{WATCHLISTS}/{kept['id']}"),
                await bob.send("DELETE", "/api/v1/token"),
            ]
        health = await ada.send("GET", "/healthz")
        own = await ada.get(WATCHLISTS)
        proxy.up()
        await ada.healthy()
        after = await ada.send("POST", WATCHLISTS, json={"name": "more"})
    assert [answer.items for answer in reads] == [market.wanted(ALL)] * 3
    assert not any(answer.from_cache for answer in reads)
    assert [(answer.status, answer.headers["Retry-After"]) for answer in writes] == [(503, "1")] * 4
    assert (health.status, health.json["parts"]["api"]["redis"]) == (200, "away")
    assert own.items == [kept]
    assert after.status == 201


async def test_a_redis_that_is_silent_is_not_waited_for_each_time(start_api, database, redis_url, faults):
    proxy = faults.proxy(redis_url)
    service = await start_api(REDIS_URL=proxy.url)
    await market.insert_patterns(database, ALL)
    async with Client(service) as ada:
        await ada.get(PATTERNS)
        proxy.blackhole()
        await ada.healthy("degraded")
        began = time.perf_counter()
        answers = [await ada.get(PATTERNS) for _ in range(2)]
        took_s = time.perf_counter() - began
        proxy.heal()
        await ada.healthy()
    assert [answer.items for answer in answers] == [market.wanted(ALL)[:100]] * 2
    assert took_s < 4  # each that tries by itself would wait for two seconds


async def test_a_token_given_up_before_stays_so_when_redis_comes_back(start_api, redis_url, faults):
    proxy = faults.proxy(redis_url)
    service = await start_api(REDIS_URL=proxy.url)
    async with Client(service, token_text=token()) as ada:
        assert (await ada.send("DELETE", "/api/v1/token")).status == 204
        proxy.reset()
        await ada.healthy()

        async def refused() -> bool:
            return (await ada.get(PATTERNS)).status == 401

        await until(refused)


async def test_connections_ended_by_the_server_are_replaced(start_api, database):
    service = await start_api(TICKSTREAM_CACHE_MS="0")
    await market.insert_patterns(database, ALL)
    async with Client(service) as ada:
        await asyncio.gather(*(ada.get(PATTERNS) for _ in range(10)))
        assert await database.end_connections() > 0
        await ada.healthy()
        answers = await asyncio.gather(*(ada.get(PATTERNS, limit=500) for _ in range(10)))
    assert [answer.items for answer in answers] == [market.wanted(ALL)] * 10
