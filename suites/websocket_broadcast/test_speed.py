"""How soon, to how many, and whether everybody got exactly theirs. The declared thresholds judge, not the tests."""

import asyncio
import random
import time

import pytest

from suites.websocket_broadcast.crowd import Crowd, compare, record
from suites.websocket_broadcast.told import KINDS, Wish, a_pattern, patterns

pytestmark = pytest.mark.performance

SYMBOLS = [f"S{number}" for number in range(10)]
END = "END"  # a symbol that everybody asks for, to know when everything before has come


def wishes(count, seed=1):
    """Half of the users ask for everything, the others for something."""
    rng = random.Random(seed)
    some = [
        Wish([*rng.sample(SYMBOLS, 4), END], rng.sample(KINDS, 3) if rng.random() < 0.5 else "*", rng.choice([1, 30]))
        for _ in range(count // 2)
    ]
    return some + [Wish()] * (count - len(some))


async def finish(teller, members, tell=None):
    """Tell last ones until everybody has had one; a defect may swallow them like any other. The first one's number."""
    ends = []
    while not ends or any(member.last < ends[0] for member in members):
        ends += [await (tell or teller.tell)(a_pattern(END, kind, 100)) for kind in KINDS]
        await asyncio.sleep(0.1)
    return ends[0]


async def deliver(teller, crowd, delivery, told, pace_s):
    """Tell at a steady pace, and record how old each pattern was when it arrived."""
    sent = {}

    async def tell(pattern):
        before = time.perf_counter()
        number = await teller.tell(pattern)
        sent[number] = before
        return number

    for pattern in told:
        await tell(pattern)
        await asyncio.sleep(pace_s)
    before = await finish(teller, crowd.members, tell)
    for member in crowd.members:
        for number, arrived in member.got:
            delivery.record(arrived - sent[number])
    return before


async def test_delivery_to_more_than_two_hundred_users(metrics, url, teller, unique):
    delivery = metrics.histogram("broadcast_delivery", unit="s")
    async with teller, Crowd(url, wishes(250), name=unique) as crowd:
        before = await deliver(teller, crowd, delivery, patterns(80, SYMBOLS), 0.02)
        record(metrics, compare(crowd.members, teller.told, before))


async def test_delivery_to_a_thousand_users(metrics, shared_broadcaster, url, teller, unique):
    delivery = metrics.histogram("broadcast_delivery_1000", unit="s")
    async with teller, Crowd(url, [Wish()] * 1000, name=unique, all_come=False) as crowd:
        counted = shared_broadcaster.facts("broadcast")["subscribers"]
        metrics.gauge("users_connected").set(min(len(crowd.members), counted))
        before = await deliver(teller, crowd, delivery, patterns(25, SYMBOLS), 0.08)
        record(metrics, compare(crowd.members, teller.told, before))


async def test_bursts_reach_everybody_whole_and_in_order(metrics, url, teller, unique):
    async with teller, Crowd(url, wishes(100), name=unique) as crowd:
        for seed in range(5):
            await teller.tell_burst(patterns(200, SYMBOLS, seed))
        before = await finish(teller, crowd.members)
        record(metrics, compare(crowd.members, teller.told, before))


async def test_users_who_return_get_what_they_missed(metrics, url, teller, unique):
    replay = metrics.histogram("replay_time", unit="s")
    async with teller:
        async with Crowd(url, wishes(60), name=unique):
            pass
        missed = await teller.tell_burst(patterns(1000, SYMBOLS))
        async with Crowd(url, wishes(60), name=unique) as crowd:
            before = await finish(teller, crowd.members)
        for member in crowd.members:
            replay.record(max(arrived for number, arrived in member.got if number <= missed[-1]) - member.came)
        record(metrics, compare(crowd.members, teller.told, before))
