"""The exchange by itself: the same day for everybody, from any place in it, at the pace of whoever takes it."""

import asyncio
import json
import time
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from suites.database_persistence.day import (
    DAY_TICKS,
    SEED,
    STREAM_RATE,
    SYMBOLS,
    UNACKNOWLEDGED_TICKS,
    day,
    exchange_environment,
    taking,
)
from suites.system import book

MALFORMED = 1007
REFUSED = 1008
SILENCE_S = 0.3

WRONG = {
    "text": "hello",
    "nothing": b"",
    "no frame": b"\xc1",
    "ticks from the taker": msgspec.msgpack.encode(["ticks", []]),
    "a sequence of zero": msgspec.msgpack.encode(["expect", 0]),
    "a sequence that is a fraction": msgspec.msgpack.encode(["expect", 1.5]),
}


def ticks_url(service):
    return service.url("exchange", "/ticks", scheme="ws")


async def watched(service, count, path="/stream"):
    """The first `count` messages of the stream."""
    async with connect(service.url("exchange", path, scheme="ws"), proxy=None) as connection:
        return [json.loads(await connection.recv()) for _ in range(count)]


async def test_a_day_is_sent_whole_and_follows_from_its_settings(shared_exchange):
    async with taking(ticks_url(shared_exchange)) as taker:
        assert await taker.take(1, DAY_TICKS) == day(DAY_TICKS)


async def test_whoever_comes_back_gets_the_ticks_from_exactly_there(shared_exchange):
    expected = day(DAY_TICKS)
    for first in (2, 777, 1000, 1001, 12_345, 29_990, 5):
        async with taking(ticks_url(shared_exchange)) as taker:
            await taker.expect(first)
            frame = await taker.frame()
            assert frame == expected[first - 1 : first - 1 + len(frame)]


async def test_whoever_asks_again_gets_the_same_again(shared_exchange):
    expected = day(DAY_TICKS)
    async with taking(ticks_url(shared_exchange)) as taker:
        for first in (15_000, 14_000, 1, 20_000, 1):
            assert await taker.take(first, 2500) == expected[first - 1 : first + 2499]


async def test_takers_in_different_places_do_not_disturb_each_other(shared_exchange):
    async def taken(first):
        async with taking(ticks_url(shared_exchange)) as taker:
            return await taker.take(first, 8000)

    places = (1, 3001, 9999, 20_001)
    expected = day(DAY_TICKS)
    for first, ticks in zip(places, await asyncio.gather(*map(taken, places)), strict=True):
        assert ticks == expected[first - 1 : first + 7999]


async def test_a_taker_that_does_not_acknowledge_is_waited_for(shared_exchange):
    async with taking(ticks_url(shared_exchange)) as taker:
        await taker.expect(1)
        ahead = await taker.until_silent(SILENCE_S)
        assert 0 < len(ahead) <= UNACKNOWLEDGED_TICKS
        await taker.acknowledge(ahead[-1].sequence)
        assert (await taker.frame())[0].sequence == ahead[-1].sequence + 1


async def test_when_the_day_is_over_the_stream_is_open_and_silent(shared_exchange):
    async with taking(ticks_url(shared_exchange)) as taker:
        await taker.expect(DAY_TICKS + 1)
        assert await taker.until_silent(SILENCE_S) == []
        assert len(await taker.take(DAY_TICKS, 1)) == 1


async def test_who_had_more_than_the_day_has_is_refused(shared_exchange):
    async with taking(ticks_url(shared_exchange)) as taker:
        await taker.expect(DAY_TICKS + 2)
        with pytest.raises(ConnectionClosed) as refusal:
            await taker.frame()
    assert refusal.value.rcvd.code == REFUSED


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG.keys())
async def test_what_is_no_request_of_a_taker_is_refused(shared_exchange, data):
    async with taking(ticks_url(shared_exchange)) as taker:
        await taker.send(data)
        with pytest.raises(ConnectionClosed) as refusal:
            await taker.frame()
    assert refusal.value.rcvd.code == MALFORMED
    assert refusal.value.rcvd.reason


