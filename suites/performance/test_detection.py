"""From the tick that closes a bar to the pattern in a user's hands, through every part; the thresholds judge."""

import asyncio
import json
import time

import pytest
from websockets.asyncio.client import connect

from suites.system import Source, Tick, token

pytestmark = pytest.mark.performance

_SYMBOLS = 20
_ROUNDS = 16
_PACE_S = 0.012


def leap(number):
    """A tick that closes the bar of the minute before and opens one of its own, one percent above or below it."""
    round_, symbol = divmod(number, _SYMBOLS)
    price = 1_000_000 if round_ % 2 else 1_010_000
    return Tick(f"S{symbol}", price, 1, round_ * 60_000_000, number + 1)


async def test_from_a_tick_to_a_user(metrics, start_service, redis_url, names):
    detection = metrics.histogram("event_detection", unit="s")
    service = await start_service("serve", REDIS_URL=redis_url, TICKSTREAM_PREFIX=names.prefix, TICKSTREAM_RATE="1")
    due = {}
    # The first round opens bars and closes none; the second finds gaps in what the first one closed, and so on.
    wanted = {(f"S{symbol}", round_) for symbol in range(_SYMBOLS) for round_ in range(1, _ROUNDS - 1)}
    headers = {"Authorization": f"Bearer {token('ada')}"}
    url = service.url("broadcast", "/ws", scheme="ws")
    async with (
        connect(url, additional_headers=headers, proxy=None) as user,
        Source(service.ticks_url, "feed") as feed,
    ):
        await user.send(
            json.dumps({"type": "subscribe", "symbols": [f"S{n}" for n in range(_SYMBOLS)], "kinds": ["gap"]})
        )
        assert json.loads(await user.recv())["type"] == "subscribed"
        hearing = asyncio.create_task(hear(user, due, wanted, detection))
        began = time.perf_counter()
        for number in range(_SYMBOLS * _ROUNDS):
            tick = leap(number)
            at = began + number * _PACE_S
            await asyncio.sleep(at - time.perf_counter())
            due[tick.symbol, tick.at_us // 60_000_000 - 1] = at
            await feed.send([tick])
        await hearing


async def hear(user, due, wanted, detection):
    """Record each gap as it comes, until all that were wanted have."""
    missing = set(wanted)
    while missing:
        told = json.loads(await user.recv())
        now = time.perf_counter()
        minute = int(told["minute"][14:16])
        detection.record(now - due[told["symbol"], minute])
        missing.discard((told["symbol"], minute))
