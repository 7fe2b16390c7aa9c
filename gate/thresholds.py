"""Threshold text ⇄ its parsed form, which statistic and unit fit which metric, and the comparison itself.

Owns the grammar below and the rules of fit (units are `gate.units`). Promises that every text is either taken exactly
or refused with what was found, where, and what is allowed; nothing is guessed, and no limit is rounded by its unit.
Leaves to others: the value of a statistic (`gate.stats`) and what a comparison means for the verdict (`gate.judge`).

    threshold = stat op ( number [unit] | "baseline" [ ("+" | "-") number "%" ] )
    stat      = "count" | "min" | "mean" | "max" | "rate" | "total" | "ratio"
              | "last" | "growth" | "slope" | "plateau" | "p" quantile          quantile: 0 to 100, e.g. 99.9
    op        = "<" | "<=" | ">" | ">=" | "=="
    number, unit: see `gate.units`
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gate.errors import clip, did_you_mean
from gate.model import MetricKind, Op, Threshold
from gate.units import (
    FRACTION,
    FRACTION_PER_TIME,
    PER_TIME,
    SIZE,
    SIZE_PER_TIME,
    TIME,
    TIME_PER_TIME,
    UNITS,
    parse_limit,
    write_limit,
)

# The resource metrics that gate samples itself, with the base unit of each ("cores" is a plain number).
RESOURCE_METRICS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "process.rss": "B",
        "process.pss": "B",
        "process.cpu": "cores",
        "process.fds": "1",
        "process.threads": "1",
        "process.processes": "1",
    }
)

_QUANTILES: Final = "p0…p100"
_STATS: Final[Mapping[MetricKind, tuple[str, ...]]] = MappingProxyType(
    {
        MetricKind.HISTOGRAM: ("count", "min", "mean", "max", _QUANTILES, "rate"),
        MetricKind.COUNTER: ("total", "rate"),
        MetricKind.RATIO: ("ratio",),
        MetricKind.GAUGE: ("last", "min", "mean", "max", "growth", "slope", "plateau"),
    }
)
_NAMED_STATS: Final = tuple(dict.fromkeys(stat for stats in _STATS.values() for stat in stats if stat != _QUANTILES))
_OPS: Final = tuple(op.value for op in Op)
_STAT_WORDS: Final = {
    "avg": "mean",
    "average": "mean",
    "median": "p50",
    "sum": "total",
    "minimum": "min",
    "maximum": "max",
}
_OP_TYPOS: Final = {"=<": "<=", "=>": ">=", "=": "==", "===": "==", "≤": "<=", "≥": ">=", "<<": "<", ">>": ">"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The fields of `gate.model.Threshold` that its text gives; `limit` and `scale` as described there."""

    stat: str
    op: Op
    limit: float | None
    unit: str
    scale: float
    relative: float | None
    source: str


_VALUE: Final = ("", TIME, SIZE, FRACTION)
_CHANGE: Final = ("", PER_TIME, SIZE_PER_TIME, TIME_PER_TIME, FRACTION_PER_TIME)
_FITS_STAT: Final[Mapping[str, tuple[str, ...]]] = {
    "count": ("",),
    "total": ("", SIZE),
    "rate": ("", PER_TIME),
    "ratio": ("", FRACTION),
    "slope": _CHANGE,
}
_FITS_RESOURCE: Final[Mapping[str, tuple[str, ...]]] = {"B": (SIZE,), "cores": ("", FRACTION), "1": ("",)}
_FITS_RESOURCE_SLOPE: Final[Mapping[str, tuple[str, ...]]] = {
    "B": (SIZE_PER_TIME,),
    "cores": ("", PER_TIME, FRACTION_PER_TIME),
    "1": ("", PER_TIME),
}
_WANTED: Final = {
    "": "no unit",
    TIME: "a time (ns us ms s min h)",
    SIZE: "a size (B KB MB GB KiB MiB GiB)",
    FRACTION: "%",
    PER_TIME: "/s (or /min /h)",
    SIZE_PER_TIME: "a size per time (MB/h)",
    TIME_PER_TIME: "a time per time (ms/h)",
    FRACTION_PER_TIME: "%/h",
}

