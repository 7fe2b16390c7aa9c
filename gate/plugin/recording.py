"""The fixture `metrics`: what a test measures, by name.

Owns the faces that a test sees and what may be recorded: names, units, one kind and one unit per name in a process, and
finite numbers. A bad value raises in the test and is left as evidence as well, so that catching it hides nothing. An
update is atomic: concurrent threads, asyncio tasks and forked children lose none. There is no recorder that outlives a
test: data that belong to no test could not be dropped when it fails.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import pytest

from gate.plugin import CLOCK
from gate.plugin.fold import HUGE
from gate.plugin.series import Parts, Points, Samples, Series, Sum, sampler
from gate.units import FRACTION, SIZE, TIME, UNITS, Unit

if TYPE_CHECKING:
    from gate.plugin.observer import Observer
    from gate.plugin.spool import Spool

Face = TypeVar("Face")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
_MEANINGS: Final[dict[str, tuple[str, str]]] = {}  # of every name used in this process: kind and unit


class Histogram:
    """Samples of a latency or a size. `record(value)` takes a number in the unit; `time()` times a `with` block."""

    __slots__ = ("record", "time")

    def __init__(self, record: Callable[[float], None], timer: Callable[[], AbstractContextManager[None]]) -> None:
        self.record = record
        self.time = timer


class _Face:
    __slots__ = ("_refuse", "_series")

    def __init__(self, series: Series, refuse: Callable[[str, object], NoReturn]) -> None:
        self._series = series
        self._refuse = refuse

    def _update(self, update: object) -> None:
        series = self._series
        series.buffer.append(update)
        if len(series.buffer) >= series.limit:
            series.drain()


class Counter(_Face):
    """A sum that only grows."""

    __slots__ = ()

    def add(self, amount: float = 1) -> None:
        """Add `amount`, a finite number of at least 0."""
        if not _is_number(amount) or amount < 0:
            self._refuse("a number, finite and at least 0", amount)
        self._update(amount)


class Ratio(_Face):
    """Hits against misses."""

    __slots__ = ()

    def hit(self, n: int = 1) -> None:
        self._count(n)
        self._update((n, 0))

    def miss(self, n: int = 1) -> None:
        self._count(n)
        self._update((0, n))

    def _count(self, n: int) -> None:
        if type(n) is not int or not 0 <= n < 2**63:
            self._refuse("a whole number of at least 0", n)


class Gauge(_Face):
    """A value over time. Points are stamped with the seconds since the start of the suite."""

    __slots__ = ("_clock", "_started", "_unit")

    def __init__(self, series: Series, refuse: Callable[[str, object], NoReturn], unit: Unit, started: float) -> None:
        super().__init__(series, refuse)
        self._unit = unit
        self._started = started
        (self._clock,) = CLOCK

    def set(self, value: float) -> None:
        """Record `value`, a finite number in the unit."""
        if not _is_number(value):
            self._refuse("a finite number", value)
        self._update((self._clock() - self._started, value * self._unit.num / self._unit.den))


class Metrics:
    """What one execution of one test records. Without a gate around it, everything works and nothing is kept."""

    def __init__(self, test: str, attempt: int, spool: "Spool | None", span: Callable[[Series, float], float]) -> None:
        self._test = test
        self._attempt = attempt
        self._spool = spool
        self._span = span
        (clock,) = CLOCK
        self._created = clock()
        self._faces: dict[str, Any] = {}
        self._open: dict[str, Series] = {}

    @classmethod
    def for_test(cls, config: pytest.Config, test: str) -> "Metrics":
        """A recorder whose data count for `test` as it is being executed now."""
        observer: Observer | None = config.pluginmanager.get_plugin("gate.observer")
        if observer is None:
            return cls(test, 1, None, lambda _, __: 0.0)
        return cls(test, observer.attempt, observer.open_spool(), observer.span_s)

    def histogram(self, name: str, unit: str = "s") -> Histogram:
        """Samples of at least 0 in `unit`: of time, of size, or a plain number ("")."""

        def make(meaning: Unit) -> Histogram:
            series = Samples(name, self._emitter(name, "histogram", meaning), self._limits(name))
            record, timer = sampler(series, self._refuser(name))
            self._keep(series)
            if (meaning.num, meaning.den) != (1, 1):
                record = _scaled(record, meaning)
            return Histogram(record, timer if meaning.dimension == TIME else self._no_timer(name))

        return self._face(Histogram, name, "histogram", unit, make)

    def counter(self, name: str) -> Counter:
        def make(meaning: Unit) -> Counter:
            return Counter(self._keep(Sum(name, self._emitter(name, "counter", meaning))), self._refuser(name))

        return self._face(Counter, name, "counter", "", make)

    def ratio(self, name: str) -> Ratio:
        def make(meaning: Unit) -> Ratio:
            return Ratio(self._keep(Parts(name, self._emitter(name, "ratio", meaning))), self._refuser(name))

        return self._face(Ratio, name, "ratio", "", make)

    def gauge(self, name: str, unit: str = "") -> Gauge:
        """A value in `unit` that rises and falls."""
        started = self._spool.started if self._spool else 0.0

        def make(meaning: Unit) -> Gauge:
            series = self._keep(Points(name, self._emitter(name, "gauge", meaning)))
            return Gauge(series, self._refuser(name), meaning, started)

        return self._face(Gauge, name, "gauge", unit, make)

    def time(self, name: str) -> AbstractContextManager[None]:
        """`histogram(name).time()`."""
        return self.histogram(name).time()

    def record(self, name: str, value: float) -> None:
        """`histogram(name).record(value)`, in seconds."""
        self.histogram(name).record(value)

    def close(self) -> None:
        """Write what was recorded; called when the test is torn down."""
        for series in self._open.values():
            series.close()
        self._open.clear()

    def __reduce__(self) -> NoReturn:
        raise TypeError("metrics cannot be sent to another process; record there what comes back, or fork")

    def _face(self, of: type[Face], name: str, kind: str, unit: str, make: Callable[[Unit], Face]) -> Face:
        face = self._faces.get(name)
        known = _MEANINGS.get(name)
        if known is None:
            self._check(name, kind, unit)
            known = _MEANINGS[name] = (kind, unit)
        if known != (kind, unit):
            self._evidence(name, f"used as {_words(kind, unit)} and as {_words(*known)}")
            raise ValueError(f"metric {name!r} is a {_words(*known)}; it cannot be a {_words(kind, unit)} as well")
        if not isinstance(face, of):
            face = self._faces[name] = make(UNITS[unit])
        return face

    def _check(self, name: object, kind: str, unit: str) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._evidence(str(name)[:64], "not a name")
            raise ValueError(f"{name!r} is no name of a metric; allowed are {_NAME.pattern}")
        if unit not in UNITS or UNITS[unit].dimension not in (TIME, SIZE, FRACTION, ""):
            self._evidence(name, f"unknown unit {str(unit)[:32]!r}")
            raise ValueError(
                f"{unit!r} is no unit of a {kind}; allowed are ns us ms s min h, B KB MB GB KiB MiB GiB, %"
            )

    def _keep(self, series: Series) -> Series:
        self._open[series.name] = series
        series.refused = lambda: self._evidence(series.name, "recorded after the end of its test")
        if self._spool is not None:
            self._spool.live.add(series)
            if self._spool.forked:
                series.enter_child()
        return series

    def _limits(self, name: str) -> list[float]:
        return self._spool.limits(name) if self._spool else []

    def _emitter(self, name: str, kind: str, unit: Unit) -> Callable[[dict[str, object]], None]:
        spool, about = self._spool, {"k": "data", "test": self._test, "a": self._attempt, "name": name, "kind": kind}
        base = unit.base if unit.name else ("1" if kind in ("counter", "ratio") else "")

        def emit(fields: dict[str, object]) -> None:
            if spool is not None:
                spool.add(
                    {
                        **about,
                        "unit": base,
                        "span": 0.0 if spool.forked else self._span(self._open[name], self._created),
                        **fields,
                    }
                )

        return emit

    def _refuser(self, name: str) -> Callable[[str, object], NoReturn]:
        def refuse(allowed: str, value: object) -> NoReturn:
            self._evidence(name, f"{value!r} was recorded"[:200])
            raise ValueError(f"metric {name!r}: {value!r} cannot be recorded; allowed is {allowed}")

        return refuse

    def _no_timer(self, name: str) -> Callable[[], NoReturn]:
        def refuse() -> NoReturn:
            raise TypeError(f"metric {name!r} has no unit of time, so no block can be timed with it")

        return refuse

    def _evidence(self, name: str, what: str) -> None:
        if self._spool is not None:
            self._spool.add({"k": "error", "test": self._test, "a": self._attempt, "name": name, "what": what})


def _scaled(record: Callable[[float], None], unit: Unit) -> Callable[[float], None]:
    num, den = unit.num, unit.den

    def record_scaled(value: float) -> None:
        record(value * num / den if _is_number(value) else value)

    return record_scaled


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and -HUGE < value < HUGE  # type: ignore[operator]  # it is one of the two


def _words(kind: str, unit: str) -> str:
    return f"{kind} in {unit}" if unit else kind
