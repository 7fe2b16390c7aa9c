"""When calls are to be sent: values only."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Arrivals = Literal["constant", "poisson"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """`rate_per_s` calls a second for `duration_s`; ValueError when that means nothing."""

    rate_per_s: float
    duration_s: float
    arrivals: Arrivals = "constant"
    seed: int = 0

    def __post_init__(self) -> None:
        if not (0 < self.rate_per_s < math.inf and 0 < self.duration_s < math.inf):
            raise ValueError(f"{self.rate_per_s} calls per second for {self.duration_s} s; both must be above 0")
        if self.arrivals not in ("constant", "poisson"):
            raise ValueError(f"arrivals {self.arrivals!r}; allowed are constant, poisson")

    def offsets_s(self) -> Iterator[float]:
        """The intended moments, in seconds from the start, ascending, each before `duration_s`."""
        return self._constant() if self.arrivals == "constant" else self._poisson()

    def _constant(self) -> Iterator[float]:
        # Each from its number: a sum of intervals would drift.
        count = math.ceil(self.rate_per_s * self.duration_s - 1e-9)
        return (n / self.rate_per_s for n in range(count))

    def _poisson(self) -> Iterator[float]:
        draw = random.Random(self.seed)  # noqa: S311  # moments, not secrets
        at_s = draw.expovariate(self.rate_per_s)
        while at_s < self.duration_s:
            yield at_s
            at_s += draw.expovariate(self.rate_per_s)