_SHAPE: Final = re.compile(r"\s*([^\s<>=!~≤≥]*)\s*([<>=!~≤≥]*)\s*(.*?)\s*", re.DOTALL)
_BASELINE: Final = re.compile(r"baseline(?:\s*([+-])\s*([0-9].*?)\s*%)?")
_QUANTILE: Final = re.compile(r"p((?:0|[1-9][0-9]?)(?:\.[0-9]{0,5}[1-9])?|100)")
_LONGEST: Final = 200
_CONFIDENCE: Final = 0.05


# ---- reading ----------------------------------------------------------------------------------------------------


def parse(source: str) -> Parsed:
    """The parsed form of a threshold's text. Raises ValueError saying what is wrong, at which word, what is allowed."""
    if len(source) > _LONGEST:
        raise ValueError(f"a threshold has at most {_LONGEST} characters, this one has {len(source)}")
    shape = _SHAPE.fullmatch(source)
    stat, op_text, rest = shape.groups() if shape else ("", "", source)
    if not stat:
        raise ValueError(f"no statistic at the start of {source!r}; write e.g. `p95 < 50 ms`")
    _check_stat(stat)
    op = _op(op_text, after=stat)
    if rest.startswith("base"):
        relative = _relative(rest, op)
        return Parsed(stat=stat, op=op, limit=None, unit="", scale=1.0, relative=relative, source=source)
    limit, unit = parse_limit(rest)
    _check_domain(stat, limit, rest)
    return Parsed(stat=stat, op=op, limit=limit, unit=unit.name, scale=unit.scale, relative=None, source=source)


def _check_stat(stat: str) -> None:
    if stat in _NAMED_STATS or _QUANTILE.fullmatch(stat):
        return
    if re.fullmatch(r"p[0-9].*", stat):
        raise ValueError(f"{clip(stat)} is not a quantile; allowed are p0 to p100, with decimals as in p99.9")
    word = _STAT_WORDS.get(stat.lower(), stat)
    meant = did_you_mean(word, (*_NAMED_STATS, "p50", "p90", "p95", "p99"))
    raise ValueError(f"unknown statistic {clip(stat)}{meant}; allowed are {' '.join(_NAMED_STATS)} {_QUANTILES}")


def _op(text: str, *, after: str) -> Op:
    if text in _OPS:
        return Op(text)
    found = f"found {text!r}" if text else "found nothing"
    meant = f"; did you mean {_OP_TYPOS[text]!r}?" if text in _OP_TYPOS else ""
    raise ValueError(f"{found} after {after} where an operator should stand{meant}; allowed are {' '.join(_OPS)}")


def _relative(text: str, op: Op) -> float:
    match = _BASELINE.fullmatch(text)
    if match is None:
        raise ValueError(f"{clip(text)} is not a baseline; allowed are `baseline`, `baseline + 10%`, `baseline - 5%`")
    if op is Op.EQ:
        raise ValueError("`==` does not go with a baseline, which is measured anew; allowed are < <= > >=")
    share = parse_limit(f"{match[2]}%")[0] if match[2] else 0.0
    relative = -share if match[1] == "-" else share
    if relative <= -1:
        raise ValueError(f"{clip(text)} leaves nothing of the baseline; allowed is less than 100 % off")
    return relative + 0.0  # never -0.0


def _check_domain(stat: str, limit: float, text: str) -> None:
    # `ratio < 70` would always hold and is never what was meant.
    if stat == "ratio" and not 0 <= limit <= 1:
        raise ValueError(f"a ratio lies between 0 and 100 %, found {text}; write e.g. `ratio > 70 %`")


# ---- writing ----------------------------------------------------------------------------------------------------


def to_text(threshold: Threshold) -> str:
    """The canonical text of a threshold: `parse(to_text(t))` has the statistic, operator, limit and unit of `t`."""
    if threshold.relative is not None:
        share = write_limit(abs(threshold.relative), UNITS["%"])
        sign = "-" if threshold.relative < 0 else "+"
        tail = f" {sign} {share}%" if threshold.relative else ""
        return f"{threshold.stat} {threshold.op.value} baseline{tail}"
    number = write_limit(threshold.limit or 0.0, UNITS[threshold.unit])
    return f"{threshold.stat} {threshold.op.value} {number} {threshold.unit}".rstrip()


# ---- what fits --------------------------------------------------------------------------------------------------


def stats_of(kind: MetricKind) -> tuple[str, ...]:
    """The statistics of a kind of metric, as words for a message; `p0…p100` stands for every quantile."""
    return _STATS[kind]


