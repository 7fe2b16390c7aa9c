"""A simulated exchange: trades with seeded prices, the same for the same seed.

Prices move on a grid of one cent. A trending market drifts, a ranging one is drawn back to where it began, a volatile
one moves in large steps that come in clusters. The generator is plain and endless; whoever consumes it sets the pace.
"""

import random
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from tickstream.model import MICROS, Tick

CENT_MICROS: Final = 10_000
START_US: Final = 1_700_000_040_000_000  # a full minute in November 2023


class Regime(StrEnum):
    TRENDING = "trending"
    RANGING = "ranging"
    VOLATILE = "volatile"


class _Price:
    """One symbol's price in cents, as a walk whose character is the regime."""

    def __init__(self, regime: Regime, rng: random.Random) -> None:
        self._gauss = rng.gauss
        self._regime = regime
        self._start = self._cents = 100.0 * rng.randint(10, 500)
        self._spread = self._start * 0.0002
        self._turbulence = 1.0

    def next_micros(self) -> int:
        step = self._gauss(0.0, self._spread)
        if self._regime is Regime.TRENDING:
            step += self._spread * 0.05
        elif self._regime is Regime.RANGING:
            step += (self._start - self._cents) * 0.02
        else:
            self._turbulence = 0.98 * self._turbulence + 0.02 * (1.0 + abs(self._gauss(0.0, 20.0)))
            step *= self._turbulence
        self._cents = max(1.0, self._cents + step)
        return round(self._cents) * CENT_MICROS


def ticks(
    symbols: Sequence[str],
    *,
    seed: int,
    regime: Regime = Regime.RANGING,
    rate_per_s: float = 1000.0,
    start_us: int = START_US,
    first_sequence: int = 1,
) -> Iterator[Tick]:
    """Endless ticks of one source, `rate_per_s` per second of market time over all symbols; times ascend."""
    rng = random.Random(seed)  # noqa: S311  # repeatable, no secret
    uniform = rng.random
    prices = [(symbol, _Price(regime, rng)) for symbol in symbols]
    count = len(prices)
    gap_us = 2 * MICROS / rate_per_s
    at_us, sequence = float(start_us), first_sequence
    while True:
        symbol, price = prices[int(uniform() * count)]
        yield Tick(symbol, price.next_micros(), 1 + int(uniform() * 500), int(at_us), sequence)
        at_us += gap_us * uniform()
        sequence += 1
