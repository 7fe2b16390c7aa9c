"""Clients that do not read: dropped, bounded, and able to return; nobody else notices."""

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager

import psutil
import pytest

from suites.waiting import until
from suites.websocket_broadcast.conftest import ws
from suites.websocket_broadcast.subscriber import subscriber
from suites.websocket_broadcast.told import patterns

SMALL_BUFFER = {"TICKSTREAM_CLIENT_KB": "64"}


@asynccontextmanager
async def with_little_room(service, user):
    """A connection whose own buffers hold next to nothing."""
    port = int(service.url("broadcast").rpartition(":")[2])
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    async with subscriber(ws(service), user, sock=sock) as client:
        yield client


async def alone(service, number):
    async def so_many():
        return service.facts("broadcast")["subscribers"] == number

    await until(so_many)


async def test_a_client_that_does_not_read_is_dropped_and_gets_everything_when_it_returns(
    start_broadcaster, own_teller
):
    service = await start_broadcaster(**SMALL_BUFFER)
    async with own_teller as teller, subscriber(ws(service), "eve") as other:
        await other.subscribe()
        async with with_little_room(service, "ada") as user:
            await user.subscribe()
            user.connection.transport.pause_reading()
            told = await teller.tell_burst(patterns(2500, ["A"]))
            assert await other.reach(told[-1]) == told
            await alone(service, 1)
            user.connection.transport.resume_reading()
            assert (await user.end())[0] == 1013
            assert user.numbers == told[: len(user.numbers)]
        async with subscriber(ws(service), "ada") as user:
            await user.subscribe()
            assert await user.reach(told[-1]) == told


async def test_a_client_that_reads_slowly_while_it_catches_up_is_waited_for(start_broadcaster, own_teller):
    service = await start_broadcaster(**SMALL_BUFFER)
    async with own_teller as teller:
        async with subscriber(ws(service)) as user:
            await user.subscribe()
        told = await teller.tell_burst(patterns(2500, ["A"]))
        async with with_little_room(service, "ada") as user:
            await user.subscribe()
            user.connection.transport.pause_reading()
            await asyncio.sleep(0.3)  # what is tested is that the service waits
            user.connection.transport.resume_reading()
            assert await user.reach(told[-1]) == told


@pytest.mark.performance
async def test_memory_does_not_grow_with_clients_that_do_not_read(metrics, start_broadcaster, own_teller):
    growth = metrics.histogram("stalled_growth", unit="MB")
    service = await start_broadcaster(**SMALL_BUFFER)
    process = psutil.Process(service.pid)
    async with own_teller as teller, AsyncExitStack() as stack:
        users = []
        for number in range(60):
            user = await stack.enter_async_context(with_little_room(service, f"u{number}"))
            await user.subscribe()
            user.connection.transport.pause_reading()
            users.append(user)
        before = process.memory_info().rss
        most = before
        watcher = await stack.enter_async_context(subscriber(ws(service), "eve"))
        await watcher.subscribe()
        for seed in range(10):
            told = await teller.tell_burst(patterns(500, ["A"], seed))
            await watcher.reach(told[-1])
            most = max(most, process.memory_info().rss)
        growth.record((most - before) / 1_000_000)
        for user in users:
            user.reset()
