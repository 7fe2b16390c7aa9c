"""Connections to Redis break and come back: nothing is lost, nothing comes twice, ingestion does not notice."""

import asyncio
import json
from itertools import islice

import pytest

from suites.oracle import expected_bars
from suites.system import Source, ticks


async def publish(publisher, first, last):
    await asyncio.gather(*(publisher.publish("a", str(n).encode(), stream="s") for n in range(first, last + 1)))


async def kept(broker):
    async with broker.server() as connection:
        return [int(entry[b"payload"]) for _, entry in await connection.xrange(broker.names.stream("s"))]


async def kill_clients(broker, proxy):
    """Let the server end the connections that lead through `proxy`, and no others: the server may be shared."""
    async with broker.server() as connection:
        for address in proxy.far_addresses():
            await connection.client_kill_filter(addr=address)


async def test_what_is_published_while_redis_is_away_arrives_when_it_is_back(broker, faults):
    proxy = faults.proxy(broker.url)
    async with broker.through(proxy).publisher() as publisher:
        await publish(publisher, 1, 10)
        proxy.down()
        waiting = asyncio.create_task(publish(publisher, 11, 500))
        await proxy.refused()
        assert not waiting.done()
        proxy.up()
        await waiting
    assert await kept(broker) == list(range(1, 501))


async def test_a_message_whose_answer_was_lost_is_there_once(broker, faults):
    proxy = faults.proxy(broker.url)
    async with (
        broker.through(proxy).publisher() as publisher,
        broker.live("a") as live,
    ):
        await publish(publisher, 1, 1)
        for first in range(2, 102, 10):
            proxy.cut_answer_to(b"EVALSHA")
            await publish(publisher, first, first + 9)
        received = [int((await anext(live)).payload) for _ in range(101)]
    assert proxy.cuts == 10
    assert received == list(range(1, 102))
    assert await kept(broker) == list(range(1, 102))


async def test_messages_stay_in_order_through_broken_connections(broker, faults):
    proxy = faults.proxy(broker.url)
    async with broker.through(proxy).publisher() as publisher:
        sending = asyncio.create_task(publish(publisher, 1, 5000))
        resets = 0
        while not sending.done():
            before = publisher.waiting
            while publisher.waiting == before and not sending.done():  # noqa: ASYNC110  # a number has no event
                await asyncio.sleep(0)
            proxy.reset()
            resets += 1
        await sending
    assert resets >= 5
    assert await kept(broker) == list(range(1, 5001))


async def test_a_publisher_whose_script_redis_has_forgotten_goes_on(broker):
    async with broker.publisher() as publisher:
        await publish(publisher, 1, 10)
        async with broker.server() as connection:
            await connection.script_flush()
        await publish(publisher, 11, 20)
    assert await kept(broker) == list(range(1, 21))


async def test_a_publisher_takes_no_more_than_its_capacity_while_redis_is_away(broker, faults):
    proxy = faults.proxy(broker.url)
    async with broker.through(proxy).publisher(capacity=10) as publisher:
        proxy.down()
        sending = [asyncio.create_task(publisher.publish("a", b"x", stream="s")) for _ in range(25)]
        await proxy.refused()
        assert publisher.waiting == 10
        proxy.up()
        assert await asyncio.gather(*sending) == list(range(1, 26))


@pytest.mark.parametrize("way", ["killed by the server", "cut by the network"])
async def test_a_subscriber_whose_connection_was_broken_hears_again(broker, way, faults):
    proxy = faults.proxy(broker.url)
    async with (
        broker.publisher() as publisher,
        broker.through(proxy).live("a", patterns=("b*",)) as live,
    ):
        for round_ in range(3):
            hearing = asyncio.create_task(anext(live))
            await asyncio.sleep(0)
            proxy.reset() if way.startswith("cut") else await kill_clients(broker, proxy)
            while not hearing.done():
                await publisher.publish("bcd", b"again")
                await asyncio.sleep(0.002)
            assert hearing.result().channel == "bcd"
            assert live.reconnects == round_ + 1
            await publisher.publish("a", b"end")
            while (await anext(live)).payload != b"end":
                pass


async def test_a_subscriber_waits_for_a_redis_that_is_away(broker, faults):
    proxy = faults.proxy(broker.url)
    async with (
        broker.publisher() as publisher,
        broker.through(proxy).live("a") as live,
    ):
        proxy.down()
        hearing = asyncio.create_task(anext(live))
        await proxy.refused()
        proxy.up()
        while not hearing.done():
            await publisher.publish("a", b"back")
            await asyncio.sleep(0.002)
    assert hearing.result().payload == b"back"


async def test_a_reader_of_kept_messages_misses_and_repeats_nothing_through_broken_connections(broker, faults):
    proxy = faults.proxy(broker.url)
    async with (
        broker.publisher() as publisher,
        broker.through(proxy).mailbox("ada") as mailbox,
    ):
        await publish(publisher, 1, 2000)
        received = []
        while len(received) < 2000:
            if len(received) % 3 == 0:
                proxy.cut_answer_to(b"XREADGROUP")
            messages = await mailbox.read(count=50)
            received += [int(message.payload) for message in messages]
            await mailbox.acknowledge(messages)
        assert mailbox.missed == 0
    assert proxy.cuts >= 5
    assert received == list(range(1, 2001))


async def test_an_acknowledgement_whose_answer_was_lost_still_counts(broker, faults):
    proxy = faults.proxy(broker.url)
    async with broker.publisher() as publisher:
        async with broker.through(proxy).mailbox("ada") as mailbox:
            await publish(publisher, 1, 10)
            messages = await mailbox.read()
            proxy.cut_answer_to(b"XACK")
            await mailbox.acknowledge(messages)
        async with broker.mailbox("ada") as mailbox:
            assert await mailbox.read() == []
    assert proxy.cuts == 1


async def test_a_redis_that_lost_its_data_is_used_again_from_the_start(broker):
    async with broker.publisher() as publisher, broker.mailbox("ada") as mailbox:
        await publish(publisher, 1, 10)
        await mailbox.acknowledge(await mailbox.read())
        async with broker.server() as connection:
            await connection.delete(*[key async for key in connection.scan_iter(f"{broker.names.prefix}*")])
        await publish(publisher, 11, 20)
        assert [int(message.payload) for message in await mailbox.read()] == list(range(11, 21))


async def test_ingestion_goes_on_while_redis_is_away_and_its_messages_follow(broker, start_service, database, faults):
    sent = list(islice(ticks(["A", "B", "C"], seed=4), 3000))
    proxy = faults.proxy(broker.url)
    async with broker.mailbox("ada", "bars") as mailbox:
        service = await start_service(REDIS_URL=proxy.url, TICKSTREAM_PREFIX=broker.names.prefix)
        async with Source(service.ticks_url, "feed") as feed:
            await feed.send(sent[:100])
            proxy.down()
            await feed.send(sent[100:])
            await database.settled("feed", 3000)
            await proxy.refused()
            proxy.up()
        assert await database.bars() == expected_bars(sent)
        told = {}
        while sum(told.values()) < len(sent):
            messages = await mailbox.read(wait_s=5)
            told |= {message.channel: json.loads(message.payload)["trades"] for message in messages}
            await mailbox.acknowledge(messages)