async def test_in_real_time_trades_come_no_faster_than_the_rate(live_exchange):
    async with taking(ticks_url(live_exchange)) as taker:
        await taker.expect(1)
        last = 0
        while not last or last < (await asyncio.to_thread(live_exchange.facts, "exchange"))["happened"]:
            last = (await taker.frame())[-1].sequence
            await taker.acknowledge(last)
        began, since = time.monotonic(), last
        while last < since + STREAM_RATE // 4:
            last = (await taker.frame())[-1].sequence
            await taker.acknowledge(last)
        rate = (last - since) / (time.monotonic() - began)
    assert rate < STREAM_RATE * 1.5  # a busy machine makes it slower, nothing makes it faster


async def test_an_exchange_that_was_killed_goes_on_where_its_taker_stands(start_service, exchange_port):
    fixed = exchange_environment(rate=STREAM_RATE) | {"TICKSTREAM_EXCHANGE_PORT": exchange_port}
    expected = day(30_100, rate=STREAM_RATE)
    killed = await start_service("exchange", **fixed)
    await asyncio.to_thread(killed.kill)
    service = await start_service("exchange", **fixed)
    async with taking(ticks_url(service)) as taker:
        assert await taker.take(30_001, 100) == expected[30_000:]


async def test_the_stream_tells_every_trade_of_the_symbols_asked_for(live_exchange):
    messages = await watched(live_exchange, 150, "/stream?symbols=AAA,CCC,AAA")
    trades = [message for message in messages if message["type"] == "trade"]
    first, last = trades[0]["tick"], trades[-1]["tick"]
    assert [
        (trade["tick"], trade["symbol"], Decimal(trade["price"]), trade["size"], trade["at_us"]) for trade in trades
    ] == [
        (tick.sequence, tick.symbol, Decimal(tick.price_micros) / 1_000_000, tick.size, tick.at_us)
        for tick in day(last, rate=STREAM_RATE)[first - 1 :]
        if tick.symbol in ("AAA", "CCC")
    ]


async def test_the_messages_of_each_symbol_are_numbered_without_gaps(live_exchange):
    messages = [message for message in await watched(live_exchange, 200) if message["type"] != "heartbeat"]
    assert {message["symbol"] for message in messages} == set(SYMBOLS)
    for symbol in SYMBOLS:
        numbers = [message["sequence"] for message in messages if message["symbol"] == symbol]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_book_has_twenty_levels_on_each_side_around_the_last_trade(live_exchange):
    messages = await watched(live_exchange, 700)
    last: dict[str, Decimal] = {}
    books = 0
    for message in messages:
        if message["type"] == "trade":
            last[message["symbol"]] = Decimal(message["price"])
        elif message["type"] == "book":
            books += 1
            bids = [Decimal(price) for price, _ in message["bids"]]
            asks = [Decimal(price) for price, _ in message["asks"]]
            assert len(bids) == len(asks) == 20
            assert 0 < bids[-1] < bids[0] < last[message["symbol"]] < asks[0]
            assert all(one > two for one, two in pairwise(bids))
            assert all(one < two for one, two in pairwise(asks))
            assert all(size > 0 for _, size in (*message["bids"], *message["asks"]))
    assert books >= 2 * len(SYMBOLS)


async def test_a_book_is_the_same_for_everybody(live_exchange):
    messages = await watched(live_exchange, 60)
    told = next(message for message in messages if message["type"] == "book")
    expected = book(day(told["tick"], rate=STREAM_RATE)[-1], SEED)
    for side, levels in (("bids", expected.bids), ("asks", expected.asks)):
        assert [(Decimal(price) * 1_000_000, size) for price, size in told[side]] == [
            (level.price_micros, level.size) for level in levels
        ]


async def test_a_stream_with_nothing_to_say_says_that_it_lives(shared_exchange):
    async with taking(ticks_url(shared_exchange)) as taker:
        await taker.take(DAY_TICKS, 1)
    assert await watched(shared_exchange, 2) == [{"type": "heartbeat", "tick": DAY_TICKS}] * 2


async def test_a_symbol_that_is_not_traded_is_refused_with_those_that_are(shared_exchange):
    with pytest.raises(InvalidStatus) as refusal:
        await watched(shared_exchange, 1, "/stream?symbols=AAA,ZZZ")
    assert refusal.value.response.status_code == 400
    assert b"'ZZZ'" in refusal.value.response.body
    assert b"'EEE'" in refusal.value.response.body
