"""Quantiles, exact decisions on limits, confidence bounds."""

import math
import random
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate import stats
from gate.model import Distribution, Op, Proportion

LIMIT_OPS = {
    Op.LT: lambda value, limit: value < limit,
    Op.LE: lambda value, limit: value <= limit,
    Op.GT: lambda value, limit: value > limit,
    Op.GE: lambda value, limit: value >= limit,
    Op.EQ: lambda value, limit: value == limit,
}


def exact(values, *, declared=(), span_s=1.0):
    ordered = sorted(map(float, values))
    return Distribution(
        count=len(ordered),
        total=math.fsum(ordered),
        minimum=ordered[0] if ordered else 0.0,
        maximum=ordered[-1] if ordered else 0.0,
        exact=True,
        uppers=tuple(ordered),
        counts=None,
        above=above(ordered, declared),
        span_s=span_s,
    )


def folded(values, *, edges, declared=()):
    """The same samples as a recorder keeps them when there are many: (upper edge, how many)."""
    ordered = sorted(map(float, values))
    counts = [0] * len(edges)
    for value in ordered:
        counts[bisect_left(edges, value)] += 1
    kept = [(edge, count) for edge, count in zip(edges, counts, strict=True) if count]
    return Distribution(
        count=len(ordered),
        total=math.fsum(ordered),
        minimum=ordered[0],
        maximum=ordered[-1],
        exact=False,
        uppers=tuple(edge for edge, _ in kept),
        counts=tuple(count for _, count in kept),
        above=above(ordered, declared),
        span_s=1.0,
    )


def above(ordered, limits):
    return tuple((limit, sum(v > limit for v in ordered), sum(v >= limit for v in ordered)) for limit in limits)


samples = st.lists(st.integers(0, 60), min_size=1, max_size=80)
quantiles = st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0])
ops = st.sampled_from(list(Op))
EDGES = [0.0, 7.0, 14.0, 21.0, 28.0, 35.0, 42.0, 49.0, 56.0, 63.0]


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.0, 1), (0.01, 1), (0.011, 2), (0.5, 50), (0.505, 51), (0.95, 95), (0.99, 99), (0.999, 100), (1.0, 100)],
)
def test_a_quantile_is_the_sample_of_nearest_rank(p, expected):
    assert stats.quantile(exact(range(1, 101)), p) == expected


def test_a_quantile_given_as_a_quotient_is_the_same_rank_as_written_out():
    assert stats.rank(1000, 99.9 / 100) == 999
    assert stats.rank(100, 0.07) == 7


def test_a_quantile_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no samples"):
        stats.quantile(exact([]), 0.5)


@pytest.mark.parametrize("p", [-0.1, 1.1, 99.0, math.nan])
def test_a_quantile_outside_its_range_is_refused(p):
    with pytest.raises(ValueError, match="outside"):
        stats.quantile(exact([1]), p)


@given(samples, quantiles)
def test_folded_data_never_reads_better_than_the_truth(values, p):
    truth = stats.quantile(exact(values), p)
    low, high = stats.quantile_bounds(folded(values, edges=EDGES), p)
    assert low <= truth <= high


@given(samples)
def test_folded_data_keeps_its_exact_ends(values):
    dist = folded(values, edges=EDGES)
    assert stats.quantile(dist, 0.0) == min(values)
    assert stats.quantile(dist, 1.0) == max(values)


@given(samples, quantiles, ops, st.integers(-1, 61))
def test_the_decision_on_exact_samples_is_the_comparison_with_the_quantile(values, p, op, limit):
    dist = exact(values)
    truth = LIMIT_OPS[op](stats.quantile(dist, p), limit)
    assert stats.quantile_meets(dist, p, op, limit) is truth
    assert stats.proves_breach(dist, p, op, limit, needed=1) is not truth


@given(samples, quantiles, ops, st.integers(-1, 61))
def test_a_declared_limit_is_decided_exactly_on_folded_data(values, p, op, limit):
    dist = folded(values, edges=EDGES, declared=(float(limit),))
    assert stats.quantile_meets(dist, p, op, limit) is LIMIT_OPS[op](stats.quantile(exact(values), p), limit)


@given(samples, quantiles, ops, st.integers(-1, 61))
def test_an_undeclared_limit_is_never_decided_wrongly_on_folded_data(values, p, op, limit):
    dist = folded(values, edges=EDGES)
    truth = LIMIT_OPS[op](stats.quantile(exact(values), p), limit)
    assert not stats.quantile_meets(dist, p, op, limit) or truth
    assert not stats.proves_breach(dist, p, op, limit, needed=1) or not truth


