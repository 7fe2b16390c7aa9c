"""Messages for who is online: every one, in order, to whom it is meant, and to nobody else."""

import asyncio
import contextlib
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import islice

import pytest

from suites.system import Message, Names, Source, ticks


async def take(live, count):
    return [await anext(live) for _ in range(count)]


async def assert_silent(live, publisher):
    """Nothing has come: the next message is one that is sent now."""
    await publisher.publish("marker", b"end")
    assert (await anext(live)).channel == "marker"


async def test_a_message_arrives_as_it_was_sent(broker):
    async with broker.publisher() as publisher, broker.live("a") as live:
        await publisher.publish("a", b"payload")
        assert await anext(live) == Message("a", 0, b"payload")


@pytest.mark.parametrize(
    "payload",
    [b"", b":", b"0:", b"\x00", b"\r\n$-1\r\n", bytes(range(256)), "größer 🚀".encode(), b"x" * 4_000_000],
    ids=["empty", "colon", "number", "nul", "protocol", "every byte", "unicode", "4 MB"],
)
async def test_any_payload_comes_through_live_and_kept(broker, payload):
    async with broker.publisher() as publisher, broker.live("a") as live:
        number = await publisher.publish("a", payload, stream="s")
        assert await anext(live) == Message("a", number, payload)
    async with broker.server() as connection:
        ((_, entry),) = await connection.xrange(broker.names.stream("s"))
    assert entry == {b"channel": b"a", b"payload": payload}


@pytest.mark.parametrize("channel", ["a b", "ü", "a:b", "[a]", "*", "a\r\nb", "{slot}", "x" * 1000], ids=ascii)
async def test_a_channel_may_have_any_name(broker, channel):
    async with broker.publisher() as publisher, broker.live(channel) as live:
        await publisher.publish(channel, b"1")
        assert (await anext(live)).channel == channel


async def test_messages_of_one_publisher_arrive_in_order(broker):
    async with broker.publisher() as publisher, broker.live("a") as live:
        await asyncio.gather(*(publisher.publish("a", str(n).encode()) for n in range(3000)))
        assert [int(message.payload) for message in await take(live, 3000)] == list(range(3000))


async def test_order_holds_across_channels(broker):
    channels = [f"c{number}" for number in range(7)]
    async with broker.publisher() as publisher, broker.live(*channels) as live:
        await asyncio.gather(*(publisher.publish(channels[n % 7], str(n).encode()) for n in range(700)))
        assert [int(message.payload) for message in await take(live, 700)] == list(range(700))


async def test_kept_messages_are_numbered_without_gaps_in_the_order_of_arrival(broker):
    async with broker.publisher() as one, broker.publisher() as two, broker.live("a") as live:
        pairs = ((publisher, n) for n in range(200) for publisher in (one, two))
        await asyncio.gather(*(publisher.publish("a", b"x", stream="s") for publisher, _ in pairs))
        assert [message.number for message in await take(live, 400)] == list(range(1, 401))


async def test_every_subscriber_gets_every_message(broker):
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(broker.publisher())
        lives = [await stack.enter_async_context(broker.live("a")) for _ in range(20)]
        sent = [str(number).encode() for number in range(100)]
        await asyncio.gather(*(publisher.publish("a", payload) for payload in sent))
        received = await asyncio.gather(*(take(live, 100) for live in lives))
    assert all([message.payload for message in messages] == sent for messages in received)


async def test_a_channel_hears_nothing_of_others(broker):
    async with broker.publisher() as publisher, broker.live("bars:A", "marker") as live:
        for channel in ("bars:B", "bars:AA", "bars:", "bars:a", "bars", "ars:A"):
            await publisher.publish(channel, b"not for you")
        await assert_silent(live, publisher)


