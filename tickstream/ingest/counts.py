"""What ingestion counts of itself while it works. Turned into metrics and facts only when somebody asks."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

# In seconds, with the declared limits of a batch (10, 50 and 80 ms) among them.
_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.08, 0.25, 1.0, 5.0)


class Durations:
    """How often something took how long, in a few ranges that never grow."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    def buckets(self) -> Iterator[tuple[str, int]]:
        """Upper bound and how many took at most as long; the last bound is +Inf."""
        return zip((*map(str, _BOUNDS_S), "+Inf"), accumulate(self._counts), strict=True)


@dataclass(slots=True)
class Counts:
    """What has happened since the start. `failures` are attempts that the database did not let succeed."""

    ticks: int = 0
    duplicates: int = 0
    gaps: int = 0
    batches: int = 0
    failures: int = 0
    batch_time: Durations = field(default_factory=Durations)
