"""The outbox: in order, noted only when Redis has it, and told what it waits for."""

import asyncio

import msgspec
import pytest

from tickstream.faults import Faults
from tickstream.messaging.publisher import Publisher
from tickstream.model import Pattern
from tickstream.patterns.outbox import Outbox


def pattern(number):
    return Pattern(
        number=number,
        kind="gap",
        symbol=f"S{number % 3}",
        minute="2024-01-02T14:30:00+00:00",
        direction="up",
        price="1.000000",
        strength=10,
    )


class Table:
    def __init__(self, count, told=0):
        self.patterns = [pattern(number) for number in range(1, count + 1)]
        self.told = told

    async def standing(self):
        return self.told, len(self.patterns)

    async def untold(self, told, count):
        return self.patterns[told : told + count]

    async def note_told(self, number):
        self.told = number


class Redis:
    """Takes messages while it is open, and `room` before; keeps what it was given, as it came."""

    def __init__(self, room=0):
        self.room = room
        self.told = []
        self.repeated = []
        self.open = asyncio.Event()

    async def publish(self, channel, payload, *, stream, place):
        if len(self.told) >= self.room:
            await self.open.wait()
        self.told.append((channel, msgspec.json.decode(payload, type=Pattern), stream, place))

    async def repeat(self, channel, payload, number):
        self.repeated.append(number)


def run(table, story, room=0, **options):
    async def whole():
        redis = Redis(room)
        outbox = Outbox(table, redis, **options)
        task = asyncio.create_task(outbox.run())
        await story(outbox, redis)
        task.cancel()
        await asyncio.wait([task])
        return redis

    return asyncio.run(whole())


async def turns(count=100):
    for _ in range(count):
        await asyncio.sleep(0)


async def let_all_out(outbox, redis):
    redis.open.set()
    while outbox.waiting or not outbox.told:  # noqa: ASYNC110  # the twins need turns, not time
        await asyncio.sleep(0)
    await turns()


def test_patterns_are_told_in_order_on_their_channels_under_their_numbers():
    redis = run(Table(600, told=100), let_all_out)
    assert redis.told == [
        (f"patterns:S{number % 3}", pattern(number), "patterns", number) for number in range(101, 601)
    ]


def test_what_redis_does_not_have_is_not_noted_as_told():
    table = Table(5)

    async def wait(outbox, redis):
        await turns()
        assert (table.told, outbox.waiting) == (0, 5)
        await let_all_out(outbox, redis)
        assert (table.told, outbox.waiting) == (5, 0)

    run(table, wait)


def test_patterns_that_are_found_later_wake_it():
    table = Table(1)

    async def find_more(outbox, redis):
        await let_all_out(outbox, redis)
        table.patterns += [pattern(2), pattern(3)]
        outbox.wake(3)
        await let_all_out(outbox, redis)
        assert outbox.count == 3

    assert [place for *_, place in run(table, find_more).told] == [1, 2, 3]


def test_the_lag_is_how_long_it_has_not_got_on():
    now = [50.0]

    async def wait(outbox, redis):
        await turns()
        now[0] = 52.5
        assert outbox.lag_s == 2.5
        outbox.wake(7)
        assert outbox.lag_s == 2.5
        await let_all_out(outbox, redis)

    run(Table(7), wait, clock=lambda: now[0])


def test_whoever_gets_on_has_no_lag_from_before():
    told = []  # the clock: a second for each message

    async def wait(outbox, redis):
        redis.told = told
        await turns()
        assert (outbox.told, outbox.waiting, outbox.lag_s) == (256, 44, 0.0)

    run(Table(300), wait, room=256, clock=lambda: float(len(told)))


@pytest.mark.parametrize(
    ("faults", "told", "repeated"),
    [("", 300, 0), ("lost_pattern=0.1", 270, 0), ("double_pattern=0.1", 300, 30)],
)
def test_patterns_are_lost_and_doubled_on_demand_only(faults, told, repeated):
    redis = run(Table(300), let_all_out, faults=Faults(faults))
    assert (len(redis.told), len(redis.repeated)) == (told, repeated)


@pytest.mark.parametrize(("identity", "place"), [("patterns", None), ("", 1)])
def test_a_publisher_takes_places_if_and_only_if_it_has_an_identity(identity, place):
    async def publish():
        await Publisher("redis://127.0.0.1:1", identity=identity).publish("a", b"", place=place)

    with pytest.raises(ValueError, match="with a place"):
        asyncio.run(publish())
