"""What the process holds while work goes on and on: it may grow to its working set, not with the work done."""

import asyncio

import psutil
import pytest

from suites.performance.market import SOURCE, compare, day, memory_watched
from suites.system import Source

pytestmark = pytest.mark.performance


async def test_memory_while_ticks_flow_through(metrics, start_market, database):
    rate, seconds = 15_000, 6
    _, service = await start_market("ingest", rate=rate)
    async with memory_watched(metrics, service.pid):
        await database.settled(SOURCE, rate * seconds)
    assert (await asyncio.to_thread(service.facts))["ticks"] >= rate * seconds


async def test_memory_while_the_database_takes_nothing(metrics, start_service, database, faults):
    peak = metrics.histogram("memory_behind_an_outage", unit="MB")
    proxy = faults.proxy(database.url)
    service = await start_service(POSTGRES_URL=proxy.url)
    sent = day(100_000)
    async with Source(service.ticks_url, "feed", frame_ticks=1000) as feed:
        await feed.send(sent[:10_000])
        before = service_memory(service)
        proxy.down()
        for start in range(10_000, len(sent), 10_000):
            await feed.send(sent[start : start + 10_000])
        peak.record(max(0.0, service_memory(service) - before))
        proxy.up()
        await database.settled("feed", len(sent))
    await compare(metrics, database, sent)


def service_memory(service):
    return psutil.Process(service.pid).memory_info().rss / 1e6
