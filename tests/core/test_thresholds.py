"""The grammar, the units, the rules of fit and the comparison of thresholds."""

import math
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.model import MetricKind, Op, Threshold
from gate.thresholds import (
    RESOURCE_METRICS,
    Parsed,
    compare,
    kinds_of,
    margin,
    metric_problem,
    minimum_samples,
    parse,
    quantile_of,
    stats_of,
    to_text,
    unit_problem,
)
from gate.units import UNITS, parse_limit, write_limit


def declared(parsed: Parsed) -> Threshold:
    return Threshold(
        metric="m",
        stat=parsed.stat,
        op=parsed.op,
        limit=parsed.limit,
        unit=parsed.unit,
        scale=parsed.scale,
        source=parsed.source,
        key=f"m.{parsed.stat}",
        relative=parsed.relative,
    )


@pytest.mark.parametrize(
    ("text", "stat", "op", "limit", "unit"),
    [
        ("p95 < 50 ms", "p95", "<", 0.05, "ms"),
        ("p95<50ms", "p95", "<", 0.05, "ms"),
        ("  p99.9   <=  1e3   us  ", "p99.9", "<=", 0.001, "us"),
        ("p0 > 1 ns", "p0", ">", 1e-9, "ns"),
        ("p100 <= 2 min", "p100", "<=", 120.0, "min"),
        ("mean < 1.5 h", "mean", "<", 5400.0, "h"),
        ("total == 0", "total", "==", 0.0, ""),
        ("total == -0", "total", "==", 0.0, ""),
        ("last > -3", "last", ">", -3.0, ""),
        ("count >= +10", "count", ">=", 10.0, ""),
        ("ratio > 70 %", "ratio", ">", 0.7, "%"),
        ("ratio > 0.7", "ratio", ">", 0.7, ""),
        ("rate > 500 /s", "rate", ">", 500.0, "/s"),
        ("rate < 1/h", "rate", "<", 1 / 3600, "/h"),
        ("growth < 50 MB", "growth", "<", 50e6, "MB"),
        ("max < 2 GiB", "max", "<", float(2 * 2**30), "GiB"),
        ("slope < 5 MB/h", "slope", "<", 5e6 / 3600, "MB/h"),
        ("slope < 6 /min", "slope", "<", 0.1, "/min"),
        ("plateau < 80 %", "plateau", "<", 0.8, "%"),
    ],
)
def test_a_threshold_is_read_into_its_base_unit(text: str, stat: str, op: str, limit: float, unit: str) -> None:
    parsed = parse(text)
    assert (parsed.stat, parsed.op.value, parsed.limit, parsed.unit) == (stat, op, limit, unit)
    assert parsed.relative is None
    assert parsed.source == text


