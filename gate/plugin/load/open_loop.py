"""Load by coroutines in the test's own event loop."""

import asyncio
from collections.abc import Awaitable, Callable

from gate.plugin import CLOCK
from gate.plugin.load.arrivals import Schedule
from gate.plugin.load.book import Book, LoadResult
from gate.plugin.load.pacing import Alarm, alarm


class OpenLoop:
    """One run. Sends what is due whenever the alarm rings or a place becomes free."""

    def __init__(
        self, request: Callable[[int], Awaitable[object]], schedule: Schedule, book: Book, max_in_flight: int
    ) -> None:
        self._request = request
        self._duration_s = schedule.duration_s
        self._offsets_s = schedule.offsets_s()
        self._next_s = next(self._offsets_s, None)
        self._book = book
        self._max = max_in_flight
        (self._clock,) = CLOCK
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._sent = 0
        self._free_since = 0.0
        self._ending = False

    async def run(self) -> LoadResult:
        """Returns when all have ended; when it is cancelled, so are they."""
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._alarm: Alarm = alarm(self._loop, self._send_due)
        self._began = self._clock()
        try:
            self._send_due()
            await self._over
        finally:
            self._ending = True
            self._alarm.close()
            await self._end_calls()
            self._book.settle()
        return self._book.result(self._clock() - self._began, self._alarm.name)

    def _send_due(self) -> None:
        now = self._clock()
        while self._next_s is not None and len(self._calls) < self._max:
            due = self._began + self._next_s
            if due > now:
                self._alarm.set(due)
                return
            # Waiting for a free place is the system's doing, not the generator's.
            call = self._call(self._sent, due, max(due, self._free_since))
            self._calls[self._sent] = self._loop.create_task(call)
            self._sent += 1
            self._next_s = next(self._offsets_s, None)
        if self._next_s is None and not self._calls:
            self._end_in_time(now)

    def _end_in_time(self, now: float) -> None:
        # Not before the time is up, or the rate over the run would look higher than it was.
        end = self._began + self._duration_s
        if now < end:
            self._alarm.set(end)
        elif not self._over.done():
            self._over.set_result(None)

    async def _call(self, n: int, due: float, able: float) -> None:
        sent = self._clock()
        if not await self._answered(n):
            return
        ended = self._clock()
        book = self._book
        book.latencies.append(ended - due)
        book.lags.append(sent - able)
        was_full = len(self._calls) >= self._max
        del self._calls[n]
        if book.is_full:
            book.settle()
        if was_full:
            self._free_since = ended
        if was_full or (self._next_s is None and not self._calls):
            self._send_due()

    async def _answered(self, n: int) -> bool:
        """Whether the run goes on; how the request ended is in the book then."""
        try:
            await self._request(n)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a request may fail by anything
            if self._ending:
                raise
            if not isinstance(error, Exception | asyncio.CancelledError):
                self._break_off(error)  # `pytest.fail` and its like are meant for the test
                return False
            self._book.fail(error)
        else:
            self._book.done += 1
        return True

    def _break_off(self, error: BaseException) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    async def _end_calls(self) -> None:
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls)
