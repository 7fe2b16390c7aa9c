"""What became of the calls of one run: into the test's metrics, and into the result that the test gets."""

import base64
from array import array
from dataclasses import dataclass
from typing import Any, Final

from gate import stats
from gate.model import Distribution
from gate.plugin.fold import Fold
from gate.plugin.recording import Metrics

# Few enough that handing them over delays no call by more than a tenth of a millisecond.
_CHUNK: Final = 256
_MESSAGES: Final = 5
_MESSAGE_CHARS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """In seconds, by nearest rank over all calls of the run; beyond 100,000 calls rounded up by less than 1 %."""

    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What a run of load came to. `asked` calls were sent, and each either counts as `done` or as one of `errors`."""

    asked: int
    done: int
    errors: int
    messages: tuple[str, ...]  # of the first few errors
    duration_s: float  # until the last call had ended
    achieved_rate: float  # done per second
    latency: Quantiles  # from the intended moment to the end
    lag: Quantiles  # from the intended moment to the sending, as far as the generator is to blame
    pacing: str  # what kept the time, and how well it can


class Book:
    """Takes calls in as they end. Updates are appends; `settle` is called now and then, never twice at once."""

    def __init__(self, metrics: Metrics, metric: str) -> None:
        self.latencies: list[float] = []
        self.lags: list[float] = []
        self.messages: list[str] = []
        self.done = self.errors = 0
        self._written = (0, 0)
        self._latency, self._lag = Fold(()), Fold(())
        self._record_latency = metrics.histogram(metric, unit="s").record
        self._record_lag = metrics.histogram(f"{metric}_lag", unit="s").record
        self._counters = metrics.counter(f"{metric}_done"), metrics.counter(f"{metric}_errors")

    @property
    def is_full(self) -> bool:
        """Whether it is time to settle."""
        return len(self.latencies) >= _CHUNK

    def fail(self, error: BaseException) -> None:
        self.errors += 1
        if len(self.messages) < _MESSAGES:
            self.messages.append(f"{type(error).__name__}: {error}"[:_MESSAGE_CHARS])

    def settle(self) -> None:
        """Hand over what has been taken in so far."""
        for samples, fold, record in (
            (self.latencies, self._latency, self._record_latency),
            (self.lags, self._lag, self._record_lag),
        ):
            taken = samples[:]
            del samples[: len(taken)]
            fold.take(taken)
            for sample in taken:
                record(sample)
        now = self.done, self.errors
        for counter, total, written in zip(self._counters, now, self._written, strict=True):
            counter.add(total - written)
        self._written = now

    def result(self, duration_s: float, pacing: str) -> LoadResult:
        self.settle()
        return LoadResult(
            asked=self.done + self.errors,
            done=self.done,
            errors=self.errors,
            messages=tuple(self.messages),
            duration_s=duration_s,
            achieved_rate=self.done / duration_s,
            latency=_quantiles(self._latency),
            lag=_quantiles(self._lag),
            pacing=pacing,
        )


def _quantiles(fold: Fold) -> Quantiles:
    if not fold.count:  # at random moments there may have been none
        return Quantiles(p50=0.0, p90=0.0, p95=0.0, p99=0.0, p999=0.0, max=0.0)
    dist = _distribution(fold)
    p50, p90, p95, p99, p999 = (stats.quantile(dist, p) for p in (0.5, 0.9, 0.95, 0.99, 0.999))
    return Quantiles(p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, max=dist.maximum)


def _distribution(fold: Fold) -> Distribution:
    plain: dict[str, Any] = fold.plain()
    if "f8" in plain:
        values = array("d", base64.b64decode(plain["f8"]))
        uppers, counts = sorted(values), None
        low, high = uppers[0], uppers[-1]
    else:
        uppers, counts = [upper for upper, _ in plain["b"]], [count for _, count in plain["b"]]
        low, high = plain["min"], plain["max"]
    return Distribution(
        count=fold.count,
        total=0.0,
        minimum=low,
        maximum=high,
        exact=counts is None,
        uppers=uppers,
        counts=counts,
        above=(),
        span_s=0.0,
    )
