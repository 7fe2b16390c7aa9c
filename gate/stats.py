"""Statistics of distributions, counters and series: what a threshold compares with its limit.

Owns quantiles (nearest rank over merged samples, never interpolated), the exact decision whether a quantile meets a
limit, confidence bounds of quantiles, and the robust slope of a gauge. Promises that folded data is never read better
than it was: where a bucket hides the truth, the answer is the worse edge or "not known" (None). Equal input gives
equal output in every process. What a number means for the release is left to `gate.judge`.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from gate.model import Distribution, Op, Proportion, Series

MIN_TREND_SAMPLES: Final = 30
_SIGNIFICANCE: Final = 0.05
_PARTS: Final = 10**9  # a quantile's p is read to nine decimals, so that 99.9 / 100 is the same p as 0.999
_BINS: Final = 60
_BLOCKS: Final = 6
_RESAMPLES: Final = 200
_SEED: Final = 20_240_229
_MAX_GAP: Final = 3.0


# ---- distributions ----------------------------------------------------------------------------------------------


def mean(dist: Distribution) -> float | None:
    """The arithmetic mean, None without samples."""
    return dist.total / dist.count if dist.count else None


def rate(count: float, span_s: float) -> float | None:
    """Events per second, None when no time was measured."""
    return count / span_s if span_s > 0 else None


def ratio(proportion: Proportion) -> float | None:
    """Hits as a fraction of all, None when nothing was counted."""
    total = proportion.hits + proportion.misses
    return proportion.hits / total if total else None


def samples_needed(p: float, op: Op = Op.LT) -> int:
    """How many samples a limit on quantile `p` (0…1) needs: fewer cannot show the tail it speaks of with 95 %.

    The tail is the upper one for `<` and `<=`, the lower one for `>` and `>=`, the thinner one for `==`.
    """
    _check_p(p)
    below = {Op.LT: p, Op.LE: p, Op.GT: 1 - p, Op.GE: 1 - p, Op.EQ: max(p, 1 - p)}[op]
    if below <= 0 or below >= 1:  # a minimum or maximum is a statement about the samples themselves
        return 1
    return math.ceil(round(math.log(_SIGNIFICANCE) / math.log(below), 9))


def rank(count: int, p: float) -> int:
    """The nearest rank (1…count) of quantile `p` (0…1) among `count` samples."""
    return max(1, -(-count * round(p * _PARTS) // _PARTS))


def quantile(dist: Distribution, p: float) -> float:
    """The sample of nearest rank for `p` (0…1); of folded data the upper edge of its bucket, at most the maximum.

    Raises ValueError for an empty distribution or a `p` outside 0…1.
    """
    return quantile_bounds(dist, p)[1]


def quantile_bounds(dist: Distribution, p: float) -> tuple[float, float]:
    """The least and the greatest value that quantile `p` (0…1) can have; equal while the distribution is exact.

    Raises ValueError for an empty distribution or a `p` outside 0…1.
    """
    _check_p(p)
    if not dist.count:
        raise ValueError("a quantile of no samples was asked for")
    return _at_rank(dist, rank(dist.count, p))


def quantile_interval(dist: Distribution, p: float, confidence: float = 0.95) -> tuple[float, float] | None:
    """Bounds that hold quantile `p` of what was sampled with at least `confidence`, whatever its distribution.

    They are order statistics by the binomial distribution of the number of samples below the quantile; None where
    there are too few samples for both bounds to exist.
    """
    _check_p(p)
    if not dist.count or p in (0, 1):
        return None
    low, high = _binomial_ranks(dist.count, p, (1 - confidence) / 2)
    if low < 1 or high > dist.count:
        return None
    return _at_rank(dist, low)[0], _at_rank(dist, high)[1]


def quantile_meets(dist: Distribution, p: float, op: Op, limit: float) -> bool:
    """Whether quantile `p` (0…1) certainly satisfies `op limit`: by exact counts where `above` declares the limit.

    False for an empty distribution, and for folded data whose bucket hides the answer.
    """
    return dist.count > 0 and _verdict(dist, p, op, limit, dist.count) is True


def proves_breach(dist: Distribution, p: float, op: Op, limit: float, needed: int | None = None) -> bool:
    """Whether `op limit` is broken for certain, even if all samples still missing to `needed` had been good ones.

    `needed` is `samples_needed(p, op)` unless given. With enough samples this is the opposite of `quantile_meets`,
    save for folded data whose bucket hides the answer: then both are False.
    """
    wanted = samples_needed(p, op) if needed is None else needed
    return dist.count > 0 and _verdict(dist, p, op, limit, max(wanted, dist.count)) is False


def _check_p(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"quantile {p!r} is outside 0…1")


def _verdict(dist: Distribution, p: float, op: Op, limit: float, total: int) -> bool | None:
    """Whether the quantile of `dist` filled up to `total` with samples as good as can be meets the limit."""
    _check_p(p)
    k, extra = rank(total, p), total - dist.count
    answers = set()
    for under, up_to in _counts_to(dist, limit):
        if op in (Op.LT, Op.LE):
            answers.add((under if op is Op.LT else up_to) + extra >= k)
        elif op in (Op.GT, Op.GE):
            answers.add((up_to if op is Op.GT else under) < k)
        else:
            answers.add(under < k <= up_to + extra)
    return answers.pop() if len(answers) == 1 else None


def _counts_to(dist: Distribution, limit: float) -> tuple[tuple[int, int], ...]:
    """How many samples are < and <= `limit`: one pair when it is certain, else the extreme pairs."""
    for declared, over, from_on in dist.above:
        if declared == limit:
            return ((dist.count - from_on, dist.count - over),)
    if dist.counts is None:
        return ((bisect_left(dist.uppers, limit), bisect_right(dist.uppers, limit)),)
    if limit < dist.minimum:
        return ((0, 0),)
    if limit > dist.maximum:
        return ((dist.count, dist.count),)
    sums = (0, *accumulate(dist.counts))
    # A bucket's own edges may belong to it or to its neighbour, so a limit on an edge touches both.
    least, most = sums[bisect_left(dist.uppers, limit)], sums[min(bisect_right(dist.uppers, limit) + 1, len(sums) - 1)]
    return ((least, least), (least, most), (most, most))


def _at_rank(dist: Distribution, k: int) -> tuple[float, float]:
    if k <= 1:
        return dist.minimum, dist.minimum
    if k >= dist.count:
        return dist.maximum, dist.maximum
    if dist.counts is None:
        value = dist.uppers[k - 1]
        return value, value
    index = bisect_left(tuple(accumulate(dist.counts)), k)
    low = dist.uppers[index - 1] if index else dist.minimum
    return max(low, dist.minimum), min(dist.uppers[index], dist.maximum)


def _binomial_ranks(n: int, p: float, tail: float) -> tuple[int, int]:
    """The ranks whose samples enclose quantile `p` with at most `tail` on either side (0 and n + 1 where none do)."""
    first, weights = _binomial_weights(n, p)
    total = math.fsum(weights)
    low, mass = first, 0.0
    for weight in weights:  # the greatest low with P(B < low) <= tail
        mass += weight / total
        if mass > tail:
            break
        low += 1
    high, mass = first + len(weights), 0.0
    for weight in reversed(weights):  # the least high with P(B >= high) <= tail
        mass += weight / total
        if mass > tail:
            break
        high -= 1
    return low, high


def _binomial_weights(n: int, p: float) -> tuple[int, list[float]]:
    """The binomial probabilities around their mode, up to a common factor, as far as they matter to a float."""
    mode = min(n, int((n + 1) * p))
    odds = p / (1 - p)
    down, weight, k = [], 1.0, mode
    while k > 0 and weight > 1e-18:
        weight *= k / ((n - k + 1) * odds)
        k -= 1
        down.append(weight)
    up, weight, first, k = [], 1.0, k, mode
    while k < n and weight > 1e-18:
        weight *= (n - k) * odds / (k + 1)
        k += 1
        up.append(weight)
    return first, [*reversed(down), 1.0, *up]


# ---- series -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The slope of a gauge per second with its 90 % interval, from `n` samples after the warm-up.

    With a `problem` nothing can be said, and the three numbers are None.
    """

    slope_per_s: float | None
    low: float | None
    high: float | None
    n: int
    problem: str | None = None

    def growth(self, run_s: float) -> tuple[float, float, float] | None:
        """(estimate, low, high) of the growth over a run of `run_s` seconds; None with a problem."""
        if self.slope_per_s is None or self.low is None or self.high is None:
            return None
        return self.slope_per_s * run_s, self.low * run_s, self.high * run_s