async def test_installations_with_different_prefixes_do_not_hear_each_other(broker):
    other = replace(broker, names=Names(broker.names.prefix + "other:"))
    async with (
        other.publisher() as stranger,
        broker.publisher() as publisher,
        broker.live("a", "marker", patterns=("x*",)) as live,
    ):
        await stranger.publish("a", b"not for you")
        await stranger.publish("xy", b"not for you")
        await assert_silent(live, publisher)


@pytest.mark.parametrize(
    ("pattern", "heard"),
    [
        ("bars:*", {"bars:A", "bars:AB", "bars:"}),
        ("bars:?", {"bars:A"}),
        ("*:A", {"bars:A", "alerts:A"}),
        ("bars:[AX]*", {"bars:A", "bars:AB"}),
        ("\\*", {"*"}),
    ],
)
async def test_a_pattern_hears_what_it_matches(broker, pattern, heard):
    channels = ["bars:A", "bars:AB", "bars:", "alerts:A", "alerts", "*"]
    async with broker.publisher() as publisher, broker.live("marker", patterns=(pattern,)) as live:
        for channel in channels:
            await publisher.publish(channel, channel.encode())
        await publisher.publish("marker", b"end")
        received = set()
        while (message := await anext(live)).channel != "marker":
            received.add(message.channel)
    assert received == heard


async def test_a_channel_and_a_pattern_that_match_both_deliver(broker):
    async with broker.publisher() as publisher, broker.live("a", patterns=("a*",)) as live:
        await publisher.publish("a", b"1")
        assert await take(live, 2) == [Message("a", 0, b"1")] * 2


async def test_what_no_publisher_of_ours_sent_is_passed_over(broker):
    async with broker.publisher() as publisher, broker.live("a") as live:
        async with broker.server() as stranger:
            for data in (b"", b"no number", b"-1:x", b"x:1"):
                await stranger.publish(broker.names.channel("a"), data)
        await publisher.publish("a", b"ours")
        assert (await anext(live)).payload == b"ours"


async def test_a_subscriber_that_does_not_read_holds_nobody_up(broker):
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(broker.publisher())
        await stack.enter_async_context(broker.live("a"))
        quick = await stack.enter_async_context(broker.live("a"))
        for _ in range(10):
            await asyncio.gather(*(publisher.publish("a", b"x" * 10_000) for _ in range(200)))
            await take(quick, 200)


async def test_a_late_subscriber_hears_what_is_sent_from_then_on(broker):
    async with broker.publisher() as publisher:
        await publisher.publish("a", b"before")
        async with broker.live("a") as live:
            await publisher.publish("a", b"after")
            assert (await anext(live)).payload == b"after"


async def test_a_receiver_that_was_interrupted_loses_nothing(broker):
    async with broker.publisher() as publisher, broker.live("a") as live:
        for number in range(50):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(anext(live), 0.001)
            await publisher.publish("a", str(number).encode())
            assert (await anext(live)).payload == str(number).encode()


async def test_the_service_tells_each_changed_bar(broker, start_service, database):
    symbols = [f"S{number}" for number in range(10)]
    service = await start_service(REDIS_URL=broker.url, TICKSTREAM_PREFIX=broker.names.prefix)
    sent = list(islice(ticks(symbols, seed=2), 500))
    async with broker.live(patterns=("bars:*",)) as live:
        async with Source(service.ticks_url, "feed") as feed:
            await feed.send(sent)
        bars = {}
        while sum(bar["trades"] for bar in bars.values()) < len(sent):
            message = await anext(live)
            bar = json.loads(message.payload)
            assert message.channel == f"bars:{bar['symbol']}"
            bars[bar["symbol"], bar["minute"]] = bar
    stored = {(symbol, minute.isoformat()): row for (symbol, minute), row in (await database.bars()).items()}
    assert bars.keys() == stored.keys()
    for key, row in stored.items():
        assert {name: str(value) for name, value in row._asdict().items()} == {
            name: str(bars[key][name]) for name in row._fields
        }
