"""Looks at every closed bar once and keeps the patterns that it shows.

A bar is closed when a later minute of its symbol is in the database. The finder is told of committed rows and takes
from them only which symbols have begun a new minute; the bars themselves it reads from the table, so that what it finds
follows from the table alone, whoever wrote it and whatever was cut off meanwhile. How far it has looked is kept beside
the patterns, in the same transaction: a bar that was committed before a crash is looked at after it.

A late tick may change a closed bar. What was found stays found, and what the bar would have shown later is not looked
for; bars after it are seen against the bar as it is then.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

import asyncpg

from tickstream.faults import Faults
from tickstream.patterns.detectors import ClosedBar, find
from tickstream.patterns.table import Found, PatternTable, Window

# What one step reads at most: little enough to hold nobody up, in this event loop and in the database.
_SYMBOLS: Final = 40
_BARS_EACH: Final = 25

Added = Callable[[Sequence[Found], int], None]


class Finder:
    """Use `rows` as one of the ingest's `committed`; `run` until cancelled. `added` hears what was found and kept, with
    the highest number in the table.

    Memory is bounded by `capacity` symbols; of those beyond it the bars are read again when they are needed.
    """

    def __init__(
        self, table: PatternTable, *, added: Added, faults: Faults | None = None, capacity: int = 2000
    ) -> None:
        self._table = table
        self._added = added
        self._faults = faults or Faults()
        self._capacity = capacity
        self._newest: dict[str, datetime] = {}
        self._begun: dict[str, None] = {}  # symbols with a new minute, in the order in which that came
        self._windows: dict[str, Window] = {}
        self._taken: dict[str, Window] = {}  # those that are looked through now
        self._everywhere = True
        self._arrived = asyncio.Event()
        self._arrived.set()

    def rows(self, rows: Iterable[asyncpg.Record]) -> None:
        """Bars as they were committed."""
        for row in rows:
            symbol, minute = row["symbol"], row["minute"]
            newest = self._newest.get(symbol)
            if newest is None or minute > newest:
                self._begin(symbol, minute)
            if newest is None or minute < newest:
                # Late ticks, or a bar about which nothing is known: what memory holds of this symbol may be old.
                self._windows.pop(symbol, None)
                self._taken.pop(symbol, None)

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._everywhere:
                self._everywhere = False
                await self._look_everywhere()
            while symbols := list(islice(self._begun, _SYMBOLS)):
                for symbol in symbols:
                    del self._begun[symbol]
                await self._look_through(symbols)

    def _begin(self, symbol: str, minute: datetime) -> None:
        self._newest[symbol] = minute
        self._begun[symbol] = None
        if len(self._newest) > self._capacity:
            del self._newest[next(iter(self._newest))]
        if len(self._begun) > self._capacity:
            self._begun.clear()
            self._everywhere = True
        self._arrived.set()

    async def _look_everywhere(self) -> None:
        after = ""
        while symbols := await self._table.unseen_symbols(after, _SYMBOLS):
            await self._look_through(symbols)
            after = symbols[-1]

    async def _look_through(self, symbols: Sequence[str]) -> None:
        """Look at every closed bar of `symbols`, a few at a time."""
        while symbols:
            symbols = await self._look(symbols)

    async def _look(self, symbols: Sequence[str]) -> list[str]:
        """Look at the next closed bars of `symbols`; those that may have more of them."""
        windows = await self._take_windows(symbols)
        unseen = await self._table.unseen_bars({symbol: windows[symbol].seen for symbol in symbols}, _BARS_EACH)
        found: list[Found] = []
        for symbol, bars in unseen.items():
            found += self._see(symbol, bars[:-1], windows[symbol])
            await asyncio.sleep(0)
        seen = {symbol: bars[-2].minute for symbol, bars in unseen.items() if len(bars) > 1}
        if seen:
            found.sort(key=lambda one: one.minute)
            self._added(found, await self._table.add(found, seen))
        self._give_back()
        return [symbol for symbol, bars in unseen.items() if len(bars) == _BARS_EACH]

    def _see(self, symbol: str, bars: Iterable[ClosedBar], window: Window) -> list[Found]:
        found = []
        for bar in bars:
            found += [Found(symbol, bar.minute, finding) for finding in find(bar, tuple(window.bars))]
            window.bars.append(bar)
            window.seen = bar.minute
        return [one for one in found if not self._faults.strikes("missed_pattern")]

    async def _take_windows(self, symbols: Sequence[str]) -> dict[str, Window]:
        """The windows of `symbols`, out of memory or anew."""
        windows = {symbol: self._windows.pop(symbol) for symbol in symbols if symbol in self._windows}
        self._taken = dict.fromkeys(symbols, Window()) | windows
        if unknown := [symbol for symbol in symbols if symbol not in windows]:
            windows |= await self._table.windows(unknown)
        self._taken |= {symbol: window for symbol, window in windows.items() if symbol in self._taken}
        return windows

    def _give_back(self) -> None:
        """Keep the windows for the next bars, but for those whose bars have changed since they were taken."""
        self._windows |= self._taken
        self._taken = {}
        while len(self._windows) > self._capacity:
            del self._windows[next(iter(self._windows))]
