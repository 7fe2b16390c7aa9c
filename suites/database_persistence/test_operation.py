"""How the service is operated: what it says of itself, how it spares a database that is away, how it starts anew."""

import asyncio
import urllib.request
from itertools import islice

from websockets.asyncio.client import connect

from suites.oracle import expected_bars
from suites.system import Hello, Source, Ticks, encode, ticks
from suites.waiting import until

OUTAGE_S = 1.5
MOST_ATTEMPTS = 30  # in that time; a client that just tries again comes to a hundred
PATIENCE_S = 8.0  # for what takes well under a second when nothing is wrong


def market(count):
    return list(islice(ticks([f"S{number}" for number in range(30)], seed=21, rate_per_s=200), count))


async def soon(condition):
    """Wait until `condition` holds; TimeoutError long before the whole test runs out of time."""
    await asyncio.wait_for(until(condition), PATIENCE_S)


async def facts(service, part="ingest"):
    return await asyncio.to_thread(service.facts, part)


async def metric(service, part="ingest"):
    """What /metrics says now, as a mapping from the metric with its labels to the value."""
    text = await asyncio.to_thread(_fetch, service.url(part, "/metrics"))
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def _fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


async def test_a_database_that_does_not_answer_is_seldom_tried_and_used_again(start_service, database, faults):
    sent = market(2000)
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url)
    async with Source(service.ticks_url, "feed") as feed:
        await feed.send(sent[:1000])
        await database.settled("feed", 1000)
        assert (await facts(service))["breaker"] == "closed"
        proxy.down()
        before = proxy.accepted
        await feed.send(sent)
        await asyncio.sleep(OUTAGE_S)
        attempts = proxy.accepted - before
        during, seen = await facts(service), await metric(service)
        proxy.up()
        await soon(lambda: _is_closed(service))
        await database.settled("feed", 2000)
    assert 0 < attempts < MOST_ATTEMPTS
    assert during["breaker"] in ("open", "half_open")
    assert seen['tickstream_ingest_breaker{state="closed"}'] == 0
    assert seen["tickstream_ingest_breaker_opened_total"] >= 1
    assert seen["tickstream_ingest_database_up"] == 0
    assert await database.bars() == expected_bars(sent)


async def _is_closed(service):
    return (await facts(service))["breaker"] == "closed"


async def test_health_tells_ok_from_degraded_from_down(start_service, database, faults):
    proxy = faults.proxy(database.url)
    proxy.down()
    service = await start_service("serve exchange ingest", POSTGRES_URL=proxy.url, wait=False)
    await soon(lambda: asyncio.sleep(0, any(line["part"] == "exchange" for line in service.events("listening"))))

    async def says(http_status, status, part, part_status):
        health = await asyncio.to_thread(service.health, "exchange")
        seen = (health["http_status"], health["status"], health["parts"][part]["status"])
        return seen == (http_status, status, part_status)

    await soon(lambda: says(503, "down", "ingest", "down"))  # it takes no ticks before it knows where it stands
    assert await says(503, "down", "exchange", "ok")
    proxy.up()
    await soon(lambda: says(200, "ok", "ingest", "ok"))
    async with Source(service.ticks_url, "feed") as feed:
        proxy.down()
        await feed.send(market(10))
    await soon(lambda: says(200, "degraded", "ingest", "degraded"))
    proxy.up()
    await soon(lambda: says(200, "ok", "ingest", "ok"))


async def test_metrics_count_what_happened(start_service, database):
    sent = market(500)
    service = await start_service("serve exchange ingest", TICKSTREAM_RATE="0", TICKSTREAM_TICKS="3000")
    async with Source(service.ticks_url, "feed") as feed:
        await feed.send(sent)
    async with connect(service.ticks_url, proxy=None) as repeating:
        for frame in (Hello("feed"), Ticks(sent[:7])):
            await repeating.send(encode(frame))
            await repeating.recv()
    await database.settled("feed", 500)
    await database.settled("exchange", 3000)
    await soon(lambda: _has(service, "tickstream_ingest_pending_bars", 0))
    seen = await metric(service)
    assert seen["tickstream_ingest_ticks_total"] == 3500
    assert seen["tickstream_ingest_duplicate_ticks_total"] == 7
    assert seen["tickstream_ingest_gaps_total"] == 0
    assert seen["tickstream_ingest_batches_total"] >= 1
    assert seen["tickstream_ingest_batch_seconds_count"] == seen["tickstream_ingest_batches_total"]
    assert seen["tickstream_ingest_batch_seconds_sum"] > 0
    assert seen["tickstream_ingest_database_up"] == 1
    assert seen["tickstream_ingest_feed_up"] == 1
    assert seen['tickstream_ingest_breaker{state="closed"}'] == 1
    assert seen["tickstream_ingest_journal_bytes"] > 0
    assert seen["tickstream_exchange_sent_ticks_total"] == 3000
    assert seen['tickstream_exchange_clients{face="ticks"}'] == 1
    assert await metric(service, "exchange") == await metric(service, "ingest")


async def _has(service, name, value):
    return (await metric(service))[name] == value


async def test_the_lock_of_a_killed_service_does_not_keep_the_next_one_out(start_service, database):
    sent = market(200)
    service = await start_service()
    async with Source(service.ticks_url, "feed") as feed:
        await feed.send(sent[:100])
    await asyncio.to_thread(service.kill)
    service = await start_service()
    async with Source(service.ticks_url, "feed") as feed:
        await feed.send(sent)
    await database.settled("feed", 200)
    assert await database.bars() == expected_bars(sent)
