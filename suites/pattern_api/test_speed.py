"""How soon answers come at a steady pace, how many come from the cache, how soon it is back. The limits judge."""

import asyncio
import random
import time

import aiohttp
import pytest

from suites.pattern_api import market
from suites.pattern_api.client import Client
from suites.system import Publisher

pytestmark = pytest.mark.performance

RATE_PER_S = 250  # other suites run beside this one; `performance` asks twice as often, alone
DURATION_S = 3.0
USERS = 5
NO_ANSWER_S = 2.0  # what is later is none
ALL = market.patterns()


def questions(seed=3):
    """What a market's users ask: mostly for the newest, of a few symbols most of all, and at times for anything."""
    chosen = random.Random(seed)
    symbols = chosen.choices(market.SYMBOLS, weights=[20, 10, 5, 2, 1, 1], k=4000)
    for number, symbol in enumerate(symbols):
        kind = chosen.random()
        if kind < 0.5:
            yield "/api/v1/patterns", {"limit": 50}
        elif kind < 0.75:
            yield "/api/v1/patterns", {"symbol": symbol, "limit": 50}
        elif kind < 0.9:
            yield "/api/v1/patterns", {"symbol": symbol, "kind": chosen.choice(market.KINDS)}
        elif kind < 0.97:
            yield "/api/v1/symbols", {}
        else:
            yield "/api/v1/patterns", {"min_strength": 1 + number % 100, "limit": 1 + number % 300}


async def test_requests_at_a_steady_pace(api, load, metrics):
    requests, errors = metrics.counter("api_requests"), metrics.counter("api_errors")
    cache = metrics.ratio("cache")
    asked = list(questions())
    clients = [Client(api, f"user{number}") for number in range(USERS)]
    for client in clients:
        await client.__aenter__()

    async def ask(number):
        path, query = asked[number % len(asked)]
        try:
            async with asyncio.timeout(NO_ANSWER_S):
                answer = await clients[number % USERS].get(path, **query)
        except (OSError, aiohttp.ClientError):
            errors.add(1)
            return
        if answer.status == 200:
            requests.add(1)
            (cache.hit if answer.from_cache else cache.miss)()
        else:
            errors.add(1)

    await load.run(ask, rate_per_s=RATE_PER_S, duration_s=DURATION_S, metric="api_latency", arrivals="poisson")
    errors.add(0)
    for client in clients:
        await client.__aexit__(None, None, None)


async def test_the_cache_while_patterns_are_found(start_api, database, redis_url, names, load, metrics):
    cache = metrics.ratio("cache")
    service = await start_api(TICKSTREAM_RATE_LIMIT="10000")
    await market.insert_patterns(database, ALL[:100])
    asked = list(questions(seed=4))
    async with Client(service) as ada, Publisher(redis_url, names=names) as publisher:

        async def ask(number):
            if number % 100 == 50:
                # As the finder does, four times a second.
                await market.insert_patterns(database, [ALL[100 + number // 100]])
                await publisher.publish("patterns:any", b"{}", stream="patterns")
            path, query = asked[number % len(asked)]
            answer = await ada.get(path, **query)
            (cache.hit if answer.from_cache else cache.miss)()

        await load.run(ask, rate_per_s=400, duration_s=2.0, metric="api_busy")


async def test_an_answer_from_the_cache(api, metrics):
    hit = metrics.histogram("api_hit", unit="s")
    async with Client(api, "hasty") as ada:
        await ada.get("/api/v1/patterns", limit=20)
        for _ in range(190):  # not more than a user may in one burst
            began = time.perf_counter()
            answer = await ada.get("/api/v1/patterns", limit=20)
            if answer.status == 200 and answer.from_cache:
                hit.record(time.perf_counter() - began)


async def test_coming_back_after_the_database_was_away(start_api, database, faults, metrics):
    reconnect = metrics.histogram("api_reconnect", unit="s")
    proxy = faults.proxy(database.url)
    service = await start_api(POSTGRES_URL=proxy.url, TICKSTREAM_CACHE_MS="0", TICKSTREAM_RATE_LIMIT="100000")
    async with Client(service) as ada:
        for _ in range(3):
            proxy.down()
            await ada.healthy("down")
            await asyncio.sleep(0.3)  # long enough for the breaker to have opened
            proxy.up()
            began = time.perf_counter()
            while (await ada.get("/api/v1/patterns")).status != 200:
                pass
            reconnect.record(time.perf_counter() - began)


async def test_a_flood_from_one_user_harms_no_other(start_api, database, load, metrics):
    errors = metrics.counter("api_errors")
    service = await start_api(TICKSTREAM_RATE_LIMIT="100")
    await market.insert_patterns(database, ALL)
    async with Client(service) as ada, Client(service, "eve") as eve:

        async def ask(number):
            if number % 10:
                await eve.get("/api/v1/patterns", limit=50)
            else:
                answer = await ada.get("/api/v1/patterns", limit=50)
                errors.add(int(answer.status != 200))

        await load.run(ask, rate_per_s=600, duration_s=1.5, metric="api_flood")
