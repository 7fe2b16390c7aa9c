"""The finder over a table in memory: whatever is committed together, stopped or forgotten, each bar is seen once."""

import asyncio
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.faults import Faults
from tickstream.patterns.detectors import BARS, ClosedBar, find
from tickstream.patterns.finder import Finder
from tickstream.patterns.table import Found, Window

START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)


class Table:
    """Answers as PatternTable does. Others run inside every call, and a finder can be stopped there."""

    def __init__(self):
        self.bars = defaultdict(dict)
        self.seen = {}
        self.patterns = []
        self.calls = 0
        self.meanwhile = lambda: None  # happens once, while patterns are added

    def commit(self, bars):
        for symbol, bar in bars:
            self.bars[symbol][bar.minute] = bar
        return [{"symbol": symbol, "minute": bar.minute} for symbol, bar in bars]

    async def unseen_symbols(self, after, count):
        await self._called()
        waiting = (symbol for symbol in sorted(self.bars) if symbol > after and len(self._unseen(symbol)) > 1)
        return list(waiting)[:count]

    async def windows(self, symbols):
        await self._called()
        windows = {}
        for symbol in symbols:
            seen = self.seen.get(symbol)
            looked_at = [self.bars[symbol][minute] for minute in sorted(self.bars[symbol]) if seen and minute <= seen]
            windows[symbol] = Window(seen=seen)
            windows[symbol].bars.extend(looked_at[-BARS:])
        return windows

    async def unseen_bars(self, seen, count):
        await self._called()
        return {
            symbol: [bar for minute, bar in sorted(self.bars[symbol].items()) if not upto or minute > upto][:count]
            for symbol, upto in seen.items()
        }

    async def add(self, found, seen):
        await self._called()
        self.meanwhile()
        self.meanwhile = lambda: None
        known = {(one.symbol, one.minute, one.finding.kind) for one in self.patterns}
        self.patterns += [one for one in found if (one.symbol, one.minute, one.finding.kind) not in known]
        self.seen |= seen
        return len(self.patterns)

    async def _called(self):
        self.calls += 1
        await asyncio.sleep(0)

    def _unseen(self, symbol):
        return [minute for minute in self.bars[symbol] if symbol not in self.seen or minute > self.seen[symbol]]


def bars_of(symbol, shapes):
    return [
        (symbol, ClosedBar(START + timedelta(minutes=minute), prices[0], max(prices), min(prices), prices[1], volume))
        for minute, (prices, volume) in enumerate(shapes)
    ]


def expected(bars):
    found = []
    for symbol in sorted({symbol for symbol, _ in bars}):
        own = [bar for name, bar in bars if name == symbol]
        for place, bar in enumerate(own[:-1]):
            found += [Found(symbol, bar.minute, finding) for finding in find(bar, own[:place])]
    return found


async def settle(finder_task, table):
    """Let the finder go on until it asks nothing more."""
    calls = -1
    while calls != table.calls:
        calls = table.calls
        for _ in range(50):
            await asyncio.sleep(0)
    assert not finder_task.done()


async def end(task):
    task.cancel()
    await asyncio.wait([task])


shapes = st.lists(st.tuples(st.tuples(st.integers(90, 110), st.integers(90, 110)), st.integers(1, 99)), max_size=60)
markets = st.lists(shapes, min_size=1, max_size=4).map(
    lambda all_shapes: sorted(
        (one for number, those in enumerate(all_shapes) for one in bars_of(f"S{number}", those)),
        key=lambda one: one[1].minute,
    )
)


