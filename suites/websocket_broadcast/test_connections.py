"""How many may be connected, and how those who are no longer there are found out."""

import asyncio
import time
import urllib.request
from contextlib import suppress

import pytest
from websockets.exceptions import InvalidStatus

from suites.system import token
from suites.waiting import until
from suites.websocket_broadcast.conftest import HEARTBEAT_S, ws
from suites.websocket_broadcast.subscriber import subscriber
from suites.websocket_broadcast.told import a_pattern


async def counted(service, number):
    """Return when the service counts this many subscribers."""

    async def so_many():
        return service.facts("broadcast")["subscribers"] == number

    async with asyncio.timeout(20 * HEARTBEAT_S):  # so that a service which never drops anybody is found out soon
        await until(so_many)


async def refused(url, user, status):
    with pytest.raises(InvalidStatus) as refusal:
        async with subscriber(url, user):
            pass
    assert refusal.value.response.status_code == status


async def refused_after_first_frame(url, user, code):
    async with subscriber(url, user, headers={}) as late:
        await late.send(type="auth", token=token(user))
        assert (await late.end())[0] == code


async def test_a_user_has_a_limited_number_of_connections_and_others_have_theirs(small):
    async with subscriber(ws(small), "ada"), subscriber(ws(small), "ada"):
        await refused(ws(small), "ada", 409)
        await refused_after_first_frame(ws(small), "ada", 4409)
        async with subscriber(ws(small), "eve") as other:
            await other.subscribe()
    await counted(small, 0)
    async with subscriber(ws(small), "ada") as again:
        await again.subscribe()


async def test_there_is_room_for_so_many_and_no_more(small):
    async with subscriber(ws(small), "a"), subscriber(ws(small), "b"), subscriber(ws(small), "c"):
        await refused(ws(small), "d", 503)
        assert small.facts("broadcast")["subscribers"] == 3


async def test_who_shows_a_token_later_finds_no_room_either(small):
    async with (
        subscriber(ws(small), "d", headers={}) as early,
        subscriber(ws(small), "a"),
        subscriber(ws(small), "b"),
        subscriber(ws(small), "c"),
    ):
        await early.send(type="auth", token=token("d"))
        assert (await early.end())[0] == 1013


@pytest.mark.parametrize("way", ["politely", "with a reset", "without a word"])
async def test_who_leaves_makes_room_at_once(small, way):
    for _ in range(5):
        async with subscriber(ws(small)) as user:
            await user.subscribe()
            if way == "with a reset":
                user.reset()
            elif way == "without a word":
                user.connection.transport.close()
        await counted(small, 0)


async def test_connections_without_a_token_do_not_take_the_room_of_those_with_one(small):
    port = int(small.url("broadcast").rpartition(":")[2])
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    async with subscriber(ws(small), "a") as user:
        await user.subscribe()
        assert small.facts("broadcast")["subscribers"] == 1
    for _, writer in silent:
        writer.close()


async def test_who_answers_pings_stays(small, teller_of_small):
    async with teller_of_small as teller, subscriber(ws(small)) as user:
        await user.subscribe()
        await asyncio.sleep(3 * HEARTBEAT_S)  # what is tested is that nothing happens meanwhile
        number = await teller.tell(a_pattern())
        assert await user.reach(number) == [number]


async def test_who_does_not_answer_pings_is_dropped_with_a_word(small):
    async with subscriber(ws(small)) as user:
        await user.subscribe()
        user.connection.protocol.recv_frame = deaf_to_pings(user.connection.protocol)
        async with asyncio.timeout(20 * HEARTBEAT_S):
            assert await user.end() == (4408, "no sign of life")
        await counted(small, 0)


@pytest.mark.performance
async def test_peers_behind_a_dead_network_are_dropped_and_counted_out(faults, metrics, small, teller_of_small):
    heartbeat_drop = metrics.histogram("heartbeat_drop", unit="s")
    proxy = faults.proxy(ws(small))
    async with teller_of_small as teller, subscriber(ws(small), "eve") as alive:
        await alive.subscribe()
        for round_ in range(3):
            async with subscriber(proxy.url, "ada", close_timeout=0.1) as user:
                await user.subscribe()
                await user.connection.ping()
                proxy.blackhole()
                began = time.perf_counter()
                with suppress(TimeoutError):  # how long it took is for the limit to judge, also when it has no end
                    await counted(small, 1)
                heartbeat_drop.record(time.perf_counter() - began)
                proxy.heal()
            number = await teller.tell(a_pattern(number=round_ + 1))
            await alive.reach(number)


async def test_what_is_counted_is_told(start_broadcaster, own_teller):
    service = await start_broadcaster()
    async with own_teller as teller, subscriber(ws(service), "a") as one, subscriber(ws(service), "b") as two:
        for user in (one, two):
            await user.subscribe()
        number = await teller.tell(a_pattern())
        for user in (one, two):
            await user.reach(number)
        counts = await asyncio.to_thread(read_metrics, service)
        health = service.health()
    assert health["status"] == "ok"
    assert health["parts"]["broadcast"]["subscribers"] == 2
    assert counts["tickstream_broadcast_subscribers"] == 2
    assert counts["tickstream_broadcast_sent_total"] == 2
    assert counts["tickstream_broadcast_fanout_seconds_count"] == 1


def read_metrics(service):
    with urllib.request.urlopen(service.url("broadcast", "/metrics"), timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def deaf_to_pings(protocol):
    """How the client's library takes frames, with pings left out."""
    take = protocol.recv_frame

    def hear(frame):
        if frame.opcode.name != "PING":
            take(frame)

    return hear