def test_folded_data_decides_limits_that_lie_far_from_the_bucket():
    dist = folded([3] * 100, edges=EDGES)
    assert stats.quantile_meets(dist, 0.5, Op.LT, 20)
    assert stats.proves_breach(dist, 0.5, Op.GT, 20)


def test_the_exact_ends_decide_limits_inside_the_outermost_buckets():
    dist = folded([3, 4] * 100, edges=EDGES)
    assert stats.quantile_meets(dist, 0.5, Op.LT, 5)
    assert stats.quantile_meets(dist, 0.5, Op.GT, 2)
    assert not stats.quantile_meets(dist, 0.5, Op.LT, 3.5)
    assert not stats.proves_breach(dist, 0.5, Op.LT, 3.5)


@pytest.mark.parametrize(
    ("p", "op", "needed"),
    [
        (0.5, Op.LT, 5),
        (0.9, Op.LT, 29),
        (0.95, Op.LE, 59),
        (0.99, Op.LT, 299),
        (0.999, Op.LT, 2995),
        (0.05, Op.GT, 59),
        (0.01, Op.GE, 299),
        (0.05, Op.EQ, 59),
        (1.0, Op.LT, 1),
        (0.0, Op.GT, 1),
    ],
)
def test_a_quantile_needs_enough_samples_to_show_its_tail(p, op, needed):
    assert stats.samples_needed(p, op) == needed


@pytest.mark.parametrize(("slow", "proven"), [(1, False), (2, False), (3, True), (10, True)])
def test_a_breach_is_proven_early_only_if_no_further_sample_could_mend_it(slow, proven):
    dist = exact([1] * (10 - slow) + [9] * slow)
    assert stats.proves_breach(dist, 0.99, Op.LT, 5) is proven


@given(samples, quantiles, ops, st.integers(-1, 61), st.lists(st.integers(0, 60), max_size=40))
def test_a_proven_breach_stays_whatever_samples_follow_up_to_the_needed_number(values, p, op, limit, more):
    needed = len(values) + len(more)
    if stats.proves_breach(exact(values), p, op, limit, needed=needed):
        assert not stats.quantile_meets(exact(values + more), p, op, limit)


def test_nothing_recorded_neither_meets_nor_breaks_a_limit():
    assert not stats.quantile_meets(exact([]), 0.5, Op.LT, 1)
    assert not stats.proves_breach(exact([]), 0.5, Op.LT, 1)


def test_confidence_bounds_are_the_tabulated_order_statistics():
    # Median of 10 and 100: Conover, Practical Nonparametric Statistics, exact binomial.
    assert stats.quantile_interval(exact(range(1, 11)), 0.5) == (2, 9)
    assert stats.quantile_interval(exact(range(1, 101)), 0.5) == (40, 61)


@pytest.mark.parametrize(("n", "there"), [(1, False), (58, False), (71, False), (72, True), (400, True)])
def test_confidence_bounds_exist_only_with_enough_samples(n, there):
    assert (stats.quantile_interval(exact(range(n)), 0.95) is not None) is there


def test_confidence_bounds_hold_the_true_quantile_as_often_as_they_say():
    rng = random.Random(7)
    hits = 0
    for _ in range(400):
        low, high = stats.quantile_interval(exact([rng.random() for _ in range(120)]), 0.9)
        hits += low <= 0.9 <= high
    assert hits >= 0.95 * 400 - 3 * math.sqrt(400 * 0.95 * 0.05)


@given(samples, quantiles)
def test_confidence_bounds_enclose_the_estimate_also_when_folded(values, p):
    for dist in (exact(values), folded(values, edges=EDGES)):
        bounds = stats.quantile_interval(dist, p)
        if bounds is not None:
            low, high = stats.quantile_bounds(dist, p)
            assert bounds[0] <= low <= high <= bounds[1]


def test_confidence_bounds_of_a_day_of_samples_are_quick_and_tight():
    n = 4_000_000_000
    low, high = stats._binomial_ranks(n, 0.99, 0.025)
    sigma = math.sqrt(n * 0.99 * 0.01)
    assert abs(low - (0.99 * n - 1.96 * sigma)) < 0.01 * sigma
    assert abs(high - (0.99 * n + 1.96 * sigma)) < 0.01 * sigma


def test_what_was_not_measured_has_no_mean_rate_or_ratio():
    assert stats.mean(exact([])) is None
    assert stats.rate(5, 0.0) is None
    assert stats.ratio(Proportion(hits=0, misses=0)) is None


def test_mean_rate_and_ratio():
    assert stats.mean(exact([1, 2, 6])) == 3
    assert stats.rate(50, 2.0) == 25
    assert stats.ratio(Proportion(hits=7, misses=3)) == 0.7