@given(
    markets, st.lists(st.tuples(st.integers(1, 40), st.booleans(), st.integers(0, 60)), max_size=20), st.integers(1, 5)
)
def test_however_bars_are_committed_and_finders_killed_every_closed_bar_is_seen_once(market, steps, capacity):
    """Each step commits some bars, lets the finder run a while, and may kill it."""

    async def story():
        table = Table()
        finder = task = None
        left = list(market)
        for size, kill, turns in [*steps, (len(left), True, 0), (1, False, 0)]:
            if task is None:
                finder = Finder(table, added=lambda found, newest: None, capacity=capacity)
                task = asyncio.create_task(finder.run())
            batch, left = left[:size], left[size:]
            finder.rows(table.commit(batch))
            for _ in range(turns):
                await asyncio.sleep(0)
            if kill:
                await end(task)
                task = None
        await settle(task, table)
        await end(task)
        return table.patterns

    patterns = asyncio.run(story())
    assert sorted(map(repr, patterns)) == sorted(map(repr, expected(market)))


def wild(count):
    """Bars of which almost each shows something."""
    return [((100 + 7 * (n % 3), 100 + 7 * ((n + 1) % 3)), 1 + 50 * (n % 2)) for n in range(count)]


@pytest.mark.parametrize("faults", ["", "missed_pattern=0.3"])
def test_a_pattern_is_missed_on_demand_only(faults):
    async def story():
        table = Table()
        finder = Finder(table, added=lambda found, newest: None, faults=Faults(faults))
        task = asyncio.create_task(finder.run())
        finder.rows(table.commit(bars_of("S", wild(80))))
        await settle(task, table)
        await end(task)
        return table.patterns

    missing = len(expected(bars_of("S", wild(80)))) - len(asyncio.run(story()))
    assert missing > 5 if faults else missing == 0


def test_what_the_finder_remembers_is_bounded():
    async def story():
        table = Table()
        finder = Finder(table, added=lambda found, newest: None, capacity=10)
        task = asyncio.create_task(finder.run())
        for minute in range(3):
            for number in range(500):
                shape = bars_of(f"S{number:03}", wild(3))[minute]
                finder.rows(table.commit([shape]))
            await settle(task, table)
        remembered = (len(finder._newest), len(finder._begun), len(finder._windows))
        await end(task)
        return remembered, table.seen

    remembered, seen = asyncio.run(story())
    assert max(remembered) <= 10
    assert len(seen) == 500


@pytest.mark.parametrize("during_a_look", [False, True])
def test_a_bar_that_late_ticks_changed_is_read_again_for_those_after_it(during_a_look):
    async def story():
        table = Table()
        finder = Finder(table, added=lambda found, newest: None)
        task = asyncio.create_task(finder.run())
        bars = bars_of("S", [((100, 100), 1)] * 4)
        late = bars[1][1]._replace(open=150, high=200, low=150, close=200)

        def come_late():
            finder.rows(table.commit([("S", late)]))

        finder.rows(table.commit(bars[:2]))
        await settle(task, table)
        if during_a_look:
            table.meanwhile = come_late
        finder.rows(table.commit(bars[2:3]))
        await settle(task, table)
        if not during_a_look:
            come_late()
        finder.rows(table.commit(bars[3:]))
        await settle(task, table)
        await end(task)
        return [(one.minute, one.finding.kind, one.finding.direction) for one in table.patterns]

    assert asyncio.run(story()) == [(START + timedelta(minutes=2), "gap", "down")]


def test_a_bar_that_only_grows_asks_nothing_of_the_table():
    async def story():
        table = Table()
        finder = Finder(table, added=lambda found, newest: None)
        task = asyncio.create_task(finder.run())
        finder.rows(table.commit(bars_of("S", wild(3))))
        await settle(task, table)
        before = table.calls
        for _ in range(100):
            finder.rows(table.commit(bars_of("S", wild(3))[-1:]))
            await settle(task, table)
        await end(task)
        return table.calls - before

    assert asyncio.run(story()) == 0


def test_what_is_found_together_is_numbered_by_its_minutes():
    async def story():
        table = Table()
        finder = Finder(table, added=lambda found, newest: None)
        task = asyncio.create_task(finder.run())
        finder.rows(table.commit([one for symbol in ("A", "B", "C") for one in bars_of(symbol, wild(20))]))
        await settle(task, table)
        await end(task)
        return [one.minute for one in table.patterns]

    minutes = asyncio.run(story())
    assert len(set(minutes)) > 5
    assert minutes == sorted(minutes)
