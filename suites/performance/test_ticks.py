"""Ticks: one, as many as there are, and at a steady pace. The declared thresholds judge."""

import asyncio
import time
from contextlib import suppress
from itertools import islice

import pytest

from suites.performance.market import SOURCE, SYMBOLS, compare, day
from suites.system import BarBuilder, Regime, Source, Ticks, declared_faults, decode_request, encode, ticks

pytestmark = pytest.mark.performance

_LONGEST_S = 15.0  # a day that is not taken by then is slow, and how slow is known


@pytest.mark.parametrize("regime", list(Regime))
def test_processing_a_tick_from_bytes_to_bar_in_every_market(metrics, regime):
    processing = metrics.histogram("tick_processing", unit="s")
    builder = BarBuilder()
    apply = declared_faults().on_apply(builder.add_all)
    market = islice(ticks(SYMBOLS, seed=3, regime=regime, rate_per_s=2000.0), 15_000)
    for frame in [encode(Ticks([tick])) for tick in market]:
        with processing.time():
            apply(decode_request(frame).ticks)
    assert len(builder) >= len(SYMBOLS)


def test_processing_a_tick_of_five_thousand_symbols(metrics):
    processing = metrics.histogram("tick_processing", unit="s")
    builder = BarBuilder()
    apply = declared_faults().on_apply(builder.add_all)
    names = [f"N{number}" for number in range(5000)]
    for frame in [encode(Ticks([tick])) for tick in islice(ticks(names, seed=3), 20_000)]:
        with processing.time():
            apply(decode_request(frame).ticks)
    assert len(builder) > 4000


async def test_a_frame_of_five_hundred_ticks_acknowledged(metrics, start_service, database):
    acknowledged = metrics.histogram("frame_acknowledged", unit="s")
    service = await start_service()
    sent = day(60_000)
    async with Source(service.ticks_url, "feed", frame_ticks=500) as feed:
        for start in range(0, len(sent), 500):
            with acknowledged.time():
                await feed.send(sent[start : start + 500])
    await database.settled("feed", len(sent))
    await compare(metrics, database, sent)


async def test_a_whole_day_as_fast_as_it_is_taken(metrics, start_market, database):
    sent = day(150_000)
    _, service = await start_market("ingest", ticks=len(sent))
    begun, began = await database.applied(SOURCE), time.perf_counter()
    with suppress(TimeoutError):
        await asyncio.wait_for(database.settled(SOURCE, len(sent)), _LONGEST_S)
    taken, seconds = await database.applied(SOURCE), time.perf_counter() - began
    metrics.histogram("sustained_rate", unit="").record((taken - begun) / seconds)
    if taken == len(sent):
        assert service.facts()["ticks"] == len(sent)
        await compare(metrics, database, sent)


async def test_a_steady_flow_far_above_what_is_asked_for(metrics, start_market, database):
    rate, seconds = 10_000, 4
    behind = metrics.histogram("flow_behind", unit="s")
    sent = day(rate * seconds, rate=rate)
    exchange, _ = await start_market("ingest", rate=rate, ticks=len(sent))
    happened = 0
    while happened < len(sent):
        await asyncio.sleep(0.1)  # between two looks
        happened = (await asyncio.to_thread(exchange.facts, "exchange"))["happened"]
        asked = time.perf_counter()
        with suppress(TimeoutError):
            await asyncio.wait_for(database.settled(SOURCE, happened), _LONGEST_S)
        behind.record(time.perf_counter() - asked)
    await database.settled(SOURCE, len(sent))
    await compare(metrics, database, sent)