def trend(series: Series) -> Trend:
    """Whether and how fast a gauge grows, judged by the size of the effect and not by its significance.

    The first quarter of the time is warm-up and dropped; the rest is averaged in bins; the slope is that of Theil and
    Sen; its interval comes from a moving-block bootstrap of the residuals, which respects autocorrelation.
    """
    times, values = _after_warm_up(series)
    problem = _problem(series, times)
    if problem is not None:
        return Trend(slope_per_s=None, low=None, high=None, n=len(times), problem=problem)
    bin_times, bin_values = _binned(times, values)
    pairs = _pairs(bin_times)
    slope = _theil_sen(bin_values, pairs)
    residuals = [value - slope * at for at, value in zip(bin_times, bin_values, strict=True)]
    errors = sorted(_theil_sen(sample, pairs) for sample in _resampled(residuals))
    edge = len(errors) // 20
    return Trend(slope_per_s=slope, low=slope + errors[edge], high=slope + errors[-1 - edge], n=len(times))


def plateau(series: Series) -> float | None:
    """Greatest minus least value in the second half of the time; None without samples there."""
    if not series.times_s:
        return None
    middle = (series.times_s[0] + series.times_s[-1]) / 2
    tail = series.values[bisect_left(series.times_s, middle) :]
    return max(tail) - min(tail) if tail else None


