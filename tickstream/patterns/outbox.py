"""Tells each pattern once, in the order of the numbers: on its symbol's channel and in the stream of patterns.

The table is the outbox: what was told moves `pattern_told`, after Redis has it. A crash, a lost answer or a lost
database between the two lets a pattern be sent again, and Redis drops it: its number is its place among the messages of
a publisher whose name outlives every process. The number of a message is the number of its pattern, whatever becomes of
Redis; one that has lost its data goes on where the table stands, and what it kept before is gone.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from tickstream.faults import Faults
from tickstream.messaging.publisher import Publisher
from tickstream.model import PATTERN_STREAM, Pattern
from tickstream.patterns.table import PatternTable

# The publisher's name in Redis.
IDENTITY: Final = "patterns"

_AT_ONCE: Final = 256


class Outbox:
    """`wake` it when there are new patterns; `run` until cancelled. Needs a publisher with the name `IDENTITY`."""

    def __init__(
        self,
        table: PatternTable,
        publisher: Publisher,
        *,
        faults: Faults | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._publisher = publisher
        self._faults = faults or Faults()
        self._clock = clock
        self._arrived = asyncio.Event()
        self._newest = 0
        self._waiting_since = 0.0
        self.told = 0
        self.count = 0

    @property
    def waiting(self) -> int:
        """How many patterns are known to wait."""
        return max(0, self._newest - self.told)

    @property
    def lag_s(self) -> float:
        """For how long there has been a pattern to tell and none was told."""
        return self._clock() - self._waiting_since if self.waiting else 0.0

    def wake(self, newest: int) -> None:
        """There are patterns up to the number `newest`."""
        if not self.waiting:
            self._waiting_since = self._clock()
        self._newest = max(self._newest, newest)
        self._arrived.set()

    async def run(self) -> None:
        self.told, newest = await self._table.standing()
        self.wake(newest)
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while patterns := await self._table.untold(self.told, _AT_ONCE):
                await asyncio.gather(*(self._tell(pattern) for pattern in patterns))
                await self._note(patterns)

    async def _tell(self, pattern: Pattern) -> None:
        if self._faults.strikes("lost_pattern"):
            return
        channel, payload = f"patterns:{pattern.symbol}", msgspec.json.encode(pattern)
        await self._publisher.publish(channel, payload, stream=PATTERN_STREAM, place=pattern.number)
        if self._faults.strikes("double_pattern"):
            await self._publisher.repeat(channel, payload, pattern.number)

    async def _note(self, patterns: Sequence[Pattern]) -> None:
        self.told = patterns[-1].number
        self.count += len(patterns)
        self._newest = max(self._newest, self.told)
        self._waiting_since = self._clock()
        await self._table.note_told(self.told)
