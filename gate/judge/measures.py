"""Thresholds: declared limits against recorded metrics → `ThresholdResult`s.

Promises that a PASS rests on data of the right kind and unit, in sufficient number, recorded by passed tests of this
run. A breach that is proven fails even where the samples would be too few to pass; an absolute limit on time that fails
on a machine that was unfit to measure is UNFIT, since only a pass on such a machine says something. So is one that
fails under load whose generator lagged behind.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from gate import stats, thresholds
from gate.model import (
    Distribution,
    Evidence,
    Finding,
    Metric,
    Op,
    PlannedSuite,
    Proportion,
    Series,
    Severity,
    Status,
    Tally,
    Threshold,
    ThresholdResult,
)
from gate.units import SIZE, SIZE_PER_TIME, TIME, TIME_PER_TIME, UNITS

# A busy or throttled machine slows work by the share it takes away. Five times the limit is not that; it is a failure,
# and calling it unfit would let a broken release hide behind a busy machine.
_BEYOND_NOISE: Final = 5.0
# Under load, `<metric>_lag` tells how late the generator itself sent. Up to this share of the limit it is small.
_LAG: Final = "_lag"
_SMALL_LAG: Final = 0.25
_BASE_UNITS: Final = {TIME: "s", TIME_PER_TIME: "s", SIZE: "B", SIZE_PER_TIME: "B"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """One statistic as seen, in base units, and whether it meets the limit (None: cannot be told)."""

    observed: float | None
    samples: int
    met: bool | None
    reason: str = ""
    low: float | None = None
    high: float | None = None


def judge_thresholds(planned: PlannedSuite, evidence: Evidence, *, unfit: str | None) -> tuple[ThresholdResult, ...]:
    """One result per declared threshold of the suite, in declared order."""
    metrics = {metric.name: metric for metric in evidence.metrics}
    return tuple(_judge(planned, threshold, metrics, unfit) for threshold in planned.suite.thresholds)


def as_finding(result: ThresholdResult) -> Finding:
    """The finding that a threshold's result amounts to."""
    unit = f" {result.unit}" if result.unit else ""
    return Finding(
        id=result.id,
        status=result.status,
        severity=result.severity,
        reason=result.reason,
        observed=None if result.observed is None else f"{result.observed:.6g}{unit}",
        expected=result.source,
        margin=result.margin,
        samples=result.samples,
        rule="R12",
    )


def _judge(
    planned: PlannedSuite, threshold: Threshold, metrics: Mapping[str, Metric], unfit: str | None
) -> ThresholdResult:
    metric = metrics.get(threshold.metric)
    if metric is None:
        return _absent(planned, threshold)
    misfit = _misfit(threshold, metric)
    if misfit:
        return _result(planned, threshold, None, Status.ERROR, misfit)
    if threshold.limit is None:
        return _result(planned, threshold, None, Status.MISSING, "there is no baseline to compare with")
    measured = _measure(threshold, threshold.limit, metric)
    status, reason = _status(threshold, measured)
    if status is Status.FAIL and _about_time(threshold):
        excuse = _busy(threshold, measured, unfit) or _lagging(threshold, measured, metrics.get(metric.name + _LAG))
        status, reason = (Status.UNFIT, f"{reason}, but {excuse}") if excuse else (status, reason)
    return _result(planned, threshold, measured, status, reason)


def _busy(threshold: Threshold, measured: _Measured, unfit: str | None) -> str:
    """Why the machine may be to blame for a missed limit; "" when it is not."""
    if not unfit or _beyond_noise(threshold, measured.observed):
        return ""
    return f"the machine was unfit to measure: {unfit}"


def _lagging(threshold: Threshold, measured: _Measured, lag: Metric | None) -> str:
    """Why the generator of the load may be to blame for a missed limit; "" when it is not.

    The same statistic of its lag is held against the limit. What remains of the latency without it may still be so bad
    that nothing excuses it.
    """
    if lag is None or not isinstance(lag.data, Distribution) or _misfit(threshold, lag) or threshold.stat == "rate":
        return ""
    if not threshold.limit or measured.observed is None or threshold.op not in (Op.LT, Op.LE):
        return ""
    behind = _measure(threshold, threshold.limit, lag).observed or 0.0
    if behind <= _SMALL_LAG * threshold.limit or _beyond_noise(threshold, measured.observed - behind):
        return ""
    shown = f"{behind / threshold.scale:.3g} {threshold.unit}"
    return f"the generator of the load lagged behind itself: {threshold.stat} of {lag.name} is {shown}"


