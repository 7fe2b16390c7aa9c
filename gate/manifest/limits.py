"""The thresholds of one suite: declared texts → `Threshold`s with their keys.

Owns the rules across thresholds: one kind per metric, no exact duplicate, a unique key for each. The grammar of one
threshold is `gate.thresholds`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gate.errors import clip
from gate.manifest.problems import Problems
from gate.manifest.shape import CheckKeys, SuiteKeys
from gate.manifest.source import Path
from gate.model import Severity, Threshold
from gate.thresholds import metric_problem, parse, unit_problem

_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    threshold: Threshold
    path: Path


def build_thresholds(path: Path, keys: SuiteKeys, problems: Problems) -> tuple[Threshold, ...]:
    """All thresholds of the suite at `path`, in the order of the file; what is wrong goes to `problems`."""
    severity = Severity(keys.severity or "blocker")
    built: list[_Declared] = []
    for metric, checks in (keys.thresholds or {}).items():
        at = (*path, "thresholds", metric)
        found = [_threshold(metric, check, severity, (*at, index), problems) for index, check in enumerate(checks)]
        declared = [item for item in found if item is not None]
        problem = metric_problem(metric, [item.threshold.stat for item in declared]) if declared else None
        if problem:
            problems.add(at, problem, key=True)
        _check_duplicates(declared, problems)
        built += declared
    keyed = _keyed([item.threshold for item in built])
    places = [problems.declared_at(item.path, len(path) + 2) for item in built]
    return tuple(replace(threshold, place=place) for threshold, place in zip(keyed, places, strict=True))


def _threshold(metric: str, check: CheckKeys, severity: Severity, path: Path, problems: Problems) -> _Declared | None:
    try:
        parsed = parse(check.check)
    except ValueError as error:
        message, _, hint = str(error).partition("; allowed")
        problems.add((*path, "check"), f"threshold {clip(check.check)}: {message}", f"allowed{hint}" if hint else "")
        return None
    problem = None if parsed.relative is not None else unit_problem(metric, parsed.stat, parsed.unit)
    if problem and metric_problem(metric, [parsed.stat]) is None:
        problems.add((*path, "check"), f"threshold {clip(check.check)}: {problem}")
    threshold = Threshold(
        metric=metric,
        stat=parsed.stat,
        op=parsed.op,
        limit=parsed.limit,
        unit=parsed.unit,
        scale=parsed.scale,
        source=parsed.source,
        key=f"{metric}.{parsed.stat}",
        severity=Severity(check.severity) if check.severity else severity,
        min_samples=check.min_samples,
        relative=parsed.relative,
    )
    return _Declared(threshold=threshold, path=path)


def _check_duplicates(declared: Iterable[_Declared], problems: Problems) -> None:
    first: dict[tuple[str, str, str], str] = {}
    for item in declared:
        threshold = item.threshold
        same = (threshold.stat, threshold.op.value, threshold.severity.value)
        if same in first:
            message = f"threshold {clip(threshold.source)} says the same as {clip(first[same])}"
            problems.add(item.path, message, "allowed is one limit for each statistic, operator and severity")
        first.setdefault(same, threshold.source)


def _keyed(thresholds: list[Threshold]) -> list[Threshold]:
    """The thresholds with unique keys: the most severe of those that share `metric.stat` keeps it bare."""
    sharing: dict[str, list[int]] = defaultdict(list)
    for index, threshold in enumerate(thresholds):
        sharing[threshold.key].append(index)
    keyed = list(thresholds)
    for indices in sharing.values():
        by_severity = sorted(indices, key=lambda index: _RANK[thresholds[index].severity])
        count: dict[Severity, int] = defaultdict(int)
        for index in by_severity[1:]:
            severity = thresholds[index].severity
            count[severity] += 1
            suffix = f"@{severity.value}" + (f".{count[severity]}" if count[severity] > 1 else "")
            keyed[index] = replace(thresholds[index], key=thresholds[index].key + suffix)
    return keyed
