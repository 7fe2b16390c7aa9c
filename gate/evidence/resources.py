"""`resources.jsonl` ⇄ samples ⇄ gauges.

Owns the file in which the gate notes CPU, memory, file descriptors and threads of a suite's process tree, one compact
JSON line per sample, and the names under which thresholds see them (`process.rss`, …). Promises that a damaged line is
a check and never a number. Taking the samples is left to `gate.execute`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from gate import codec
from gate.evidence.files import read_regular
from gate.model import Check, Metric, MetricKind, ResourceSample, Series, Status

CHECKS: Final = ("resources/readable",)
_CAP: Final = 256 << 20
_GAUGES: Final[tuple[tuple[str, str, Callable[[ResourceSample], float | None]], ...]] = (
    ("process.rss", "B", lambda sample: sample.rss_bytes),
    ("process.pss", "B", lambda sample: sample.pss_bytes),
    ("process.cpu", "1", lambda sample: sample.cpu),
    ("process.fds", "1", lambda sample: sample.fds),
    ("process.threads", "1", lambda sample: sample.threads),
    ("process.processes", "1", lambda sample: sample.processes),
)


def as_line(sample: ResourceSample) -> bytes:
    """One line of the file. Raises ValueError for a number that is not finite."""
    return codec.dumps(sample, indent=None).encode()


def read_resources(path: Path) -> tuple[tuple[ResourceSample, ...], Check]:
    """The samples that can be read, and whether that is all of the file. Raises nothing."""
    try:
        data = read_regular(path, _CAP)
    except FileNotFoundError:
        return (), _check(Status.MISSING, f"{path.name} was not written")
    except OSError as error:
        return (), _check(Status.ERROR, f"{path.name} cannot be read: {error}")
    samples: list[ResourceSample] = []
    lines = data.split(b"\n")
    last = lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            samples.append(_sample(line, after=samples[-1].at_s if samples else 0.0))
        except (ValueError, RecursionError) as error:
            return tuple(samples), _check(Status.ERROR, f"line {number}: {error}")
    if last:
        return tuple(samples), _check(Status.ERROR, f"line {len(lines) + 1} breaks off")
    return tuple(samples), _check(Status.PASS, f"{len(samples)} samples")


def as_series(samples: Sequence[ResourceSample]) -> dict[str, Metric]:
    """The samples as gauges by name, each over the samples that have it: PSS is dear and read in every fifth only."""
    gauges = {}
    for name, unit, read in _GAUGES:
        points = [(sample.at_s, float(value)) for sample in samples if (value := read(sample)) is not None]
        if points:
            times, values = zip(*points, strict=True)
            series = Series(times_s=times, values=values)
            gauges[name] = Metric(name=name, kind=MetricKind.GAUGE, unit=unit, data=series)
    return gauges


def _sample(line: bytes, *, after: float) -> ResourceSample:
    sample = codec.loads(ResourceSample, line)
    numbers = (sample.rss_bytes, sample.pss_bytes or 0, sample.cpu, sample.fds, sample.threads, sample.processes)
    if min(numbers) < 0 or not max(numbers) < float("inf"):
        raise ValueError("a number is negative or not finite")
    if not after <= sample.at_s < float("inf"):
        raise ValueError("the time goes backwards")
    return sample


def _check(status: Status, reason: str) -> Check:
    return Check(name=CHECKS[0], rule="R13", status=status, reason=reason)