def _absent(planned: PlannedSuite, threshold: Threshold) -> ThresholdResult:
    result = _result(planned, threshold, None, Status.MISSING, f"no passed test recorded {threshold.metric}")
    if not planned.narrowed:
        return result
    # What measures it may not have been selected. It is shown as missing, and the partial scope keeps this run from
    # being a release decision; holding it against the selected tests would make every narrowed run inconclusive.
    return replace(result, severity=Severity.INFO, reason="not recorded by the selected tests")


def _misfit(threshold: Threshold, metric: Metric) -> str:
    if metric.kind not in thresholds.kinds_of(threshold.stat):
        allowed = " ".join(thresholds.stats_of(metric.kind))
        return f"{metric.name} was recorded as a {metric.kind}, which has no {threshold.stat}; it has {allowed}"
    # Rates, ratios and counts of samples do not carry the metric's own unit.
    unitless = threshold.limit is None or threshold.stat in ("rate", "ratio", "count")
    if unitless or threshold.metric in thresholds.RESOURCE_METRICS:
        return ""
    wanted = _BASE_UNITS.get(UNITS[threshold.unit].dimension, "")
    recorded = metric.unit if metric.unit in ("s", "B") else ""
    if recorded != wanted:
        return f"{metric.name} was recorded in {metric.unit or 'no unit'}, the limit is in {threshold.unit or 'none'}"
    return ""


def _about_time(threshold: Threshold) -> bool:
    return threshold.stat == "rate" or UNITS[threshold.unit].dimension == TIME


def _needed(threshold: Threshold) -> int:
    return max(threshold.min_samples or 0, thresholds.minimum_samples(threshold.stat))


def _beyond_noise(threshold: Threshold, observed: float | None) -> bool:
    """Whether a limit is missed by so much that no machine still able to run the suite explains it."""
    if observed is None or not threshold.limit:
        return False
    ratio = observed / threshold.limit
    return ratio >= _BEYOND_NOISE if threshold.op in (Op.LT, Op.LE) else ratio <= 1 / _BEYOND_NOISE


def _status(threshold: Threshold, measured: _Measured) -> tuple[Status, str]:
    if measured.met is None:
        return Status.INSUFFICIENT, measured.reason
    if not measured.met:
        return Status.FAIL, measured.reason or "breached"
    needed = _needed(threshold)
    if measured.samples < needed:
        return Status.INSUFFICIENT, f"{measured.samples} samples, at least {needed} are asked for"
    return Status.PASS, measured.reason or "met"


def _result(
    planned: PlannedSuite, threshold: Threshold, measured: _Measured | None, status: Status, reason: str
) -> ThresholdResult:
    scale = threshold.scale
    observed = measured.observed if measured else None
    margin = (
        None
        if observed is None or threshold.limit is None
        else thresholds.margin(threshold.op, observed, threshold.limit)
    )
    return ThresholdResult(
        id=f"{planned.suite.name}/threshold/{threshold.key}",
        metric=threshold.metric,
        stat=threshold.stat,
        op=threshold.op,
        limit=None if threshold.limit is None else threshold.limit / scale,
        unit=threshold.unit,
        observed=None if observed is None else observed / scale,
        margin=margin,
        samples=measured.samples if measured else None,
        status=status,
        severity=threshold.severity,
        source=threshold.source,
        reason=reason,
        low=None if measured is None or measured.low is None else measured.low / scale,
        high=None if measured is None or measured.high is None else measured.high / scale,
        scale=scale,
    )


# ---- measuring --------------------------------------------------------------------------------------------------


def _measure(threshold: Threshold, limit: float, metric: Metric) -> _Measured:
    match metric.data:
        case Distribution() as data:
            return _distribution(threshold, limit, data)
        case Tally() as data:
            return _tally(threshold, limit, data)
        case Proportion() as data:
            return _proportion(threshold, limit, data)
        case Series() as data:
            return _series(threshold, limit, data)


