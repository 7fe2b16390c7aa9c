"""Parts of one metric, recorded by several tests and processes → the whole.

Owns the addition. As long as every sample is known exactly and there are at most a million of them they stay as they
are; beyond that they are counted under upper edges 128 to the octave, so that no quantile comes out better than it was.
"""

import bisect
import math
import struct
from collections import Counter
from collections.abc import Sequence
from typing import Final

from gate.evidence.metric_records import Part, Parts, Points, Samples, Sum
from gate.model import Distribution, Metric, Proportion, Series, Tally

EXACT: Final = 1_000_000


def merge(name: str, parts: Sequence[Part], limits: Sequence[float]) -> Metric:
    """The metric `name`. `parts` are of one kind and unit, and there is at least one."""
    span_s = math.fsum(part.span_s for part in parts)
    data: Distribution | Tally | Proportion | Series
    samples = [part.data for part in parts if isinstance(part.data, Samples)]
    sums = [part.data for part in parts if isinstance(part.data, Sum)]
    ratios = [part.data for part in parts if isinstance(part.data, Parts)]
    if samples:
        data = distribution(samples, limits, span_s)
    elif sums:
        data = Tally(total=math.fsum(s.total for s in sums), updates=sum(s.updates for s in sums), span_s=span_s)
    elif ratios:
        data = Proportion(hits=sum(r.hits for r in ratios), misses=sum(r.misses for r in ratios))
    else:
        data = _series(parts)
    return Metric(name=name, kind=parts[0].kind, unit=parts[0].unit, data=data)


def distribution(samples: Sequence[Samples], limits: Sequence[float], span_s: float) -> Distribution:
    """All samples together; of no sample at all, minimum and maximum are 0."""
    filled = [part for part in samples if part.count]
    count = sum(part.count for part in filled)
    exact = count <= EXACT and all(part.values is not None for part in filled)
    edges = sorted(value for part in filled for value in part.values or ()) if exact else []
    buckets = {} if exact else _buckets(filled)
    return Distribution(
        count=count,
        total=math.fsum(part.total for part in filled),
        minimum=min((part.minimum for part in filled), default=0.0),
        maximum=max((part.maximum for part in filled), default=0.0),
        exact=exact,
        uppers=tuple(edges) if exact else tuple(sorted(buckets)),
        counts=None if exact else tuple(buckets[upper] for upper in sorted(buckets)),
        above=tuple(_above(filled, limit) for limit in limits),
        span_s=span_s,
    )


def _buckets(parts: Sequence[Samples]) -> Counter[float]:
    buckets: Counter[float] = Counter()
    for part in parts:
        for upper, count in part.buckets:
            buckets[upper] += count
        for value in part.values or ():
            buckets[min(_upper(value), part.maximum)] += 1
    return buckets


def _upper(value: float) -> float:
    """The least edge above `value`, of 128 to the octave."""
    half: int = struct.unpack(">H", struct.pack(">f", value)[:2])[0] & 0x7FFF
    edge: float = struct.unpack(">f", struct.pack(">I", half + 1 << 16))[0]
    return edge


def _above(parts: Sequence[Samples], limit: float) -> tuple[float, int, int]:
    greater = at_least = 0
    for part in parts:
        if part.values is not None:
            ordered = sorted(part.values)
            greater += part.count - bisect.bisect_right(ordered, limit)
            at_least += part.count - bisect.bisect_left(ordered, limit)
        else:
            gt, ge = next(((gt, ge) for known, gt, ge in part.above if known == limit), (part.count, part.count))
            greater, at_least = greater + gt, at_least + ge
    return limit, greater, at_least


def _series(parts: Sequence[Part]) -> Series:
    points = [part.data for part in parts if isinstance(part.data, Points)]
    merged = sorted((at_s, value) for part in points for at_s, value in zip(part.times_s, part.values, strict=True))
    return Series(
        times_s=tuple(at_s for at_s, _ in merged),
        values=tuple(value for _, value in merged),
        sources=len({part.source for part in parts}),
    )
