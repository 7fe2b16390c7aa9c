"""The exchange in pure parts: a market that can be taken up anywhere, books around every trade, a day at its pace."""

import asyncio
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.exchange.book import LEVELS, book
from tickstream.exchange.floor import FAR, BeyondTheDay, Floor
from tickstream.exchange.market import CENT_MICROS, Market, Regime, Rules, ticks
from tickstream.exchange.stream import BOOK_S, BookMessage, Trade, Watcher
from tickstream.exchange.tape import BLOCK, Tape
from tickstream.model import Tick

RULES = Rules(symbols=("A", "B"), seed=5, regime=Regime.VOLATILE)
COUNT = 9 * BLOCK
EXPECTED = list(islice(ticks("AB", seed=5, regime=Regime.VOLATILE), COUNT))


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


def floor_of(*, end=None, rate_per_s=10.0):
    clock = Clock()
    return Floor(Tape(RULES, end=end), rate_per_s=rate_per_s, clock=clock), clock


@pytest.mark.parametrize("regime", list(Regime))
def test_a_market_goes_on_from_a_mark_as_if_it_had_never_stopped(regime):
    rules = Rules(symbols=("A", "B", "C"), seed=9, regime=regime)
    market = Market(rules)
    market.take(777)
    mark = market.mark()
    assert Market.at(rules, mark).take(500) == market.take(500)


@given(st.lists(st.tuples(st.integers(1, COUNT), st.integers(1, 2 * BLOCK)), min_size=1, max_size=25))
def test_a_tape_gives_the_same_ticks_whoever_read_what_before(reads):
    async def read_all():
        tape = Tape(RULES)
        for first, count in reads:
            taken = await tape.read(first, count)
            assert 0 < len(taken) <= count
            assert taken == EXPECTED[first - 1 : first - 1 + len(taken)]

    asyncio.run(read_all())


def test_readers_far_apart_that_take_turns_do_not_mix_up_the_tape():
    async def read(tape, first):
        taken = []
        while len(taken) < 3 * BLOCK:
            taken += await tape.read(first + len(taken), 300)
        return taken[: 3 * BLOCK]

    async def read_all():
        tape = Tape(RULES)
        return await asyncio.gather(*(read(tape, first) for first in (4321, 1, 2500, 6000)))

    for first, taken in zip((4321, 1, 2500, 6000), asyncio.run(read_all()), strict=True):
        assert taken == EXPECTED[first - 1 : first - 1 + 3 * BLOCK]


def test_a_long_day_keeps_no_more_than_a_short_one(monkeypatch):
    monkeypatch.setattr("tickstream.exchange.tape.BLOCK", 10)

    async def read_on():
        tape = Tape(RULES)
        sizes = []
        for first in range(1, 9001, 10):
            await tape.read(first, 10)
            sizes.append((len(tape._marks), len(tape._blocks), len(tape._standing)))
        assert await tape.read(1, 10) == EXPECTED[:10]
        assert await tape.read(5671, 10) == EXPECTED[5670:5680]
        return sizes

    marks, blocks, standing = zip(*asyncio.run(read_on()), strict=True)
    assert max(marks) <= 128
    assert max(blocks) <= 64
    assert max(standing) <= 8


def test_a_day_ends_in_the_middle_of_a_frame():
    async def read():
        tape = Tape(RULES, end=1234)
        return await tape.read(1001, 500)

    assert asyncio.run(read()) == EXPECTED[1000:1234]


@given(st.integers(CENT_MICROS, 10**15), st.integers(1, 2**62), st.integers(0, 2**31))
def test_a_book_stands_around_its_trade_in_strict_order(price, sequence, seed):
    tick = Tick("A", price, 1, 0, sequence)
    both = book(tick, seed)
    bids, asks = ([level.price_micros for level in side] for side in (both.bids, both.asks))
    assert len(bids) == len(asks) == LEVELS
    assert 0 < bids[-1] < bids[0] < price < asks[0]
    assert all(one > two for one, two in pairwise(bids))
    assert all(one < two for one, two in pairwise(asks))
    assert all(level.size > 0 for level in (*both.bids, *both.asks))
    assert both == book(tick, seed)


def test_books_differ_from_trade_to_trade_and_from_seed_to_seed():
    one, two = (Tick("A", 5_000_000, 1, 0, sequence) for sequence in (1, 2))
    assert len({book(one, 1), book(two, 1), book(one, 2)}) == 3


def test_in_real_time_as_many_trades_have_happened_as_the_clock_says():
    floor, clock = floor_of()
    assert floor.happened == 0
    clock.now += 2.55
    assert floor.happened == 25


def test_the_day_goes_on_from_what_a_taker_has_had_and_never_back():
    floor, clock = floor_of()
    floor.had(1000)
    clock.now += 1
    assert floor.happened == 1010
    floor.had(3)
    assert floor.happened == 1010


def test_nobody_can_have_had_more_than_the_day_has():
    floor, _ = floor_of(end=100)
    floor.had(100)
    with pytest.raises(BeyondTheDay, match="tick 101"):
        floor.had(101)
    endless, _ = floor_of()
    with pytest.raises(BeyondTheDay):
        endless.had(FAR + 1)


def test_what_has_not_happened_is_not_given():
    async def ask():
        floor, clock = floor_of(rate_per_s=100.0)
        nothing = await floor.next(1, 50)
        clock.now += 0.2
        return nothing, await floor.next(1, 50), await floor.next(15, 50)

    assert asyncio.run(ask()) == ([], EXPECTED[:20], EXPECTED[14:20])


def test_a_watcher_gets_its_symbols_numbered_and_books_at_most_a_few_times_a_second():
    clock = Clock()
    watcher = Watcher(floor_of()[0], symbols=("A",), seed=5, heartbeat_s=1.0, clock=clock)
    messages = []
    for tick in EXPECTED[:400]:
        messages += watcher._messages(tick)
        clock.now += BOOK_S / 10
    trades = [message for message in messages if isinstance(message, Trade)]
    books = [message for message in messages if isinstance(message, BookMessage)]
    assert [trade.tick for trade in trades] == [tick.sequence for tick in EXPECTED[:400] if tick.symbol == "A"]
    assert [message.sequence for message in messages] == list(range(1, len(messages) + 1))
    assert 20 <= len(books) <= 40
