"""Where the market meets the clock: which ticks have happened by now, for everybody the same.

In real time trades happen at the settings' rate from the moment the exchange opened; the ticks themselves carry market
time only, so that a day can be told from its seed. A taker that says it has had ticks up to n proves that the day had
come that far before this process began, and the day goes on from there. At a rate of 0 there is no clock: ticks happen
when somebody takes them.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from tickstream.exchange.tape import Tape
from tickstream.model import Tick

FAR: Final = 1_000_000_000  # ticks; nobody can have had that many more than this exchange knows of
_NAP_S: Final = 0.005  # at high rates ticks are handed out in lots of this length
_LONG_NAP_S: Final = 0.1  # however far away the next tick is: meanwhile whoever waits may have changed its mind


class BeyondTheDay(Exception):
    """Somebody asks for ticks that this day does not come to."""


class Floor:
    """The pace of one exchange. `rate_per_s` of 0 means: as fast as they are taken."""

    def __init__(self, tape: Tape, *, rate_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._tape = tape
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._since_s = clock()
        self._before = 0  # ticks that had happened at `_since_s`

    @property
    def happened(self) -> int:
        """The sequence of the latest tick."""
        if not self._rate_per_s:
            return max(self._before, self._tape.head)
        count = self._before + int((self._clock() - self._since_s) * self._rate_per_s)
        return count if self._tape.end is None else min(count, self._tape.end)

    def had(self, sequence: int) -> None:
        """Somebody has had the ticks up to `sequence`. Raises BeyondTheDay when that cannot be."""
        latest = self._tape.end if self._tape.end is not None else self.happened + FAR
        if sequence > latest:
            raise BeyondTheDay(f"nobody can have had tick {sequence}; the day comes to {latest} at the most")
        if sequence > self.happened:
            self._before, self._since_s = sequence, self._clock()

    async def next(self, first: int, count: int) -> list[Tick]:
        """The ticks from `first` on that have happened, at most `count`. Waits a moment if there are none; [] then."""
        if self._ready(first) <= 0:
            await asyncio.sleep(self._nap_s(first))
        ready = self._ready(first)
        return await self._tape.read(first, min(count, ready)) if ready > 0 else []

    def _ready(self, first: int) -> int:
        """How many ticks from `first` on could be had now."""
        if self._rate_per_s:
            return self.happened - first + 1
        return FAR if self._tape.end is None else self._tape.end - first + 1

    def _nap_s(self, first: int) -> float:
        if not self._rate_per_s:
            return _LONG_NAP_S
        due_s = self._since_s + (first - self._before) / self._rate_per_s
        return min(_LONG_NAP_S, max(_NAP_S, due_s - self._clock()))
