"""Measurements as few numbers: points of a curve, bars of a histogram, the line of a sparkline, a row of figures.

Promises that thinning keeps every peak and dip, and that folded samples are never drawn better than they were. Knows
nothing of how a curve is drawn.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from gate import stats
from gate.model import (
    Distribution,
    Metric,
    Proportion,
    ResourceSample,
    Series,
    SuiteDossier,
    SuiteResult,
    Tally,
    ThresholdResult,
)
from gate.report import numbers
from gate.thresholds import RESOURCE_METRICS

_WIDE: Final = 30.0  # from this ratio of largest to smallest sample, a logarithmic axis shows more
_MOST_POINTS: Final = 160
_VALUE_STATS: Final = frozenset({"min", "mean", "max", "last"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit that lies on the axis of a metric's values, in the base unit; `quantile` 0…1 where it is one's."""

    value: float
    label: str
    met: bool
    quantile: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """So many samples between two values."""

    low: float
    high: float
    count: int


def limits_of(suite: SuiteResult, metric: str) -> tuple[Limit, ...]:
    """The limits on `metric` that can be drawn beside its values; a limit on growth or a rate is not one."""
    drawn = [(t, quantile_of(t.stat)) for t in suite.thresholds if t.metric == metric and t.limit is not None]
    return tuple(
        Limit(value=(t.limit or 0.0) * t.scale, label=_label(t), met=(t.margin or 0.0) >= 0, quantile=quantile)
        for t, quantile in drawn
        if quantile is not None or t.stat in _VALUE_STATS
    )


def _label(threshold: ThresholdResult) -> str:
    limit = numbers.limit_text(threshold.limit or 0.0, threshold.unit)
    return f"{threshold.stat} {threshold.op.value} {limit}"


def quantile_of(stat: str) -> float | None:
    """0.99 for `p99`, None for a statistic that is no quantile."""
    digits = stat.removeprefix("p")
    if stat == digits or not digits.replace(".", "", 1).isdecimal():
        return None
    return min(float(digits) / 100, 1.0)


# ---- distributions ----------------------------------------------------------------------------------------------


def quantile_curve(dist: Distribution) -> tuple[tuple[float, float], ...]:
    """(p, value) from the least sample to the last quantile that the number of samples can show."""
    if not dist.count:
        return ()
    nines = min(max(math.log10(dist.count), 1.0), 6.0)
    steps = 12 * math.ceil(nines)
    shares = [1 - 10 ** (-nines * step / steps) for step in range(steps + 1)]
    sums = None if dist.counts is None else tuple(accumulate(dist.counts))
    return tuple((p, _at(dist, sums, stats.rank(dist.count, p))) for p in shares)


def _at(dist: Distribution, sums: tuple[int, ...] | None, rank: int) -> float:
    if rank >= dist.count:
        return dist.maximum
    return dist.uppers[rank - 1] if sums is None else min(dist.uppers[bisect_left(sums, rank)], dist.maximum)


def is_wide(dist: Distribution) -> bool:
    """Whether the samples span so much that a logarithmic axis shows them better."""
    return dist.minimum > 0 and dist.maximum / dist.minimum > _WIDE


def bins(dist: Distribution, most: int = 36) -> tuple[Bin, ...]:
    """The samples in at most `most` bins of equal width on the axis that suits them; few samples get few bins."""
    number = min(most, math.ceil(2 * math.sqrt(dist.count)))
    if not dist.count or dist.maximum <= dist.minimum:
        return (Bin(low=dist.minimum, high=dist.maximum, count=dist.count),) if dist.count else ()
    edges = _edges(dist, number)
    sums = None if dist.counts is None else (0, *accumulate(dist.counts))
    upto = [_count_upto(dist, sums, edge) for edge in edges[1:-1]]
    cumulated = [0, *upto, dist.count]
    return tuple(
        Bin(low=low, high=high, count=after - before)
        for (low, high), (before, after) in zip(pairwise(edges), pairwise(cumulated), strict=True)
    )


def _edges(dist: Distribution, number: int) -> list[float]:
    low, high = dist.minimum, dist.maximum
    if is_wide(dist):
        return [low * (high / low) ** (step / number) for step in range(number)] + [high]
    return [low + (high - low) * step / number for step in range(number)] + [high]


def _count_upto(dist: Distribution, sums: tuple[int, ...] | None, edge: float) -> int:
    position = bisect_right(dist.uppers, edge)
    return position if sums is None else sums[position]


# ---- series -----------------------------------------------------------------------------------------------------


