"""What one test records under one name, while it runs.

Owns the buffers: an update is one append to a list, which no other thread can tear, and the rest of the work is done
once per few thousand updates under a lock. A full buffer, the end of the test and life in a forked child all come in by
the same door: a limit on the length of the buffer, which is 0 for the latter two.
"""

import threading
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, NoReturn

from gate.plugin import CLOCK
from gate.plugin.fold import HUGE, Fold

CHUNK: Final = 4096
POINTS: Final = 100_000

# Told a reason when a value is bad: leaves it as evidence, then raises it.
Refuse = Callable[[str, object], NoReturn]
Emit = Callable[[dict[str, object]], None]


class Series:
    """The common part: a buffer, drained now and then. `emit` takes the fields of a record."""

    def __init__(self, name: str, emit: Emit) -> None:
        self.name = name
        self.buffer: list[Any] = []
        self.limit = CHUNK
        self.set_limit: Callable[[int], None] = self._set_limit
        self.refused: Callable[[], None] = lambda: None  # told once of updates after the end
        self._emit = emit
        self._lock = threading.Lock()
        self._closed = False
        self._in_child = False
        self.before_call = 0  # updates while the test was set up
        self.by_end_of_call = 0
        self._taken = 0

    @property
    def recorded(self) -> int:
        """How many updates there have been."""
        return self._taken + len(self.buffer)

    def _set_limit(self, length: int) -> None:
        # How long the buffer may become; 0 sends every update through `drain`.
        self.limit = length

    def drain(self) -> None:
        """Take in what is buffered. Raises RuntimeError after the end of the test."""
        if self._closed:
            self.buffer.clear()
            refused, self.refused = self.refused, lambda: None
            refused()
            raise RuntimeError(f"metric {self.name!r} was recorded after the end of its test")
        # Whoever holds the lock takes this thread's updates too, now or at the end.
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._drain_locked()
        finally:
            self._lock.release()

    def close(self) -> None:
        """Take in the rest and write the record."""
        with self._lock:
            self.set_limit(0)
            self._drain_locked()
            self._closed = True
            if not self._in_child:
                self._emit(self.plain())

    def enter_child(self) -> None:
        """Forget what belongs to the parent; from now on write every update at once."""
        self.buffer.clear()
        self.reset()
        # The lock may have been held by a thread that does not exist here.
        self._lock = threading.Lock()
        self._in_child = True
        self.set_limit(0)

    def _drain_locked(self) -> None:
        # Two steps, each of which no thread can interrupt; what is appended in between stays for the next time.
        taken = self.buffer[:]
        del self.buffer[: len(taken)]
        if taken:
            self._taken += len(taken)
            self.take(taken)
            if self._in_child:
                self._emit(self.plain())
                self.reset()

    def take(self, updates: list[Any]) -> None:
        raise NotImplementedError

    def plain(self) -> dict[str, object]:
        raise NotImplementedError

    def reset(self) -> None:
        raise NotImplementedError


class Samples(Series):
    """Of a histogram."""

    def __init__(self, name: str, emit: Emit, limits: list[float]) -> None:
        super().__init__(name, emit)
        self._limits = limits
        self.fold = Fold(limits)

    def take(self, updates: list[Any]) -> None:
        self.fold.take(updates)

    def plain(self) -> dict[str, object]:
        return self.fold.plain()

    def reset(self) -> None:
        self.fold = Fold(self._limits)


class Sum(Series):
    """Of a counter: exact for integers."""

    def __init__(self, name: str, emit: Emit) -> None:
        super().__init__(name, emit)
        self.reset()

    def take(self, updates: list[Any]) -> None:
        self._total += sum(updates)
        self._updates += len(updates)

    def plain(self) -> dict[str, object]:
        return {"n": self._updates, "total": self._total}

    def reset(self) -> None:
        self._total: int | float = 0
        self._updates = 0


class Parts(Series):
    """Of a ratio: updates are (hits, misses)."""

    def __init__(self, name: str, emit: Emit) -> None:
        super().__init__(name, emit)
        self.reset()

    def take(self, updates: list[Any]) -> None:
        self._hits += sum(hits for hits, _ in updates)
        self._misses += sum(misses for _, misses in updates)

    def plain(self) -> dict[str, object]:
        return {"hits": self._hits, "misses": self._misses}

    def reset(self) -> None:
        self._hits = self._misses = 0


class Points(Series):
    """Of a gauge: updates are (seconds since the start of the suite, value)."""

    def __init__(self, name: str, emit: Emit) -> None:
        super().__init__(name, emit)
        self.reset()

    def take(self, updates: list[Any]) -> None:
        for at_s, value in updates:
            self._times.append(at_s)
            self._values.append(value)
        if len(self._times) > POINTS - CHUNK:
            self._thin_out()

    def plain(self) -> dict[str, object]:
        return {"t": self._times.tolist(), "x": self._values.tolist()}

    def reset(self) -> None:
        self._times, self._values = array("d"), array("d")

    def _thin_out(self) -> None:
        """Of every four points keep the lowest and the highest, so that no extreme is lost; the last point stays."""
        times, values = array("d"), array("d")
        last = len(self._times) - 1
        for start in range(0, last, 4):
            group = range(start, min(start + 4, last))
            low, high = min(group, key=self._values.__getitem__), max(group, key=self._values.__getitem__)
            for index in sorted({low, high}):
                times.append(self._times[index])
                values.append(self._values[index])
        times.append(self._times[last])
        values.append(self._values[last])
        self._times, self._values = times, values


def sampler(series: Samples, refuse: Refuse) -> tuple[Callable[[float], None], type[AbstractContextManager[None]]]:
    """The function that records one sample in the base unit, and the class whose instances time a block.

    Closures, because a call of one costs half as much as a call of a method. The clock is bound here.
    """
    buffer, drain, limit = series.buffer, series.drain, CHUNK
    (clock,), huge = CLOCK, HUGE

    def set_limit(length: int) -> None:
        nonlocal limit
        limit = length

    def record(value: float) -> None:
        if type(value) is float and value >= 0.0 and value < huge:
            buffer.append(value)
            if len(buffer) >= limit:
                drain()
        elif type(value) is int and 0 <= value < HUGE:
            record(float(value))
        else:
            refuse("a number, finite and at least 0", value)

    class Timer:
        __slots__ = ("_start",)

        def __enter__(self) -> None:
            self._start = clock()

        def __exit__(self, kind: object, error: object, traceback: object) -> None:
            buffer.append(clock() - self._start)
            if len(buffer) >= limit:
                drain()

    series.set_limit = set_limit  # the limit lives in the closure, where it costs least
    return record, Timer
