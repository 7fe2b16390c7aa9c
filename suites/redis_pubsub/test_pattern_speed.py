"""How soon a pattern is told, and how many are lost or doubled under fire. The declared thresholds judge."""

import asyncio
import json
import random
import time

import pytest

from suites.redis_pubsub.findings import listening, looked_through, market
from suites.redis_pubsub.pattern_oracle import expected_patterns
from suites.system import Source, Tick

pytestmark = pytest.mark.performance

_SYMBOLS = 20
_ROUNDS = 14
_PACE_S = 0.011


def leap(number):
    """A tick that closes the bar of the minute before and opens one of its own, one percent above or below it."""
    round_, symbol = divmod(number, _SYMBOLS)
    price = 1_000_000 if round_ % 2 else 1_010_000
    return Tick(f"S{symbol}", price, 1, round_ * 60_000_000, number + 1)


async def test_from_the_tick_that_closes_a_bar_to_the_pattern_at_a_subscriber(metrics, broker, database, start_finding):
    delivery = metrics.histogram("pattern_delivery", unit="s")
    service = await start_finding()
    ticks = [leap(number) for number in range(_SYMBOLS * _ROUNDS)]
    due = {}

    def arrived(message):
        pattern = json.loads(message.payload)
        sent_s = due.get((pattern["symbol"], pattern["minute"]))
        if sent_s:
            delivery.record(time.perf_counter() - sent_s)

    async with listening(broker, database, arrived) as findings, Source(service.ticks_url, "feed") as source:
        began = time.perf_counter()
        for number, tick in enumerate(ticks):
            at = began + number * _PACE_S
            await asyncio.sleep(at - time.perf_counter())
            minute = tick.at_us // 60_000_000 - 1
            due[tick.symbol, f"1970-01-01T00:{minute:02}:00+00:00"] = at
            await source.send([tick])
        await looked_through(database, ticks)
    record(metrics, findings, expected_patterns(ticks))


async def test_patterns_of_a_market(metrics, broker, database, start_finding):
    sent = market(1500, seed=21)
    service = await start_finding()
    async with listening(broker, database) as findings, Source(service.ticks_url, "feed") as source:
        await source.send(sent)
        await looked_through(database, sent)
    record(metrics, findings, expected_patterns(sent))


async def test_patterns_through_kills_and_servers_that_go_away(metrics, broker, database, start_finding, faults):
    rng = random.Random(22)
    sent = market(2000, seed=22)
    redis, postgres = faults.proxy(broker.url), faults.proxy(database.url)
    async with listening(broker, database) as findings:
        for upto in (700, 1400, 2000):
            service = await start_finding(redis.url, POSTGRES_URL=postgres.url)
            feeding = asyncio.create_task(fed(service, sent[:upto]))
            for proxy in rng.sample([redis, postgres, postgres], 3):
                await asyncio.sleep(rng.uniform(0.0, 0.08))
                proxy.cut_answer_to(rng.choice([b"EVALSHA", b"COMMIT"])) if rng.random() < 0.5 else proxy.reset()
            await asyncio.to_thread(service.kill)
            feeding.cancel()
            await asyncio.wait([feeding])
        await fed(await start_finding(), sent)
        await looked_through(database, sent)
    record(metrics, findings, expected_patterns(sent))


async def fed(service, ticks):
    async with Source(service.ticks_url, "feed") as source:
        await source.send(ticks)


def record(metrics, findings, expected):
    """At each of the three ends: how many are missing, how many are there too often."""
    assert len(expected) > 100
    metrics.counter("patterns_lost").add(findings.lost(expected))
    metrics.counter("patterns_doubled").add(findings.doubled())