@pytest.mark.parametrize(
    ("text", "relative"),
    [
        ("p95 <= baseline + 10%", 0.1),
        ("p95 <= baseline+10 %", 0.1),
        ("rate >= baseline - 5%", -0.05),
        ("p95 < baseline", 0.0),
        ("p95 < baseline - 0%", 0.0),
    ],
)
def test_a_relative_threshold_has_a_share_and_no_limit(text: str, relative: float) -> None:
    parsed = parse(text)
    assert (parsed.limit, parsed.relative, parsed.unit, parsed.scale) == (None, relative, "", 1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no statistic"),
        ("< 5", "no statistic"),
        ("p95", "found nothing after p95"),
        ("p95 <", "found nothing where a number"),
        ("p95 50 ms", "found nothing after p95"),
        ("p95 =< 5", "did you mean '<='"),
        ("p95 => 5", "did you mean '>='"),
        ("p95 = 5", "did you mean '=='"),
        ("p95 ≤ 5", "did you mean '<='"),
        ("p95 != 5", "allowed are < <= > >= =="),
        ("p95 <> 5", "allowed are < <= > >= =="),
        ("p101 < 5", "not a quantile"),
        ("p99. < 5", "not a quantile"),
        ("p099 < 5", "not a quantile"),
        ("p99.90 < 5", "not a quantile"),
        ("p100.5 < 5", "not a quantile"),
        ("p-1 < 5", "unknown statistic"),
        ("p < 5", "unknown statistic"),
        ("P95 < 5", "did you mean p95"),
        ("maxx < 5", "did you mean max"),
        ("avg < 5", "did you mean mean"),
        ("ratoi < 5 %", "did you mean ratio"),
        ("p95 < nan", "a number should stand"),
        ("p95 < inf", "a number should stand"),
        ("p95 < -inf", "a number should stand"),
        ("p95 < .5", "a number should stand"),
        ("p95 < 5.", "a number should stand"),
        ("p95 < 1_000", "a number should stand"),
        ("p95 < 1,000", "a number should stand"),
        ("p95 < 1 000", "a number should stand"),
        ("p95 < 1.2.3", "a number should stand"),
        ("p95 < --5", "a number should stand"),
        ("p95 < 0x10", "unknown unit"),
        ("p95 < ٥", "a number should stand"),
        ("p95 < 1e999", "out of range"),
        ("p95 < 1e-999", "out of range"),
        ("p95 < 1e99999999999", "a number should stand"),
        ("p95 < 5 sec", "did you mean s?"),
        ("p95 < 5 mb", "did you mean MB"),
        ("p95 < 5 Ms", "did you mean ms"),
        ("p95 < 5 µs", "did you mean us"),
        ("p95 < 5 parsecs", "unknown unit"),
        ("p95 < 5 ms 3", "unknown unit"),
        ("p95 < 5 < 6", "unknown unit"),
        ("p95 < baseline + 10", "not a baseline"),
        ("p95 < baseline * 2", "not a baseline"),
        ("p95 < baseline + x%", "not a baseline"),
        ("p95 < baseline - 100%", "leaves nothing"),
        ("p95 == baseline", "does not go with a baseline"),
        ("ratio > 70", "between 0 and 100 %"),
        ("ratio < 101 %", "between 0 and 100 %"),
        ("ratio > -1 %", "between 0 and 100 %"),
        ("p95 < 5" + " " * 300, "at most 200 characters"),
    ],
)
def test_a_wrong_threshold_is_refused_with_the_word_and_what_is_allowed(text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the words are checked below
        parse(text)
    assert words in str(caught.value)


@given(st.text())
def test_any_text_is_parsed_or_refused_with_a_value_error(text: str) -> None:
    try:
        parsed = parse(text)
    except ValueError:
        return
    assert (parsed.limit is None) != (parsed.relative is None)


STATS = st.sampled_from(["count", "min", "mean", "max", "rate", "total", "last", "growth", "slope", "p50", "p99.9"])
LIMITS = st.floats(min_value=-1e50, max_value=1e50).filter(lambda x: x == 0 or abs(x) > 1e-50)


@given(stat=STATS, op=st.sampled_from(Op), limit=LIMITS, unit=st.sampled_from(sorted(UNITS)))
def test_writing_and_reading_a_threshold_gives_the_same_bits(stat: str, op: Op, limit: float, unit: str) -> None:
    threshold = Threshold(
        metric="m", stat=stat, op=op, limit=limit, unit=unit, scale=UNITS[unit].scale, source="", key=""
    )
    parsed = parse(to_text(threshold))
    assert (parsed.stat, parsed.op, parsed.limit, parsed.unit) == (stat, op, limit, unit)


@given(st.floats(min_value=-0.99, max_value=100).filter(lambda x: x == 0 or abs(x) > 1e-50))
def test_writing_and_reading_a_relative_threshold_gives_the_same_share(relative: float) -> None:
    threshold = Threshold(
        metric="m", stat="p95", op=Op.LE, limit=None, unit="", scale=1.0, source="", key="", relative=relative
    )
    assert parse(to_text(threshold)).relative == relative


@pytest.mark.parametrize(
    "text",
    ["p95 < 50 ms", "total == 0", "ratio > 70 %", "slope < 5 MB/h", "p95 <= baseline + 10%", "p95 <= baseline"],
)
def test_a_canonical_text_is_its_own_writing(text: str) -> None:
    assert to_text(declared(parse(text))) == text


@given(st.integers(min_value=1, max_value=10**15), st.sampled_from(sorted(UNITS)))
def test_a_limit_is_the_exact_product_rounded_once(number: int, unit: str) -> None:
    value, found = parse_limit(f"{number} {unit}")
    assert value == float(Fraction(number) * found.num / found.den)
    assert parse_limit(write_limit(value, found) + unit)[0] == value


@pytest.mark.parametrize(
    ("unit", "base"), [("ms", "s"), ("MiB", "B"), ("%", "1"), ("", "1"), ("/min", "1/s"), ("MB/h", "B/s")]
)
def test_a_unit_tells_its_base(unit: str, base: str) -> None:
    assert UNITS[unit].base == base


@pytest.mark.parametrize(
    ("metric", "stat", "unit", "fits"),
    [
        ("lat", "p95", "ms", True),
        ("lat", "p95", "", True),
        ("size", "max", "MB", True),
        ("depth", "mean", "%", True),
        ("lat", "p95", "/s", False),
        ("lat", "p95", "MB/h", False),
        ("ticks", "rate", "/s", True),
        ("ticks", "rate", "/h", True),
        ("ticks", "rate", "", True),
        ("ticks", "rate", "ms", False),
        ("ticks", "rate", "%", False),
        ("ticks", "count", "", True),
        ("ticks", "count", "ms", False),
        ("bytes", "total", "MB", True),
        ("bytes", "total", "", True),
        ("bytes", "total", "s", False),
        ("hits", "ratio", "%", True),
        ("hits", "ratio", "", True),
        ("hits", "ratio", "ms", False),
        ("heap", "slope", "MB/h", True),
        ("heap", "slope", "/h", True),
        ("heap", "slope", "MB", False),
        ("process.rss", "growth", "MB", True),
        ("process.rss", "growth", "", False),
        ("process.rss", "growth", "%", False),
        ("process.rss", "max", "ms", False),
        ("process.rss", "slope", "MB/h", True),
        ("process.rss", "slope", "/h", False),
        ("process.pss", "max", "GiB", True),
        ("process.cpu", "mean", "%", True),
        ("process.cpu", "mean", "", True),
        ("process.cpu", "mean", "MB", False),
        ("process.fds", "growth", "", True),
        ("process.fds", "growth", "MB", False),
        ("process.threads", "slope", "/h", True),
        ("process.processes", "max", "%", False),
    ],
)
def test_a_unit_must_fit_its_statistic(metric: str, stat: str, unit: str, fits: bool) -> None:
    problem = unit_problem(metric, stat, unit)
    assert (problem is None) == fits
    assert fits or f"{stat} of {metric} wants" in str(problem)


@pytest.mark.parametrize(
    ("metric", "stats", "words"),
    [
        ("lat", ["p95", "rate", "count", "max"], None),
        ("ticks", ["total", "rate"], None),
        ("depth", ["last", "max", "slope", "plateau"], None),
        ("lat", ["p95", "ratio"], "a metric has one kind"),
        ("ticks", ["total", "p50"], "a metric has one kind"),
        ("ticks", ["rate", "growth"], "a metric has one kind"),
        ("lat", ["min", "p50", "last"], "a metric has one kind"),
        ("process.rss", ["max", "growth"], None),
        ("process.rss", ["p95"], "has no p95"),
        ("process.cpu", ["rate"], "has no rate"),
        ("process.rs", ["max"], "did you mean process.rss"),
    ],
)
def test_a_metric_has_one_kind(metric: str, stats: list[str], words: str | None) -> None:
    problem = metric_problem(metric, stats)
    assert problem is None if words is None else words in str(problem)


@pytest.mark.parametrize("kind", MetricKind)
def test_every_statistic_of_a_kind_belongs_to_that_kind(kind: MetricKind) -> None:
    for stat in stats_of(kind):
        assert kind in kinds_of("p50" if "…" in stat else stat)


def test_quantiles_belong_to_histograms_alone_and_unknown_words_to_nothing() -> None:
    assert kinds_of("p99.9") == {MetricKind.HISTOGRAM}
    assert kinds_of("p101") == kinds_of("median") == frozenset()


def test_the_resources_that_gate_samples_are_all_known() -> None:
    assert set(RESOURCE_METRICS) == {f"process.{name}" for name in ("rss", "pss", "cpu", "fds", "threads", "processes")}


@pytest.mark.parametrize(
    ("stat", "least"),
    [("p50", 5), ("p90", 29), ("p95", 59), ("p99", 299), ("p99.9", 2995)]
    + [(stat, 1) for stat in ("p0", "p100", "min", "max", "mean", "count", "total", "rate", "ratio")],
)
def test_a_quantile_needs_enough_samples(stat: str, least: int) -> None:
    assert minimum_samples(stat) == least


@given(st.integers(min_value=1, max_value=9999))
def test_with_enough_samples_one_lies_above_the_quantile_nineteen_times_in_twenty(tenth: int) -> None:
    stat = f"p{tenth // 100}" + (f".{tenth % 100:02}".rstrip("0") if tenth % 100 else "")
    quantile, least = quantile_of(stat), minimum_samples(stat)
    assert quantile is not None
    assert quantile**least <= 0.05 * (1 + 1e-9)
    assert least == 1 or quantile ** (least - 1) > 0.05 * (1 - 1e-9)


@pytest.mark.parametrize(
    ("stat", "quantile"), [("p0", 0.0), ("p50", 0.5), ("p99.9", 0.999), ("p100", 1.0), ("max", None), ("p101", None)]
)
def test_a_quantile_knows_its_share(stat: str, quantile: float | None) -> None:
    assert quantile_of(stat) == quantile


@pytest.mark.parametrize(
    ("op", "below", "equal", "above"),
    [
        (Op.LT, True, False, False),
        (Op.LE, True, True, False),
        (Op.GT, False, False, True),
        (Op.GE, False, True, True),
        (Op.EQ, False, True, False),
    ],
)
def test_an_operator_compares_observed_with_limit(op: Op, below: bool, equal: bool, above: bool) -> None:
    assert [compare(op, observed, 5.0) for observed in (4.0, 5.0, 6.0)] == [below, equal, above]
    assert not compare(op, math.nan, 5.0)


@pytest.mark.parametrize(
    ("op", "observed", "limit", "expected"),
    [
        (Op.LT, 40.0, 50.0, 0.2),
        (Op.LE, 60.0, 50.0, -0.2),
        (Op.GT, 60.0, 50.0, 0.2),
        (Op.GE, 40.0, 50.0, -0.2),
        (Op.LT, -60.0, -50.0, 0.2),
        (Op.EQ, 50.0, 50.0, 0.0),
        (Op.EQ, 40.0, 50.0, -0.2),
        (Op.EQ, 60.0, 50.0, -0.2),
        (Op.EQ, 0.0, 0.0, 0.0),
        (Op.EQ, 1.0, 0.0, None),
        (Op.LT, 1.0, 0.0, None),
        (Op.GT, 1.0, 0.0, None),
        (Op.LT, math.inf, 5.0, None),
    ],
)
def test_the_margin_is_the_share_of_the_limit_that_is_left(
    op: Op, observed: float, limit: float, expected: float | None
) -> None:
    assert margin(op, observed, limit) == (None if expected is None else pytest.approx(expected))


@given(op=st.sampled_from(Op), observed=st.floats(-1e9, 1e9), limit=st.floats(-1e9, 1e9))
def test_a_negative_margin_means_a_breach_and_a_positive_one_means_met(op: Op, observed: float, limit: float) -> None:
    distance = margin(op, observed, limit)
    if distance is not None and distance != 0:
        assert (distance > 0) == compare(op, observed, limit)


def test_importing_thresholds_does_not_import_the_manifest_reader() -> None:
    code = "import sys, gate.thresholds; print(sorted({'pydantic', 'yaml'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
