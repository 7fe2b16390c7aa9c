"""Thresholds: met only by enough of the right data, shown in the unit of the user."""

from typing import Any

import pytest

from gate.model import Finding, Metric, MetricKind, Proportion, Series, Severity, Status, Tally
from tests.evidences import distribution, evidence, found, judged, metric, suite, threshold


def one_threshold(
    text: str,
    data: Any,
    *,
    unit: str = "s",
    kind: MetricKind = MetricKind.HISTOGRAM,
    unfit: str | None = None,
    beside: tuple[Metric, ...] = (),
    **more: Any,
) -> Finding:
    declared = suite(thresholds=(threshold("m", text, **more),))
    result = judged(declared, evidence(declared, metrics=(metric("m", data, unit, kind), *beside)), unfit=unfit)
    (name,) = (f.id.removeprefix("s/") for f in result.findings if "/threshold/" in f.id)
    return found(result, name)


COUNTER, RATIO, GAUGE = MetricKind.COUNTER, MetricKind.RATIO, MetricKind.GAUGE
LINE = Series(times_s=tuple(map(float, range(100))), values=tuple(float(n) for n in range(100)))
FLAT = Series(times_s=tuple(map(float, range(100))), values=(5.0,) * 100)


@pytest.mark.parametrize(
    ("text", "data", "more", "status"),
    [
        ("p50 < 10 ms", distribution(*[0.009] * 5), {}, Status.PASS),
        ("p50 < 10 ms", distribution(*[0.009] * 4), {}, Status.INSUFFICIENT),
        ("p50 < 10 ms", distribution(*[0.011] * 5), {}, Status.FAIL),
        ("p50 < 10 ms", distribution(*[0.011] * 4), {}, Status.FAIL),
        ("p50 < 10 ms", distribution(), {}, Status.INSUFFICIENT),
        ("p50 < 10 ms", distribution(*[0.001] * 99), {"min_samples": 100}, Status.INSUFFICIENT),
        ("p95 < 10 ms", distribution(*[0.001] * 58), {}, Status.INSUFFICIENT),
        ("p95 < 10 ms", distribution(*[0.001] * 59), {}, Status.PASS),
        ("p95 < 10 ms", distribution(*[0.001] * 58, 1.0), {}, Status.PASS),
        ("p95 < 10 ms", distribution(*[0.001] * 56, 1.0, 1.0, 1.0), {}, Status.FAIL),
        ("max < 10 ms", distribution(0.01), {}, Status.FAIL),
        ("max <= 10 ms", distribution(0.01), {}, Status.PASS),
        ("mean < 10 ms", distribution(0.001, 0.0185), {}, Status.PASS),
        ("min > 10 ms", distribution(0.001), {}, Status.FAIL),
        ("count >= 3", distribution(1.0, 2.0), {}, Status.FAIL),
        ("rate > 1 /s", distribution(1.0, 2.0), {}, Status.PASS),
        ("rate > 1 /s", distribution(1.0, 2.0, span_s=0.0), {}, Status.INSUFFICIENT),
        ("total == 0", Tally(total=0.0, updates=1, span_s=1.0), {"kind": COUNTER, "unit": "1"}, Status.PASS),
        ("total == 0", Tally(total=1.0, updates=1, span_s=1.0), {"kind": COUNTER, "unit": "1"}, Status.FAIL),
        ("rate > 100 /s", Tally(total=99.0, updates=1, span_s=1.0), {"kind": COUNTER, "unit": "1"}, Status.FAIL),
        ("ratio > 70 %", Proportion(hits=71, misses=29), {"kind": RATIO, "unit": "1"}, Status.PASS),
        ("ratio > 70 %", Proportion(hits=70, misses=30), {"kind": RATIO, "unit": "1"}, Status.FAIL),
        ("ratio > 70 %", Proportion(hits=0, misses=0), {"kind": RATIO, "unit": "1"}, Status.INSUFFICIENT),
        ("last == 99", LINE, {"kind": GAUGE, "unit": ""}, Status.PASS),
        ("max < 99", LINE, {"kind": GAUGE, "unit": ""}, Status.FAIL),
        ("mean < 50", LINE, {"kind": GAUGE, "unit": ""}, Status.PASS),
        ("growth < 50", LINE, {"kind": GAUGE, "unit": ""}, Status.FAIL),
        ("growth < 50", FLAT, {"kind": GAUGE, "unit": ""}, Status.PASS),
        ("slope < 0.5 /s", LINE, {"kind": GAUGE, "unit": ""}, Status.FAIL),
        ("slope < 0.5 /s", Series(times_s=(0.0,), values=(1.0,)), {"kind": GAUGE, "unit": ""}, Status.INSUFFICIENT),
        ("plateau < 1", FLAT, {"kind": GAUGE, "unit": ""}, Status.PASS),
        ("plateau < 1", LINE, {"kind": GAUGE, "unit": ""}, Status.FAIL),
        ("p95 < 1 s", Tally(total=0.0, updates=1, span_s=1.0), {"kind": COUNTER, "unit": "1"}, Status.ERROR),
        ("p50 < 10 ms", distribution(*[1.0] * 9), {"unit": "B"}, Status.ERROR),
        ("p50 < 10 ms", distribution(*[0.1] * 9), {"unit": ""}, Status.ERROR),
        ("p50 < 10", distribution(*[0.1] * 9), {"unit": "s"}, Status.ERROR),
        ("p95 <= baseline + 10%", distribution(*[0.001] * 100), {}, Status.MISSING),
    ],
)
def test_a_threshold_is_met_only_by_enough_of_the_right_data(
    text: str, data: Any, more: dict[str, Any], status: Status
) -> None:
    assert one_threshold(text, data, **more).status is status


