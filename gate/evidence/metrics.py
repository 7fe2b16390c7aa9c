"""What tests recorded, in all processes of a suite → one metric per name.

Owns which data count: those of tests that passed at their only execution; whatever a failed or repeated test recorded
counts not at all. Samples are merged, never statistics of samples. Promises never to raise whatever the bytes are, and
always to report every name of `CHECKS`. Judging the metrics is left to `gate.judge`.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gate.evidence.files import MIB, read_regular
from gate.evidence.merge import merge
from gate.evidence.metric_records import MetricsFile, Part, parse
from gate.model import Check, Metric, Status

CHECKS: Final = ("metrics/readable", "metrics/sane", "metrics/kinds", "metrics/forks")
_CAP: Final = 256 * MIB
_MOST_FILES: Final = 4096
_SHOWN: Final = 5

Limits = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsReading:
    """Metrics by name, ascending, and one check per name of `CHECKS`."""

    metrics: tuple[Metric, ...]
    checks: tuple[Check, ...]


def read_metrics(
    directory: Path, passed: Mapping[str, int], *, nonce: str | None = None, files: Mapping[str, int] | None = None
) -> MetricsReading:
    """Read `directory`/metrics. `passed` holds the tests that passed, each with the number of its executions.

    `files` says how many records each process claims to have written (`JournalReading.metrics_files`).
    """
    found, unreadable = _read_files(directory / "metrics")
    limits, reasons = _read_limits(directory / "limits.json")
    unreadable += reasons
    for file in found:
        unreadable += _doubts(file, nonce)
    unreadable += _missing(found, files or {})
    meanings = _meanings(found)
    counted = [part for file in found for part in file.parts if passed.get(part.test) == 1 and part.attempt == 1]
    metrics = tuple(
        merge(name, parts, limits.get(name, ()))
        for name, parts in sorted(_by_name(counted).items())
        if len(meanings[name]) == 1
    )
    unreadable += [
        f"{part.source}: samples of {part.name} above {limit} were not counted"
        for part in counted
        for limit in limits.get(part.name, ())
        if _uncounted(part, limit)
    ]
    conflicts = [f"{name} is {' and '.join(sorted(kinds))}" for name, kinds in meanings.items() if len(kinds) > 1]
    insane = [reason for file in found for reason in (*file.insane, *file.errors)]
    return MetricsReading(
        metrics=metrics,
        checks=(
            _check("metrics/readable", "R12", Status.ERROR, unreadable),
            _check("metrics/sane", "R13", Status.FAIL, insane),
            _check("metrics/kinds", "R13", Status.FAIL, conflicts),
            _check("metrics/forks", "R12", Status.ERROR, _fork_doubts(found)),
        ),
    )


def _check(name: str, rule: str, otherwise: Status, reasons: list[str]) -> Check:
    more = f" and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    status = otherwise if reasons else Status.PASS
    return Check(name=name, rule=rule, status=status, reason="; ".join(reasons[:_SHOWN]) + more)


def _read_files(folder: Path) -> tuple[list[MetricsFile], list[str]]:
    try:
        names = sorted(path.name for path in folder.iterdir() if path.name.endswith(".jsonl"))
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"metrics cannot be listed: {error}"]
    reasons = [f"there are {len(names)} files of metrics; {_MOST_FILES} are read"] if len(names) > _MOST_FILES else []
    files = []
    for name in names[:_MOST_FILES]:
        try:
            files.append(parse(name, read_regular(folder / name, _CAP)))
        except OSError as error:
            reasons.append(f"{name} cannot be read: {error}")
    return files, reasons


def _read_limits(path: Path) -> tuple[Limits, list[str]]:
    try:
        plain = json.loads(read_regular(path, MIB))
        return {name: tuple(float(limit) for limit in limits) for name, limits in plain.items()}, []
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        return {}, [f"limits.json cannot be read ({type(error).__name__})"]


def _doubts(file: MetricsFile, nonce: str | None) -> list[str]:
    reasons = list(file.unreadable)
    if file.nonce is None:
        reasons.append(f"{file.name} does not say which invocation it belongs to")
    elif nonce is not None and file.nonce != nonce:
        reasons.append(f"{file.name} belongs to another invocation")
    if not file.forked and not file.ended:
        reasons.append(f"{file.name} has no end")
    return reasons


def _missing(found: list[MetricsFile], claimed: Mapping[str, int]) -> list[str]:
    there = {file.name: file.records for file in found if not file.forked}
    reasons = [
        f"{name} has {there.get(name, 0)} records where {count} were written"
        for name, count in claimed.items()
        if there.get(name) != count
    ]
    return reasons + [f"{name} was written by nobody known" for name in there if claimed and name not in claimed]


def _fork_doubts(found: list[MetricsFile]) -> list[str]:
    reasons = []
    for file in found:
        if "-fork-" in file.name and not file.forked:
            reasons.append(f"{file.name} does not begin as the file of a forked child")
        if file.forked and file.ended:
            reasons.append(f"{file.name}: a forked child went on running tests")
        if file.forked and file.unreadable:
            reasons.append(f"{file.name}: what a forked child recorded is incomplete")
    return reasons


def _meanings(found: list[MetricsFile]) -> dict[str, set[str]]:
    meanings: dict[str, set[str]] = {}
    for file in found:
        for part in file.parts:
            meanings.setdefault(part.name, set()).add(f"{part.kind} in {part.unit}" if part.unit else str(part.kind))
    return meanings


def _by_name(parts: Iterable[Part]) -> dict[str, list[Part]]:
    groups: dict[str, list[Part]] = {}
    for part in parts:
        groups.setdefault(part.name, []).append(part)
    return groups


def _uncounted(part: Part, limit: float) -> bool:
    data = part.data
    buckets, above = getattr(data, "buckets", ()), getattr(data, "above", ())
    return bool(buckets) and limit >= 0 and limit not in {known for known, _, _ in above}