def kinds_of(stat: str) -> frozenset[MetricKind]:
    """The kinds of metric that have this statistic; empty for an unknown one."""
    name = _QUANTILES if _QUANTILE.fullmatch(stat) else stat
    return frozenset(kind for kind, stats in _STATS.items() if name in stats)


def unit_problem(metric: str, stat: str, unit: str) -> str | None:
    """Why `unit` does not fit `stat` of `metric`, or None when it fits."""
    fitting = _fitting(metric, stat)
    if UNITS[unit].dimension in fitting:
        return None
    found = unit or "no unit"
    wanted = " or ".join(_WANTED[dimension] for dimension in fitting)
    return f"{stat} of {metric} wants {wanted}, found {found}"


def _fitting(metric: str, stat: str) -> tuple[str, ...]:
    if metric in RESOURCE_METRICS:
        table = _FITS_RESOURCE_SLOPE if stat == "slope" else _FITS_RESOURCE
        return table[RESOURCE_METRICS[metric]]
    return _FITS_STAT.get(stat, _VALUE)


def metric_problem(metric: str, stats: Iterable[str]) -> str | None:
    """Why these statistics cannot all be asked of one metric (a metric has one kind), or None when they can."""
    stats = tuple(stats)
    if metric.startswith("process."):
        return _resource_problem(metric, stats)
    common = frozenset(MetricKind).intersection(*(kinds_of(stat) for stat in stats))
    if common:
        return None
    asked = ", ".join(f"{stat} ({' or '.join(sorted(kinds_of(stat)))})" for stat in dict.fromkeys(stats))
    return f"a metric has one kind, and no kind has all of {asked}"


def _resource_problem(metric: str, stats: tuple[str, ...]) -> str | None:
    if metric not in RESOURCE_METRICS:
        known = " ".join(RESOURCE_METRICS)
        return f"unknown resource metric {clip(metric)}{did_you_mean(metric, RESOURCE_METRICS)}; allowed are {known}"
    wrong = [stat for stat in stats if MetricKind.GAUGE not in kinds_of(stat)]
    if not wrong:
        return None
    return f"{metric} is a resource, which has no {wrong[0]}; allowed are {' '.join(_STATS[MetricKind.GAUGE])}"


def quantile_of(stat: str) -> float | None:
    """0.999 for `p99.9`; None when the statistic is no quantile."""
    match = _QUANTILE.fullmatch(stat)
    if match is None:
        return None
    whole, _, decimals = match[1].partition(".")
    quantile: float = int(whole + decimals) / 10 ** (2 + len(decimals))
    return quantile


def minimum_samples(stat: str) -> int:
    """How many samples a statistic needs at least to be known: n ≥ ceil(ln 0.05 / ln p) for a quantile, else 1.

    With fewer, the chance that every sample lies below the true quantile is above 5 %. Trends (`slope`, `growth`,
    `plateau`) have the needs of their estimator on top of this.
    """
    quantile = quantile_of(stat)
    if quantile is None or quantile in (0.0, 1.0):
        return 1
    return max(1, math.ceil(math.log(_CONFIDENCE) / math.log(quantile)))


def limits_by_metric(thresholds: Iterable[Threshold]) -> dict[str, tuple[float, ...]]:
    """Every metric that has a threshold, with its absolute limits in base units; a relative one adds none."""
    limits: dict[str, tuple[float, ...]] = {}
    for threshold in thresholds:
        more = () if threshold.limit is None else (threshold.limit,)
        limits[threshold.metric] = limits.get(threshold.metric, ()) + more
    return limits


# ---- comparison -------------------------------------------------------------------------------------------------


def compare(op: Op, observed: float, limit: float) -> bool:
    """Whether `observed op limit` holds. What is not a number never holds."""
    match op:
        case Op.LT:
            return observed < limit
        case Op.LE:
            return observed <= limit
        case Op.GT:
            return observed > limit
        case Op.GE:
            return observed >= limit
        case Op.EQ:
            return observed == limit


def margin(op: Op, observed: float, limit: float) -> float | None:
    """The distance to the limit as a share of the limit, positive when met; None where the limit is 0."""
    if op is Op.EQ and observed == limit:
        return 0.0
    if limit == 0 or not math.isfinite(observed):
        return None
    if op is Op.EQ:
        return -abs(observed - limit) / abs(limit)
    distance = limit - observed if op in (Op.LT, Op.LE) else observed - limit
    return distance / abs(limit)
