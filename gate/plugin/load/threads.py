"""Load by threads, for requests that block.

Every thread takes the next call, waits for its moment, makes it and comes back for another; so nobody has to hand calls
out, and a call is late only when all threads are busy or the system wakes one late.
"""

import threading
from collections.abc import Callable

from gate.plugin import CLOCK
from gate.plugin.load.arrivals import Schedule
from gate.plugin.load.book import Book, LoadResult


class Threads:
    """One run."""

    def __init__(self, request: Callable[[int], object], schedule: Schedule, book: Book, max_in_flight: int) -> None:
        self._request = request
        self._duration_s = schedule.duration_s
        self._calls = enumerate(schedule.offsets_s())
        self._book = book
        (self._clock,) = CLOCK
        self._lock = threading.Lock()
        self._go, self._stop = threading.Event(), threading.Event()
        self._outcome: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._work, name=f"gate-load-{n}", daemon=True) for n in range(max_in_flight)
        ]

    def run(self) -> LoadResult:
        """Returns when all have ended. No call is begun after an interruption, those under way are waited for."""
        for thread in self._threads:
            thread.start()
        self._began = self._clock()
        self._go.set()
        try:
            for thread in self._threads:
                thread.join()
            self._wait_until(self._began + self._duration_s)
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()
            self._book.settle()
        if self._outcome is not None:
            raise self._outcome
        return self._book.result(self._clock() - self._began, "threads, to a tenth of a millisecond at best")

    def _work(self) -> None:
        self._go.wait()
        while not self._stop.is_set():
            with self._lock:
                n, offset_s = next(self._calls, (-1, 0.0))
            if n < 0:
                return
            # Waiting for a free thread is the system's doing, not the generator's.
            due = self._began + offset_s
            able = max(due, self._clock())
            self._wait_until(due)
            if not self._stop.is_set():
                self._call(n, due, able)

    def _call(self, n: int, due: float, able: float) -> None:
        sent = self._clock()
        failed: Exception | None = None
        try:
            self._request(n)
        except Exception as error:  # noqa: BLE001  # whatever it is, the request has failed by it
            failed = error
        except BaseException as error:  # noqa: BLE001  # `pytest.fail` and its like are meant for the test
            self._outcome = error
            self._stop.set()
            return
        ended = self._clock()
        with self._lock:
            if failed is None:
                self._book.done += 1
            else:
                self._book.fail(failed)
            self._book.latencies.append(ended - due)
            self._book.lags.append(sent - able)
            if self._book.is_full:
                self._book.settle()

    def _wait_until(self, at_s: float) -> None:
        while (left_s := at_s - self._clock()) > 0 and not self._stop.wait(left_s):
            pass