def span_s(series: Series) -> float:
    """Seconds from the first to the last sample."""
    return series.times_s[-1] - series.times_s[0] if series.times_s else 0.0


def _after_warm_up(series: Series) -> tuple[Sequence[float], Sequence[float]]:
    if not series.times_s:
        return (), ()
    start = bisect_left(series.times_s, series.times_s[0] + span_s(series) / 4)
    return series.times_s[start:], series.values[start:]


def _problem(series: Series, times: Sequence[float]) -> str | None:
    if series.sources != 1:
        return f"recorded by {series.sources} processes: growth needs one process from start to end"
    if len(times) < MIN_TREND_SAMPLES:
        return f"{len(times)} samples after the warm-up quarter; at least {MIN_TREND_SAMPLES} are needed: run longer"
    gaps = [later - earlier for earlier, later in pairwise(times)]
    usual = sorted(gaps)[len(gaps) // 2]
    if usual <= 0 or min(gaps) < 0:
        return "the times of the samples do not ascend"
    if max(gaps) > _MAX_GAP * usual * (1 + 1e-9):
        return f"a gap of {max(gaps):.3g} s between samples, more than three usual intervals of {usual:.3g} s"
    return None


def _binned(times: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Means of runs of equally many neighbours, at most `_BINS` of them."""
    bins = min(_BINS, len(times))
    edges = [round(index * len(times) / bins) for index in range(bins + 1)]
    spans = [(low, high) for low, high in pairwise(edges) if high > low]
    return (
        [math.fsum(times[low:high]) / (high - low) for low, high in spans],
        [math.fsum(values[low:high]) / (high - low) for low, high in spans],
    )


def _pairs(times: Sequence[float]) -> tuple[tuple[int, int, float], ...]:
    return tuple(
        (i, j, 1 / (times[j] - times[i]))
        for i in range(len(times))
        for j in range(i + 1, len(times))
        if times[j] > times[i]
    )


def _theil_sen(values: Sequence[float], pairs: Sequence[tuple[int, int, float]]) -> float:
    slopes = sorted([(values[j] - values[i]) * weight for i, j, weight in pairs])
    middle = len(slopes) // 2
    return slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2


def _resampled(residuals: Sequence[float]) -> list[list[float]]:
    """Residuals drawn again in contiguous blocks, by a fixed generator, so that every reading is the same."""
    n = len(residuals)
    length = -(-n // _BLOCKS)
    state, samples = _SEED, []
    for _ in range(_RESAMPLES):
        sample: list[float] = []
        for _ in range(_BLOCKS):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            start = (state >> 33) % (n - length + 1)
            sample += residuals[start : start + length]
        samples.append(sample[:n])
    return samples
