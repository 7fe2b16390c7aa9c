"""Does a gauge grow? Simulated with fixed random numbers, so that every run sees the same series."""

import math
import random
import subprocess
import sys

import pytest

from gate import stats
from gate.model import Series

BUDGET = 50.0
RUN_S = 240.0
LENGTH = 240


def series(values, *, step_s=1.0, sources=1):
    return Series(times_s=tuple(step_s * i for i in range(len(values))), values=tuple(values), sources=sources)


def noise(rng, spread, memory=0.0):
    values, state = [], 0.0
    for _ in range(LENGTH):
        state = memory * state + rng.gauss(0, spread)
        values.append(state)
    return values


def flat(rng):
    return [500 + e for e in noise(rng, 5)]


def sticky(rng):
    return [500 + e for e in noise(rng, 3, memory=0.8)]


def sawtooth(rng):
    period, phase = rng.randint(10, 40), rng.randint(0, 40)
    return [500 + 30 * ((i + phase) % period) / period + e for i, e in enumerate(noise(rng, 1))]


def warm_up(rng):
    return [500 + 200 * (1 - math.exp(-20 * i / LENGTH)) + e for i, e in enumerate(noise(rng, 2))]


def leaking(base):
    return lambda rng: [value + 2 * BUDGET * i / LENGTH for i, value in enumerate(base(rng))]


@pytest.mark.parametrize("shape", [flat, sticky, sawtooth, warm_up])
def test_memory_that_does_not_leak_passes(shape):
    growths = [stats.trend(series(shape(random.Random(n)))).growth(RUN_S) for n in range(20)]
    assert sum(high <= BUDGET for _, _, high in growths) >= 0.97 * len(growths)


@pytest.mark.parametrize("shape", [flat, sticky, sawtooth, warm_up])
def test_a_leak_of_twice_the_budget_is_never_passed(shape):
    growths = [stats.trend(series(leaking(shape)(random.Random(n)))).growth(RUN_S) for n in range(16)]
    assert all(high > BUDGET for _, _, high in growths)
    assert sum(low > BUDGET for _, low, _ in growths) >= 0.9 * len(growths)


def test_a_straight_line_has_exactly_its_slope():
    found = stats.trend(series([3 * i for i in range(100)]))
    assert found.problem is None
    assert found.slope_per_s == pytest.approx(3)
    assert found.low == pytest.approx(3)
    assert found.high == pytest.approx(3)
    assert found.growth(10) == pytest.approx((30, 30, 30))


def test_the_interval_holds_the_estimate():
    for n in range(5):
        found = stats.trend(series(sticky(random.Random(n))))
        assert found.low <= found.slope_per_s <= found.high


def test_the_warm_up_quarter_does_not_count():
    steep_start = [1000.0 * i for i in range(30)] + [30_000.0] * 90
    assert stats.trend(series(steep_start)).slope_per_s == 0


def test_a_single_spike_does_not_bend_the_slope():
    values = [100.0] * 120
    values[-1] = 1e9
    assert stats.trend(series(values)).slope_per_s == 0


@pytest.mark.parametrize(("count", "enough"), [(0, False), (39, False), (40, True)])
def test_fewer_than_thirty_samples_after_the_warm_up_say_nothing(count, enough):
    found = stats.trend(series([1.0] * count))
    assert (found.problem is None) is enough
    assert (found.growth(60) is not None) is enough
    assert "run longer" in (found.problem or "run longer")


def test_a_gap_in_the_samples_is_a_problem():
    times = [float(i) for i in range(100)] + [float(i) for i in range(103, 160)]
    steady = stats.trend(Series(times_s=[t if t < 100 else t - 1 for t in times], values=[1.0] * len(times)))
    gap = stats.trend(Series(times_s=times, values=[1.0] * len(times)))
    assert steady.problem is None
    assert "gap of 4 s" in gap.problem
    assert gap.slope_per_s is None


def test_times_that_run_backwards_are_a_problem():
    times = [float(i) for i in range(100)]
    times[80], times[81] = times[81], times[80]
    assert "ascend" in stats.trend(Series(times_s=times, values=[1.0] * 100)).problem


def test_a_restarted_process_is_a_problem():
    assert "2 processes" in stats.trend(series([1.0] * 100, sources=2)).problem


def test_the_plateau_is_the_range_of_the_second_half():
    assert stats.plateau(series([0, 100, 0, 5, 7, 6])) == 2
    assert stats.plateau(series([])) is None


def test_the_same_series_reads_the_same_in_every_process():
    program = (
        "import random; from gate import stats; from gate.model import Series; r = random.Random(1);"
        "print(stats.trend(Series(times_s=range(200), values=[r.random() for _ in range(200)])))"
    )
    prints = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": n}, capture_output=True, check=True
        ).stdout
        for n in ("1", "2")
    }
    assert len(prints) == 1
    assert b"problem=None" in prints.pop()
