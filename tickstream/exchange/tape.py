"""The day's ticks, from any sequence on, the same for everybody who asks and however often.

Nothing is kept for ever: the latest blocks lie in memory, everything else is worked out again from the rules of the
market, beginning at the nearest mark. The marks grow sparser as the day grows longer, so that memory is bounded; what
an old tick costs is then the way from the mark before it.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from tickstream.exchange.market import Mark, Market, Rules
from tickstream.model import Tick

BLOCK: Final = 1000  # ticks; one is made in about two milliseconds, which is what other clients may wait
_KEPT_BLOCKS: Final = 64
_MARKS: Final = 128
_STANDING: Final = 8  # how many readers far behind go on without looking for a mark again


class Tape:
    """The ticks of one market. `end` is the last sequence of the day, None for a day that does not end."""

    def __init__(self, rules: Rules, *, end: int | None = None) -> None:
        self._rules = rules
        self.end = end
        self._blocks: OrderedDict[int, list[Tick]] = OrderedDict()
        self._standing: OrderedDict[int, Market] = OrderedDict()
        self._marks: dict[int, Mark] = {0: Market(rules).mark()}
        self._every = 1  # blocks between two marks
        self.head = 0

    async def read(self, first: int, count: int) -> list[Tick]:
        """The ticks from sequence `first` on: at least one and at most `count`, none behind the end of the day.

        `first` is 1 or more. What lies far back or far ahead takes its time, in which others are served.
        """
        block, offset = divmod(first - 1, BLOCK)
        made = self._blocks.get(block)
        if made is None:
            made = await self._make(block)
        else:
            self._blocks.move_to_end(block)  # what is read often stays, whoever reads through old blocks beside it
        taken = made[offset : offset + count]
        if self.end is not None:
            del taken[max(0, self.end - first + 1) :]
        if taken:
            self.head = max(self.head, taken[-1].sequence)
        return taken

    async def _make(self, wanted: int) -> list[Tick]:
        block, market = self._nearest(wanted)
        while block < wanted:
            market.take(BLOCK)
            block += 1
            self._note(block, market)
            await asyncio.sleep(0)
        self._blocks[wanted] = ticks = market.take(BLOCK)
        self._note(wanted + 1, market)
        self._standing[wanted + 1] = market
        for kept, most in ((self._blocks, _KEPT_BLOCKS), (self._standing, _STANDING)):
            if len(kept) > most:
                kept.popitem(last=False)
        return ticks

    def _nearest(self, wanted: int) -> tuple[int, Market]:
        """A market that stands at the beginning of `wanted` or of the nearest block before it."""
        if wanted in self._standing:
            return wanted, self._standing.pop(wanted)
        block = max(number for number in self._marks if number <= wanted)
        return block, Market.at(self._rules, self._marks[block])

    def _note(self, block: int, market: Market) -> None:
        if block % self._every or block in self._marks:
            return
        self._marks[block] = market.mark()
        if len(self._marks) > _MARKS:
            self._every *= 2
            self._marks = {number: mark for number, mark in self._marks.items() if number % self._every == 0}
