"""Metrics of tests that know nothing of `gate`: JUnit properties and the JSON of pytest-benchmark.

Owns which of them become metrics: those whose name a threshold asks for, and nothing else, because a property may hold
anything. Each value is one sample of a histogram, in the unit it is written with. A value that is asked for and is not
a plain decimal number breaks a check; it is never guessed. Only data of passed tests count, as with recorded metrics.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gate.evidence.merge import distribution
from gate.evidence.metric_records import HUGE, Samples
from gate.model import Check, Metric, MetricKind, Status
from gate.units import UNITS, parse_limit

CHECKS: Final = ("metrics/properties", "metrics/benchmarks")
_NOT_A_NAME: Final = re.compile(r"[^a-z0-9]+")
_SHOWN: Final = 5
_LONGEST: Final = 64

Limits = Mapping[str, Collection[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignReading:
    """The metrics that were found, by name, and one check."""

    metrics: tuple[Metric, ...]
    check: Check


def read_properties(
    properties: Iterable[tuple[str, str, str]], passed: Mapping[str, int], limits: Limits
) -> ForeignReading:
    """Metrics from (test id, name, value as text, e.g. `12.5 ms`). `limits` names the metrics asked for."""
    found: dict[tuple[str, str], list[float]] = {}
    reasons = []
    for test, name, text in properties:
        metric = name if name in limits else metric_name(name)
        if metric not in limits or passed.get(test) != 1:
            continue
        try:
            value, base = _measure(text)
        except ValueError as error:
            reasons.append(f"{test}: property {name!r}: {error}")
            continue
        found.setdefault((metric, base), []).append(value)
    return _reading("metrics/properties", found, limits, reasons)


def read_benchmark(data: bytes, passed: Mapping[str, int], limits: Limits) -> ForeignReading:
    """Metrics from the JSON of `pytest --benchmark-json` with `--benchmark-save-data`, one per benchmark asked for."""
    found: dict[tuple[str, str], list[float]] = {}
    reasons = []
    try:
        benchmarks = json.loads(data, parse_constant=_refuse)["benchmarks"]
        for benchmark in benchmarks:
            metric = metric_name(str(benchmark["name"]))
            if metric in limits and passed.get(str(benchmark["fullname"])) == 1:
                samples = [_sample(value) for value in benchmark["stats"]["data"]]
                found.setdefault((metric, "s"), []).extend(samples)
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        reasons.append(f"the benchmarks cannot be read, or lack their data ({type(error).__name__}: {error})"[:500])
    return _reading("metrics/benchmarks", found, limits, reasons)


def metric_name(name: str) -> str:
    """The name by which a threshold asks for `name`: `test_decode[big JSON]` is `test_decode_big_json`."""
    return _NOT_A_NAME.sub("_", name.lower()).strip("_")[:_LONGEST]


def _measure(text: str) -> tuple[float, str]:
    value, unit = parse_limit(text)
    if unit.base not in ("s", "B", "1") or value < 0:
        raise ValueError(f"{text[:_LONGEST]!r} is no measured time, size or number of at least 0")
    return value, unit.base if unit is not UNITS[""] else ""


def _sample(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < HUGE:
        raise ValueError(f"{str(value)[:_LONGEST]} is no duration")
    return float(value)


def _reading(
    check: str, found: Mapping[tuple[str, str], list[float]], limits: Limits, reasons: list[str]
) -> ForeignReading:
    units = {name: [unit for known, unit in found if known == name] for name, _ in found}
    reasons += [f"{name} has values in different units" for name, known in units.items() if len(known) > 1]
    metrics = tuple(
        _metric(name, unit, values, limits[name])
        for (name, unit), values in sorted(found.items())
        if len(units[name]) == 1
    )
    status = Status.ERROR if reasons else Status.PASS
    reason = "; ".join(reasons[:_SHOWN]) + (f" and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else "")
    return ForeignReading(metrics=metrics, check=Check(name=check, rule="R13", status=status, reason=reason))


def _metric(name: str, unit: str, values: list[float], limits: Collection[float]) -> Metric:
    part = Samples(count=len(values), total=sum(values), minimum=min(values), maximum=max(values), values=values)
    data = distribution([part], tuple(limits), 0.0)
    return Metric(name=name, kind=MetricKind.HISTOGRAM, unit=unit, data=data)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a number")
