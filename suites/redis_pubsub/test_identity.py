"""A publisher whose name outlives it: its messages have places, and Redis takes each place once, whoever sends it."""

import asyncio

from suites.system import Message


async def publish(publisher, places):
    await asyncio.gather(*(publisher.publish("a", str(n).encode(), stream="s", place=n) for n in places))


async def kept(broker):
    async with broker.server() as connection:
        entries = await connection.xrange(broker.names.stream("s"))
    return [(entry.decode(), int(fields[b"payload"])) for entry, fields in entries]


async def heard(live, publisher_of_end):
    await publisher_of_end.publish("a", b"end")
    messages = []
    while (message := await anext(live)).payload != b"end":
        messages.append(message)
    return messages


async def test_what_one_publisher_has_sent_another_of_that_name_does_not_repeat(broker):
    async with broker.live("a") as live:
        async with broker.publisher(identity="p") as one:
            await publish(one, range(1, 301))
        async with broker.publisher(identity="p") as two, broker.publisher() as other:
            await publish(two, range(101, 401))
            assert await heard(live, other) == [Message("a", n, str(n).encode()) for n in range(1, 401)]
    assert await kept(broker) == [(f"0-{n}", n) for n in range(1, 401)]


async def test_two_publishers_of_one_name_at_the_same_time_send_each_message_once(broker):
    async with (
        broker.publisher(identity="p") as one,
        broker.publisher(identity="p") as two,
        broker.publisher() as other,
        broker.live("a") as live,
    ):
        for first in range(1, 1001, 100):
            await asyncio.gather(publish(one, range(first, first + 100)), publish(two, range(first, first + 100)))
        assert [message.number for message in await heard(live, other)] == list(range(1, 1001))
    assert await kept(broker) == [(f"0-{n}", n) for n in range(1, 1001)]


async def test_publishers_of_different_names_have_places_of_their_own(broker):
    async with (
        broker.publisher(identity="p") as one,
        broker.publisher(identity="q") as two,
        broker.live("a", "b") as live,
    ):
        assert await one.publish("a", b"one", place=1) == 1
        assert await two.publish("b", b"two", place=1) == 1
        assert [(await anext(live)).payload for _ in range(2)] == [b"one", b"two"]


async def test_a_place_that_is_left_out_holds_nobody_up(broker):
    async with broker.publisher(identity="p") as publisher:
        await publish(publisher, [1, 2, 5, 6, 9])
    assert [number for _, number in await kept(broker)] == [1, 2, 5, 6, 9]


async def test_places_wait_in_order_for_a_name_that_is_taken_by_something_else(broker):
    async with broker.publisher(identity="p") as publisher, broker.server() as connection:
        await connection.set(broker.names.stream("s"), "text")
        waiting = asyncio.create_task(publish(publisher, range(1, 601)))
        await asyncio.wait([waiting], timeout=0.1)
        assert publisher.waiting == 600
        await connection.delete(broker.names.stream("s"))
        await waiting
    assert await kept(broker) == [(f"0-{n}", n) for n in range(1, 601)]


async def test_a_message_of_an_identity_has_its_place_as_number_though_it_is_not_kept(broker):
    async with broker.publisher(identity="p") as publisher, broker.live("a") as live:
        await publisher.publish("a", b"x", place=7)
        assert await anext(live) == Message("a", 7, b"x")


async def test_redis_remembers_an_identity_for_ever_and_others_for_a_day(broker):
    async with broker.publisher(identity="p") as lasting, broker.publisher() as passing:
        await lasting.publish("a", b"x", place=1)
        await passing.publish("a", b"x")
    async with broker.server() as connection:
        keys = {key: await connection.ttl(key) async for key in connection.scan_iter(broker.names.publisher("*"))}
    lasting_s = keys.pop(broker.names.publisher("p").encode())
    assert lasting_s == -1
    assert [0 < seconds <= 86_400 for seconds in keys.values()] == [True]
