"""Folding keeps its promises for any samples: exact where it says so, and never better than the truth."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from gate.evidence.merge import distribution
from gate.evidence.metric_records import Samples, _samples
from gate.model import Distribution
from gate.plugin import fold
from gate.plugin.fold import Fold
from gate.plugin.series import CHUNK, POINTS, Points

VALUES = st.one_of(
    st.floats(0, 9e37, allow_subnormal=True),
    st.floats(0.0009, 0.0011),
    st.sampled_from([0.0, -0.0, 0.001, 1.0, 2.0, 0.5, 1.0078125, 9.9e37, 1e-45, 5e-324]),
)


def folded(values: list[float], limits: list[float], exact: int) -> Distribution:
    """What the reader makes of `values`, with at most `exact` of them kept as they are."""
    before = fold.EXACT
    fold.EXACT = exact  # type: ignore[misc]  # small numbers of samples are to take the path of many
    try:
        taken = Fold(limits)
        for start in range(0, len(values), 7):
            taken.take(values[start : start + 7])
    finally:
        fold.EXACT = before  # type: ignore[misc]
    part = _samples(taken.plain())
    return distribution([part], limits, 1.0)


@given(st.lists(VALUES, min_size=1, max_size=60), st.lists(VALUES, max_size=3), st.sampled_from([0, 20, 100]))
@settings(max_examples=300, deadline=None)
def test_folding_keeps_counts_extremes_and_limits_exact(values: list[float], limits: list[float], exact: int) -> None:
    limits += values[:2]
    found = folded(values, limits, exact)
    assert found.count == len(values)
    assert found.exact == (len(values) <= exact)
    assert (found.minimum, found.maximum) == (min(values), max(values))
    assert math.isclose(found.total, math.fsum(values), rel_tol=1e-9)
    assert found.above == tuple(
        (limit, sum(value > limit for value in values), sum(value >= limit for value in values)) for limit in limits
    )


@given(st.lists(VALUES, min_size=1, max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_quantile_of_folded_samples_is_better_than_the_truth(values: list[float]) -> None:
    found = folded(values, [], 0)
    assert found.counts is not None
    read = [upper for upper, count in zip(found.uppers, found.counts, strict=True) for _ in range(count)]
    for true, seen in zip(sorted(values), read, strict=True):
        assert true <= seen
        assert seen <= max(true * (1 + 1 / 64), 2e-38) or seen == found.maximum


@given(st.lists(st.lists(VALUES, max_size=30), min_size=1, max_size=4), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_merging_parts_equals_recording_them_together(parts: list[list[float]], limit: float) -> None:
    read: list[Samples] = []
    for index, values in enumerate(parts):
        taken = Fold([limit])
        if index % 2:
            taken._counts = fold.Counter()
        taken.take(values)
        read += [_samples(taken.plain())] if values else []
    together = sorted(value for values in parts for value in values)
    merged = distribution(read, [limit], 1.0)
    assert merged.count == len(together)
    assert merged.above == ((limit, sum(v > limit for v in together), sum(v >= limit for v in together)),)
    if together:
        assert (merged.minimum, merged.maximum) == (together[0], together[-1])


def test_a_gauge_of_any_length_keeps_its_extremes_and_its_end_within_bounds() -> None:
    points = Points("g", lambda _: None)
    peaks = {70_001: 1000.0, 120_000: -1000.0}
    for start in range(0, 250_000, CHUNK):
        points.take([(float(at), peaks.get(at, float(at % 7))) for at in range(start, start + CHUNK)])
        assert len(points._times) <= POINTS
    times, values = list(points._times), list(points._values)
    assert times == sorted(times)
    assert (min(values), max(values)) == (-1000.0, 1000.0)
    assert times[-1] == 250_000 // CHUNK * CHUNK + CHUNK - 1
