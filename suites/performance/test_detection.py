"""From the tick that closes a bar to the pattern in users' hands, through every part. The declared thresholds judge."""

import asyncio
import json
import time
from contextlib import suppress

import pytest
from websockets.asyncio.client import connect

from suites.performance.market import memory_watched
from suites.system import Source, Tick, token
from suites.waiting import until
from suites.websocket_broadcast.crowd import Crowd
from suites.websocket_broadcast.told import Wish

pytestmark = pytest.mark.performance

_LONGEST_S = 5.0
_SYMBOLS = [f"L{number}" for number in range(20)]
_WISH = Wish(symbols=_SYMBOLS, kinds=["gap"])


class Watcher:
    """A user who hears of every gap and knows when the tick that made it was due."""

    def __init__(self, rounds):
        # The first round opens bars and closes none; the second finds gaps in what the first one closed, and so on.
        self.wanted = {(symbol, round_) for symbol in _SYMBOLS for round_ in range(1, rounds - 1)}
        self._missing = set(self.wanted)
        self.due = {}
        self.came = {}  # by the number of the message: when the tick was due, and when the message was there

    async def hear(self, connection):
        """Until every gap has come."""
        while self._missing:
            told = json.loads(await connection.recv())
            key = told["symbol"], int(told["minute"][14:16])
            self.came[told["number"]] = (self.due[key], time.perf_counter())
            self._missing.discard(key)


async def leap(service, watcher, rounds, pace_s):
    """Send ticks at a steady pace, of which each closes a bar and opens one a percent above or below it."""
    async with Source(service.ticks_url, "feed") as feed:
        began = time.perf_counter()
        for number in range(len(_SYMBOLS) * rounds):
            round_, place = divmod(number, len(_SYMBOLS))
            at = began + number * pace_s
            await asyncio.sleep(at - time.perf_counter())
            watcher.due[_SYMBOLS[place], round_ - 1] = at
            price = 1_000_000 if round_ % 2 else 1_010_000
            await feed.send([Tick(_SYMBOLS[place], price, 1, round_ * 60_000_000, number + 1)])


async def watch(service, rounds, pace_s):
    """Everything that a watcher of `rounds` of leaps saw."""
    watcher = Watcher(rounds)
    headers = {"Authorization": f"Bearer {token('watcher')}"}
    async with connect(ws(service), additional_headers=headers, proxy=None) as connection:
        await connection.send(json.dumps({"type": "subscribe", **_WISH.frame()}))
        assert json.loads(await connection.recv())["type"] == "subscribed"
        hearing = asyncio.create_task(watcher.hear(connection))
        await leap(service, watcher, rounds, pace_s)
        await asyncio.wait([hearing], timeout=_LONGEST_S)  # what has not come by then is lost
        if not hearing.cancel():
            hearing.result()
    return watcher


def ws(service):
    return service.url("broadcast", "/ws", scheme="ws")


async def test_from_a_tick_to_a_user(metrics, start_service, redis_url, names):
    detection = metrics.histogram("event_detection", unit="s")
    service = await start_service("serve", REDIS_URL=redis_url, TICKSTREAM_PREFIX=names.prefix, TICKSTREAM_RATE="1")
    for due, came in (await watch(service, 16, 0.012)).came.values():
        detection.record(came - due)


async def test_from_a_tick_to_two_hundred_users_while_a_market_goes_on(metrics, start_service, redis_url, names):
    delivery = metrics.histogram("websocket_delivery", unit="s")
    service = await start_service("serve", REDIS_URL=redis_url, TICKSTREAM_PREFIX=names.prefix, TICKSTREAM_RATE="1000")
    async with Crowd(ws(service), [_WISH] * 220) as crowd, memory_watched(metrics, service.pid, "whole_memory"):
        watcher = await watch(service, 6, 0.04)

        async def all_came():
            return all(member.last >= max(watcher.came) for member in crowd.members)

        with suppress(TimeoutError):
            await asyncio.wait_for(until(all_came), _LONGEST_S)
    for member in crowd.members:
        for number, came in member.got:
            if number in watcher.came:
                delivery.record(came - watcher.came[number][0])
    metrics.counter("websocket_lost").add(sum(len(watcher.wanted) - len(member.got) for member in crowd.members))