def test_a_metric_that_nothing_recorded_is_missing() -> None:
    result = judged(seen=evidence(metrics=()))
    assert found(result, "threshold/latency.p50").status is Status.MISSING
    assert result.status is Status.MISSING


def test_a_narrowed_suite_shows_what_it_did_not_measure_without_blocking() -> None:
    result = judged(seen=evidence(metrics=()), keyword="x")
    finding = found(result, "threshold/latency.p50")
    assert (finding.status, finding.severity) == (Status.MISSING, Severity.INFO)
    assert result.status is Status.PASS


def test_time_that_fails_on_an_unfit_machine_is_unfit_and_a_pass_there_stands() -> None:
    slow, fast = distribution(*[0.011] * 9), distribution(*[0.009] * 9)
    assert one_threshold("p50 < 10 ms", slow, unfit="steal").status is Status.UNFIT
    assert one_threshold("p50 < 10 ms", fast, unfit="steal").status is Status.PASS


def test_a_limit_missed_five_times_over_fails_on_any_machine() -> None:
    for observed, status in ((0.0499, Status.UNFIT), (0.05, Status.FAIL)):
        assert one_threshold("p50 < 10 ms", distribution(*[observed] * 9), unfit="steal").status is status
    for count, status in ((21.0, Status.UNFIT), (20.0, Status.FAIL)):
        slow = Tally(total=count, updates=1, span_s=1.0)
        assert one_threshold("rate > 100 /s", slow, kind=COUNTER, unit="1", unfit="steal").status is status


def test_an_unfit_machine_excuses_nothing_but_time() -> None:
    lost = Tally(total=1.0, updates=1, span_s=1.0)
    assert one_threshold("total == 0", lost, kind=COUNTER, unit="1", unfit="steal").status is Status.FAIL


SLOW = distribution(*[0.011] * 9)


@pytest.mark.parametrize(
    ("text", "data", "lags", "status"),
    [
        ("p50 < 10 ms", SLOW, [0.0025] * 9, Status.FAIL),  # a quarter of the limit is small
        ("p50 < 10 ms", SLOW, [0.00251] * 9, Status.UNFIT),
        ("p50 < 10 ms", SLOW, [0.001] * 5 + [9.0] * 4, Status.FAIL),  # the same statistic of both
        ("max < 10 ms", SLOW, [0.001] * 8 + [9.0], Status.UNFIT),
        ("mean <= 10 ms", SLOW, [0.003] * 9, Status.UNFIT),
        ("p50 < 10 ms", SLOW, [], Status.FAIL),
        ("p50 < 12 ms", SLOW, [9.0] * 9, Status.PASS),  # a pass stands, late as it may have been sent
        ("p50 < 10 ms", distribution(*[0.0531] * 9), [0.003] * 9, Status.FAIL),  # bad beyond what lag explains
        ("p50 < 10 ms", distribution(*[0.0529] * 9), [0.003] * 9, Status.UNFIT),
        ("p50 > 20 ms", SLOW, [0.006] * 9, Status.FAIL),  # lag makes nothing faster
        ("rate < 2/s", SLOW, [9.0] * 9, Status.FAIL),
        ("count > 10", SLOW, [9.0] * 9, Status.FAIL),
    ],
)
def test_a_latency_fails_only_if_the_generator_of_the_load_kept_up(
    text: str, data: Any, lags: list[float], status: Status
) -> None:
    assert one_threshold(text, data, beside=(metric("m_lag", distribution(*lags)),)).status is status


def test_lag_that_is_no_time_or_of_another_metric_excuses_nothing() -> None:
    others = (
        metric("m_lag", distribution(*[9.0] * 9), unit="B"),
        metric("m_lag", Tally(total=9.0, updates=1, span_s=1.0), "1", COUNTER),
        metric("n_lag", distribution(*[9.0] * 9)),
    )
    for other in others:
        assert one_threshold("p50 < 10 ms", SLOW, beside=(other,)).status is Status.FAIL


def test_an_unfit_generator_is_named_with_its_lag() -> None:
    finding = one_threshold("p50 < 10 ms", SLOW, beside=(metric("m_lag", distribution(*[0.004] * 9)),))
    assert finding.reason.endswith("the generator of the load lagged behind itself: p50 of m_lag is 4 ms")


def test_numbers_are_shown_in_the_unit_of_the_user() -> None:
    declared = suite(thresholds=(threshold("latency", "p50 < 10 ms"),))
    (shown,) = judged(declared).thresholds
    assert (shown.limit, shown.observed, shown.unit, shown.samples) == (10.0, 1.0, "ms", 100)
    assert shown.margin == pytest.approx(0.9)