def _plain(threshold: Threshold, limit: float, observed: float, samples: int) -> _Measured:
    return _Measured(observed=observed, samples=samples, met=thresholds.compare(threshold.op, observed, limit))


def _unknown(samples: int, reason: str) -> _Measured:
    return _Measured(observed=None, samples=samples, met=None, reason=reason)


def _rate(threshold: Threshold, limit: float, amount: float, samples: int, span_s: float) -> _Measured:
    rate = stats.rate(amount, span_s)
    if rate is None:
        return _unknown(samples, "a rate needs a time span, and none was measured")
    return _plain(threshold, limit, rate, samples)


def _distribution(threshold: Threshold, limit: float, data: Distribution) -> _Measured:
    if threshold.stat == "count":
        return _plain(threshold, limit, data.count, data.count)
    if threshold.stat == "rate":
        return _rate(threshold, limit, data.count, data.count, data.span_s)
    mean = stats.mean(data)
    if mean is None:
        return _unknown(0, "no samples")
    quantile = thresholds.quantile_of(threshold.stat)
    if quantile is not None:
        return _quantile(threshold, limit, data, quantile)
    value = {"min": data.minimum, "max": data.maximum, "mean": mean}[threshold.stat]
    return _plain(threshold, limit, value, data.count)


def _quantile(threshold: Threshold, limit: float, data: Distribution, quantile: float) -> _Measured:
    needed = _needed(threshold)
    met: bool | None = None
    reason = "the limit lies inside one bucket of the folded samples, on which side the quantile is cannot be told"
    if stats.proves_breach(data, quantile, threshold.op, limit, needed):
        met, reason = False, ""
    elif data.count < needed:
        reason = f"{data.count} samples, {threshold.stat} needs at least {needed}"
    elif stats.quantile_meets(data, quantile, threshold.op, limit):
        met, reason = True, ""
    interval = stats.quantile_interval(data, quantile)
    return _Measured(
        observed=stats.quantile(data, quantile),
        samples=data.count,
        met=met,
        reason=reason,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
    )


def _tally(threshold: Threshold, limit: float, data: Tally) -> _Measured:
    if threshold.stat == "rate":
        return _rate(threshold, limit, data.total, data.updates, data.span_s)
    return _plain(threshold, limit, data.total, data.updates)


def _proportion(threshold: Threshold, limit: float, data: Proportion) -> _Measured:
    ratio = stats.ratio(data)
    if ratio is None:
        return _unknown(0, "neither hits nor misses")
    return _plain(threshold, limit, ratio, data.hits + data.misses)


def _series(threshold: Threshold, limit: float, data: Series) -> _Measured:
    samples = len(data.values)
    if samples == 0:
        return _unknown(0, "no values")
    if threshold.stat in ("slope", "growth"):
        return _trend(threshold, limit, data)
    if threshold.stat == "plateau":
        plateau = stats.plateau(data)
        return (
            _unknown(samples, "too few values for a plateau")
            if plateau is None
            else _plain(threshold, limit, plateau, samples)
        )
    value = {
        "last": data.values[-1],
        "min": min(data.values),
        "max": max(data.values),
        "mean": math.fsum(data.values) / samples,
    }[threshold.stat]
    return _plain(threshold, limit, value, samples)


def _trend(threshold: Threshold, limit: float, data: Series) -> _Measured:
    trend = stats.trend(data)
    samples = len(data.values)
    bounds = trend.growth(1.0 if threshold.stat == "slope" else stats.span_s(data))
    if bounds is None:
        return _unknown(samples, trend.problem or "no trend can be told")
    middle, low, high = bounds
    measured = _Measured(
        observed=middle,
        samples=samples,
        met=None,
        low=low,
        high=high,
        reason="the interval straddles the limit; run longer",
    )
    ends = {thresholds.compare(threshold.op, low, limit), thresholds.compare(threshold.op, high, limit)}
    if threshold.op is Op.EQ or len(ends) > 1:
        return measured
    return replace(measured, met=ends.pop(), reason="")
