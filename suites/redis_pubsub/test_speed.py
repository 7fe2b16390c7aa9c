"""How soon a message is there, how many a second, how soon back. The declared thresholds judge, not the tests."""

import asyncio
import struct
import time

import pytest

from suites.system import declared_faults

pytestmark = pytest.mark.performance

_STAMP = struct.Struct("<Qd")
_END = b"end"
_FLOOD_S = 1.5
_NEVER_S = 8.0  # who is not back by then will not come


def stamped(number):
    return _STAMP.pack(number, time.perf_counter())


async def receive(live, delivery=None):
    """The numbers of all messages until the end marker, with the age of each recorded on arrival."""
    numbers = []
    async for message in live:
        if message.payload == _END:
            break
        number, sent_s = _STAMP.unpack(message.payload)
        if delivery:
            delivery.record(time.perf_counter() - sent_s)
        numbers.append(number)
    return numbers


async def end(publisher, receiving):
    """Send the end marker until it has arrived; a defect may swallow it like any other message."""
    while not receiving.done():
        await publisher.publish("a", _END)
        await asyncio.sleep(0.001)
    return await receiving


def record_losses(metrics, name, expected, received):
    """How many are missing, and how many came more than once."""
    metrics.counter(name).add(len(set(expected) - set(received)))
    metrics.counter("messages_doubled").add(len(received) - len(set(received)))


async def test_delivery_one_by_one(metrics, broker):
    delivery = metrics.histogram("delivery", unit="s")
    async with broker.publisher(faults=declared_faults()) as publisher, broker.live("a") as live:
        receiving = asyncio.create_task(receive(live, delivery))
        for number in range(1000):
            await publisher.publish("a", stamped(number), stream="s")
        record_losses(metrics, "messages_lost", range(1000), await end(publisher, receiving))


async def test_delivery_to_twenty_subscribers_at_a_steady_pace(metrics, broker):
    delivery = metrics.histogram("delivery", unit="s")
    async with broker.publisher(faults=declared_faults()) as publisher:
        lives = [broker.live("a") for _ in range(20)]
        await asyncio.gather(*(live.__aenter__() for live in lives))
        receiving = [asyncio.create_task(receive(live, delivery)) for live in lives]
        sending = []
        for number in range(300):  # whatever becomes of those before it: a slow one must not spare the next
            sending.append(asyncio.create_task(publisher.publish("a", stamped(number))))
            await asyncio.sleep(0.002)
        await asyncio.gather(*sending)
        for task in receiving:
            record_losses(metrics, "messages_lost", range(300), await end(publisher, task))
        await asyncio.gather(*(live.__aexit__() for live in lives))


async def test_as_many_messages_as_there_are(metrics, broker):
    messages = metrics.counter("messages")
    sent = 0
    async with broker.publisher(faults=declared_faults()) as publisher, broker.live("a") as live:
        receiving = asyncio.create_task(receive(live))
        until = time.perf_counter() + _FLOOD_S
        while time.perf_counter() < until:
            burst = (publisher.publish("a", stamped(n), stream="s") for n in range(sent, sent + 100))
            await asyncio.gather(*burst)
            sent += 100
        received = await end(publisher, receiving)
        messages.add(len(received))
    record_losses(metrics, "messages_lost", range(sent), received)


async def test_messages_for_users_who_are_away(metrics, broker):
    replay = metrics.histogram("replay", unit="s")
    users = [f"user{number}" for number in range(20)]
    defects = declared_faults()
    async with broker.publisher(faults=defects) as publisher:
        for user in users:
            async with broker.mailbox(user):
                pass
        await asyncio.gather(*(publisher.publish("a", stamped(number), stream="s") for number in range(1000)))
        for user in users:
            async with broker.mailbox(user, faults=defects) as mailbox:
                received = []
                with replay.time():
                    while batch := await mailbox.read(count=500):
                        received += [_STAMP.unpack(message.payload)[0] for message in batch]
                        await mailbox.acknowledge(batch)
            record_losses(metrics, "offline_lost", range(1000), received)


async def test_coming_back_after_redis_was_away(metrics, broker, faults):
    reconnect = metrics.histogram("redis_reconnect", unit="s")
    proxy = faults.proxy(broker.url)
    async with (
        broker.through(proxy).publisher(faults=declared_faults()) as publisher,
        broker.through(proxy).live("a") as live,
    ):
        for _ in range(8):
            proxy.down()
            await asyncio.sleep(0.2)  # long enough for the waits between attempts to have grown to their cap
            hearing = asyncio.create_task(anext(live))
            proxy.up()
            began = time.perf_counter()
            async with asyncio.timeout(_NEVER_S):
                while not hearing.done():
                    await publisher.publish("a", _END)
                    await asyncio.sleep(0.001)
            reconnect.record(time.perf_counter() - began)


async def test_messages_through_broken_connections(metrics, broker, faults):
    proxy = faults.proxy(broker.url)
    async with (
        broker.through(proxy).publisher(faults=declared_faults()) as publisher,
        broker.through(proxy).mailbox("ada") as mailbox,
    ):
        for start in range(0, 3000, 300):
            sending = [publisher.publish("a", stamped(n), stream="s") for n in range(start, start + 300)]
            proxy.cut_answer_to(b"EVALSHA")
            await asyncio.gather(*sending)
        received = []
        while batch := await mailbox.read():
            received += [_STAMP.unpack(message.payload)[0] for message in batch]
            proxy.reset()
            await mailbox.acknowledge(batch)
    record_losses(metrics, "offline_lost", range(3000), received)
