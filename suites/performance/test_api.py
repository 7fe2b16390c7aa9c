"""Requests at a rate of their own, whatever becomes of the earlier ones. The declared thresholds judge."""

import asyncio
import random

import pytest

from suites.pattern_api import market
from suites.pattern_api.client import Client
from suites.performance.market import day
from suites.system import Source

pytestmark = pytest.mark.performance

_SECONDS = 3
_NO_ANSWER_S = 2.0  # what is later is none


@pytest.fixture
def start_api(start_service, redis_url, names):
    """Starts the API, and whatever else is named, before `market.patterns()`, with a limit that is not to be met."""

    async def start(database, command="api"):
        service = await start_service(
            command,
            REDIS_URL=redis_url,
            TICKSTREAM_PREFIX=names.prefix,
            TICKSTREAM_RATE_LIMIT="100000",
        )
        async with Client(service) as client:
            await client.healthy()
        await market.insert_patterns(database, market.patterns())
        for symbol in market.SYMBOLS:
            await market.insert_bars(database, symbol, market.bars(symbol))
        return service

    return start


def asked(client):
    """A request as users send them: a few questions over and over, and now and then one that nobody asked before."""
    chosen = random.Random(1)

    async def request(number):
        if number % 10 == 0:
            path = f"/api/v1/patterns/{chosen.randint(1, market.PATTERNS)}"
            answer = await client.get(path)
        elif number % 10 == 1:
            answer = await client.get("/api/v1/patterns", min_strength=chosen.randint(1, 100), limit=20)
        else:
            answer = await client.get("/api/v1/patterns", symbol=chosen.choice(market.SYMBOLS[:2]), limit=20)
        assert answer.status == 200, (answer.status, answer.body)

    async def in_time(number):
        async with asyncio.timeout(_NO_ANSWER_S):
            await request(number)

    return in_time


async def test_the_api_at_five_hundred_requests_a_second(metrics, load, database, start_api):
    service = await start_api(database)
    async with Client(service) as client:
        await load.run(asked(client), rate_per_s=500, duration_s=_SECONDS, metric="api_latency")
        cache = metrics.ratio("cache")
        cache.hit(int(await client.metric('tickstream_api_cache_total{result="hit"}')))
        cache.miss(int(await client.metric('tickstream_api_cache_total{result="miss"}')))


async def test_the_api_while_two_thousand_ticks_a_second_flow(load, database, start_api):
    service = await start_api(database, "serve")
    async with Client(service) as client, Source(service.ticks_url, "feed", frame_ticks=100) as feed:
        flowing = asyncio.create_task(flow(feed))
        await load.run(asked(client), rate_per_s=100, duration_s=_SECONDS, metric="api_latency_busy")
        flowing.cancel()
        await asyncio.wait([flowing])
    assert service.facts()["ticks"] > 1000


async def flow(feed):
    """Two thousand ticks a second."""
    sent = day(20_000)
    for start in range(0, len(sent), 100):
        await feed.send(sent[start : start + 100])
        await asyncio.sleep(0.05)
