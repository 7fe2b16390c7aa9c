"""What comes in: malformed, too large, too many, out of turn. It ends one connection and touches no other."""

import asyncio
import os
import urllib.error
import urllib.request
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from suites.system import token
from suites.websocket_broadcast.subscriber import bearer, subscriber
from suites.websocket_broadcast.told import Wish, a_pattern, patterns

MALFORMED = {
    "no_JSON": "subscribe",
    "nothing": "",
    "no_object": "[1, 2]",
    "a_number": "1e999",
    "no_type": "{}",
    "unknown_type": '{"type": "shutdown"}',
    "unknown_field": '{"type": "ack", "number": 1, "more": 1}',
    "wrong_type": '{"type": "ack", "number": "1"}',
    "negative": '{"type": "ack", "number": -1}',
    "huge_number": '{"type": "ack", "number": 99999999999999999999999}',
    "deep": '{"type": ' + "[" * 5000 + "]" * 5000 + "}",
    "binary": b'{"type": "subscribe"}',
    "not_UTF-8": b"\xff\xfe",
    "null": "null",
    "NaN": '{"type": "subscribe", "min_strength": NaN}',
}


@pytest.mark.parametrize("which", list(MALFORMED))
async def test_a_malformed_frame_ends_its_connection_and_no_other(url, teller, unique, which):
    async with teller, subscriber(url, unique) as bystander, subscriber(url, f"{unique}x") as user:
        await bystander.subscribe(Wish([unique]))
        await user.connection.send(MALFORMED[which], text=True if which == "not_UTF-8" else None)
        assert (await user.end())[0] == 4400
        number = await teller.tell(a_pattern(unique))
        assert await bystander.reach(number) == [number]


@pytest.mark.parametrize("size", [16 * 1024 + 1, 1024 * 1024])
async def test_a_frame_that_is_too_large_is_refused(url, unique, size):
    async with subscriber(url, unique) as user:
        with suppress(ConnectionClosed):
            await user.connection.send("x" * size)
        assert (await user.end())[0] == 1009


async def test_a_message_in_pieces_that_is_too_large_as_a_whole_is_refused(url, unique):
    async with subscriber(url, unique) as user:
        with suppress(ConnectionClosed):
            await user.connection.send(["x" * 6000] * 3)
        assert (await user.end())[0] == 1009


async def test_a_frame_is_refused_by_its_announced_size_before_it_comes(url, unique):
    async with subscriber(url, unique) as user:
        user.connection.transport.write(b"\x81\xff" + (1 << 40).to_bytes(8, "big") + os.urandom(4))
        assert (await user.end())[0] == 1009


async def test_a_message_may_come_in_pieces(url, unique):
    async with subscriber(url, unique) as user:
        await user.connection.send(['{"type":', '"subscribe"', "}"])
        assert (await user.next("subscribed"))["symbols"] == "*"


async def send_many(user, kind):
    for _ in range(1000):
        if kind == "ping":
            await user.connection.ping()
        else:
            await user.send(type=kind, **({"number": 1} if kind == "ack" else {}))


@pytest.mark.parametrize("kind", ["subscribe", "ping", "ack"])
async def test_a_flood_of_frames_is_refused(url, teller, unique, kind):
    async with teller, subscriber(url, unique) as user:
        await teller.tell(a_pattern(unique))  # so that number 1 can be acknowledged
        await user.subscribe(Wish([unique]))
        flood = asyncio.create_task(send_many(user, kind))
        assert (await user.end())[0] == 4429
        with suppress(ConnectionClosed):
            await flood


async def test_acknowledging_each_of_many_patterns_is_no_flood(url, teller, unique):
    async with teller, subscriber(url, unique) as user:
        await user.subscribe(Wish([unique]))
        numbers = await teller.tell_all(patterns(400, [unique]))
        await user.reach(numbers[-1])
        for number in numbers:
            await user.send(type="ack", number=number)
        while (await user.next("acknowledged"))["number"] < numbers[-1]:
            pass


async def test_what_was_never_sent_cannot_be_acknowledged(url, teller, unique):
    async with teller, subscriber(url, unique) as user:
        await user.subscribe(Wish([unique]))
        number = await teller.tell(a_pattern(unique))
        await user.send(type="ack", number=number + 1_000_000)
        assert (await user.end())[0] == 4400


async def test_nothing_can_be_acknowledged_before_a_subscription(url, unique):
    async with subscriber(url, unique) as user:
        await user.send(type="ack", number=1)
        assert (await user.end())[0] == 4400


async def test_there_is_nothing_else_on_the_port(url, shared_broadcaster):
    with pytest.raises(InvalidStatus) as refusal:
        async with subscriber(url.replace("/ws", "/other")):
            pass
    assert refusal.value.response.status_code == 404
    with pytest.raises(urllib.error.HTTPError) as plain:
        await asyncio.to_thread(
            urllib.request.urlopen,
            urllib.request.Request(shared_broadcaster.url("broadcast", "/ws"), headers=bearer(token("ada"))),
        )
    assert plain.value.code == 426
    plain.value.close()


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000, b"GET /ws HTTP/1.1\r\n" * 3]
)
async def test_what_is_no_handshake_is_not_listened_to(url, teller, unique, shared_broadcaster, sent):
    port = int(shared_broadcaster.url("broadcast").rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        answer = await reader.read()
    except ConnectionError:
        answer = b""
    finally:
        writer.close()
    assert b" 101 " not in answer
    async with teller, subscriber(url, unique) as user:
        await user.subscribe(Wish([unique]))
        number = await teller.tell(a_pattern(unique))
        assert await user.reach(number) == [number]