def thin(times: Sequence[float], values: Sequence[float], most: int = _MOST_POINTS) -> tuple[tuple[float, float], ...]:
    """At most about `most` points of a series, with the least and the greatest of every stretch that was left out."""
    if len(times) <= most:
        return tuple(zip(times, values, strict=True))
    width = math.ceil(2 * len(times) / most)
    kept: set[int] = {0, len(times) - 1}
    for start in range(0, len(times), width):
        stretch = range(start, min(start + width, len(times)))
        kept |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return tuple((times[index], values[index]) for index in sorted(kept))


def sparkline(metric: Metric) -> tuple[float, ...]:
    """The shape of a metric in few numbers between 0 and 1: a gauge over time, a histogram over its values."""
    match metric.data:
        case Series() as series:
            return _scaled([value for _, value in thin(series.times_s, series.values, 48)])
        case Distribution() as dist:
            return _scaled([float(found.count) for found in bins(dist, 24)])
        case _:
            return ()


def _scaled(values: list[float]) -> tuple[float, ...]:
    if len(values) < 3:
        return ()
    low, high = min(values), max(values)
    return tuple((value - low) / (high - low) if high > low else 0.5 for value in values)


# ---- figures ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A metric in a row: how much of it there is, and label and value of what is worth knowing."""

    metric: Metric
    samples: int
    values: tuple[tuple[str, str], ...]
    line: tuple[float, ...]


def recorded(suite: SuiteDossier) -> tuple[Metric, ...]:
    """The metrics that tests recorded; what the gate sampled itself is told under resources."""
    return tuple(metric for metric in suite.metrics if not (suite.resources and metric.name in RESOURCE_METRICS))


def figures(metric: Metric) -> Figures:
    """The row of `metric`, in units that read well."""
    samples, values = _values(metric)
    return Figures(metric=metric, samples=samples, values=values, line=sparkline(metric))


def _values(metric: Metric) -> tuple[int, tuple[tuple[str, str], ...]]:
    match metric.data:
        case Distribution() as dist:
            return dist.count, _of_distribution(dist, metric.unit)
        case Tally() as tally:
            rate = stats.rate(tally.total, tally.span_s)
            total = ("total", numbers.natural(tally.total, metric.unit))
            return tally.updates, (total,) if rate is None else (total, ("rate", numbers.measured(rate, "/s")))
        case Proportion() as share:
            ratio = stats.ratio(share)
            shown = "–" if ratio is None else numbers.measured(ratio * 100, "%")
            return share.hits + share.misses, (("ratio", shown), ("hits", f"{share.hits:,}"))
        case Series() as series:
            return len(series.values), _of_series(series, metric.unit)


def _of_distribution(dist: Distribution, unit: str) -> tuple[tuple[str, str], ...]:
    if not dist.count:
        return ()
    shown = [("min", dist.minimum)]
    shown += [(f"p{p:g}", stats.quantile(dist, p / 100)) for p in (50, 95, 99)]
    shown += [("max", dist.maximum)]
    rate = stats.rate(dist.count, dist.span_s)
    values = tuple((name, numbers.natural(value, unit)) for name, value in shown)
    return values if rate is None else (*values, ("rate", numbers.measured(rate, "/s")))


def _of_series(series: Series, unit: str) -> tuple[tuple[str, str], ...]:
    if not series.values:
        return ()
    shown = {"first": series.values[0], "min": min(series.values), "max": max(series.values), "last": series.values[-1]}
    return tuple((name, numbers.natural(value, unit)) for name, value in shown.items())


# ---- resources --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One measure of a suite's process tree over time; `metric` is the name thresholds know it by."""

    title: str
    metric: str
    unit: str
    times_s: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def peak(self) -> str:
        return _short(max(self.values), self.unit)

    @property
    def mean(self) -> str:
        return _short(math.fsum(self.values) / len(self.values), self.unit)

    @property
    def line(self) -> tuple[float, ...]:
        return _scaled([value for _, value in thin(self.times_s, self.values, 48)])


def _short(value: float, unit: str) -> str:
    return numbers.size(value) if unit == "B" else numbers.significant(value, 3)


def resources(samples: Sequence[ResourceSample]) -> tuple[Resource, ...]:
    """The measures of the process tree, each over the whole life of the suite; none without samples."""
    if not samples:
        return ()
    times = tuple(sample.at_s for sample in samples)
    measures = (
        ("Resident memory", "process.rss", "B", tuple(float(sample.rss_bytes) for sample in samples)),
        ("CPU (cores)", "process.cpu", "", tuple(sample.cpu for sample in samples)),
        ("File descriptors", "process.fds", "1", tuple(float(sample.fds) for sample in samples)),
        ("Threads", "process.threads", "1", tuple(float(sample.threads) for sample in samples)),
    )
    return tuple(
        Resource(title=title, metric=metric, unit=unit, times_s=times, values=values)
        for title, metric, unit, values in measures
    )
