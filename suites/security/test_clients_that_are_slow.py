"""Clients that hold on to what they opened: others are served meanwhile, and the slow ones are ended."""

import asyncio
import contextlib
import time

import pytest

from suites.security.client import connected, request
from suites.security.routes import WATCHLIST
from suites.security.talk import UPGRADE
from suites.system import token

PRIVATE = "/api/v1/symbols"
# How long a slow client may hold on; beyond it the test fails. Each bound of the system is ten seconds or less.
PATIENCE_S = 20.0


def slow_ways(system, user):
    """What each of them sends at once, and then byte by byte, for ever."""
    head = f"Host: x\r\nAuthorization: Bearer {token(user)}\r\n".encode()
    body = b"POST /api/v1/watchlists HTTP/1.1\r\nContent-Type: application/json\r\n" + head
    return {
        "api_silent": ("api", b"", b""),
        "api_head": ("api", b"GET /api/v1/symbols HTTP/1.1\r\n", b"X"),
        "api_second_head": ("api", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET ", b"/"),
        "api_body": ("api", body + b"Content-Length: 60000\r\n\r\n", b" "),
        "api_chunks": ("api", body + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        "broadcast_silent": ("broadcast", b"", b""),
        "broadcast_head": ("broadcast", b"GET /ws HTTP/1.1\r\n" + head, b"X"),
        "broadcast_no_token": ("broadcast", request("GET", "/ws", UPGRADE), b""),
        "ingest_silent": ("ingest", b"", b""),
        "ingest_head": ("ingest", b"GET /ticks HTTP/1.1\r\n" + head, b"X"),
        "exchange_silent": ("exchange", b"", b""),
        "exchange_head": ("exchange", b"GET /stream HTTP/1.1\r\n" + head, b"X"),
    }


async def held_s(port, begin, more):
    """For how long the server puts up with it."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def trickle():
        writer.write(begin)
        while more:
            writer.write(more)
            await asyncio.sleep(0.5)

    trickling = asyncio.create_task(trickle())
    with contextlib.suppress(OSError):
        while await reader.read(4096):
            pass
    trickling.cancel()
    writer.close()
    return time.monotonic() - began


async def test_a_client_that_never_comes_to_an_end_is_ended(system, unique, tally, metrics):
    """The silent ones, those that trickle a head or a body, on every face, all at the same time."""
    ways = slow_ways(system, unique)
    tally.tried(len(ways))
    held = {
        way: asyncio.create_task(held_s(system.port(part), begin, more)) for way, (part, begin, more) in ways.items()
    }
    await asyncio.wait(held.values(), timeout=PATIENCE_S)
    still = [way for way, task in held.items() if not task.done()]
    for task in held.values():
        task.cancel()
    assert still == []
    longest = metrics.histogram("slow_client_held", unit="s")
    for task in held.values():
        longest.record(task.result())


def test_others_are_served_while_hundreds_of_heads_trickle(system, unique, tally):
    slow = [connected(system.port("api")) for _ in range(200)]
    try:
        client = system.user(unique)
        for turn in range(5):
            for one in slow:
                one.send(b"GET / HTTP/1.1\r\n"[turn : turn + 1])
            assert client.get(PRIVATE).status == 200
        tally.tried(len(slow))
    finally:
        for one in slow:
            one.close()


def test_others_are_served_while_clients_do_not_read_their_answers(system, unique, tally):
    """Each asks for far more than the network holds, and takes nothing."""
    slow = []
    try:
        for n in range(20):
            one = connected(system.port("api"))
            one.setblocking(False)
            asking = f"GET /openapi.json HTTP/1.1\r\nHost: x\r\nX-N: {n}\r\n\r\n".encode() * 400
            with contextlib.suppress(BlockingIOError):
                one.send(asking)
            slow.append(one)
        tally.tried(len(slow))
        assert [system.user(f"{unique}{n}").get(PRIVATE).status for n in range(10)] == [200] * 10
    finally:
        for one in slow:
            one.close()


@pytest.mark.parametrize("part", ["api", "broadcast", "ingest", "exchange"])
def test_a_flood_of_connections_leaves_room_for_others(part, system, unique, tally):
    flood = [connected(system.port(part)) for _ in range(300)]
    try:
        tally.tried(len(flood))
        assert system.client(part=part).get("/healthz").status == 200
    finally:
        for one in flood:
            one.close()
    assert system.user(unique).get(PRIVATE).status == 200


def test_one_users_flood_is_refused_and_another_user_is_served(system, unique, tally):
    loud, quiet = system.user(f"{unique}-loud"), system.user(f"{unique}-quiet")
    statuses = []
    while 429 not in statuses and len(statuses) < 3000:
        statuses.append(loud.get(PRIVATE).status)
    tally.tried(len(statuses))
    assert set(statuses) == {200, 429}
    assert quiet.get(PRIVATE).status == 200


@pytest.mark.parametrize(
    "disguise",
    [
        [("X-Forwarded-For", "10.0.0.{}")],
        [("X-Real-IP", "10.0.0.{}")],
        [("Forwarded", "for=10.0.0.{}")],
        [("User-Agent", "agent-{}"), ("Cookie", "session={}")],
        [("X-User", "user-{}"), ("X-RateLimit-Bypass", "{}")],
    ],
    ids=["forwarded_for", "real_ip", "forwarded", "agent", "user"],
)
def test_a_header_does_not_get_more_requests_through(disguise, system, unique, tally):
    assert _refused_in_a_flood(system, [token(unique)], disguise, tally)


def test_another_token_does_not_get_more_requests_through(system, unique, tally):
    """The bound is the user's, not the token's: tokens are cheap to get."""
    assert _refused_in_a_flood(system, [token(unique) for _ in range(20)], [], tally)


def test_a_refusal_tells_when_to_come_again(system, unique, tally):
    client = system.user(unique)
    answer = client.get(PRIVATE)
    for _ in range(3000):
        if answer.status == 429:
            break
        answer = client.post("/api/v1/watchlists", {**WATCHLIST, "name": ""})
    tally.tried()
    assert answer.status == 429
    assert int(answer.header("Retry-After")) >= 1


def _refused_in_a_flood(system, tokens, disguise, tally):
    """Whether some of many requests were refused that come as fast as they are answered."""
    client = system.client()
    for n in range(3000):
        headers = [(name, text.format(n % 250)) for name, text in disguise]
        headers.append(("Authorization", f"Bearer {tokens[n % len(tokens)]}"))
        tally.tried()
        if client.get(PRIVATE, headers=headers).status == 429:
            return True
    return False
