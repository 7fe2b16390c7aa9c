"""A simulated market: trades with seeded prices, the same for the same seed.

Prices move on a grid of one cent. A trending market drifts, a ranging one is drawn back to where it began, a volatile
one moves in large steps that come in clusters. Times are the market's own, never the clock's, so that whoever knows the
seed knows every tick. A market can be left and taken up again where it stood (`mark`, `Market.at`).
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from tickstream.model import MICROS, Tick

CENT_MICROS: Final = 10_000
START_US: Final = 1_700_000_040_000_000  # a full minute in November 2023
RATE_PER_S: Final = 1000.0  # trades in a second of the market, where nobody asked for another pace


class Regime(StrEnum):
    TRENDING = "trending"
    RANGING = "ranging"
    VOLATILE = "volatile"


class _Price:
    """One symbol's price in cents, as a walk whose character is the regime."""

    def __init__(self, regime: Regime, rng: random.Random) -> None:
        self._gauss = rng.gauss
        self._regime = regime
        self._start = self.cents = 100.0 * rng.randint(10, 500)
        self._spread = self._start * 0.0002
        self.turbulence = 1.0

    def next_micros(self) -> int:
        step = self._gauss(0.0, self._spread)
        if self._regime is Regime.TRENDING:
            step += self._spread * 0.05
        elif self._regime is Regime.RANGING:
            step += (self._start - self.cents) * 0.02
        else:
            self.turbulence = 0.98 * self.turbulence + 0.02 * (1.0 + abs(self._gauss(0.0, 20.0)))
            step *= self.turbulence
        self.cents = max(1.0, self.cents + step)
        return round(self.cents) * CENT_MICROS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a market follows from: two of the same rules give the same ticks. `rate_per_s` is in market time."""

    symbols: tuple[str, ...]
    seed: int
    regime: Regime = Regime.RANGING
    rate_per_s: float = RATE_PER_S
    start_us: int = START_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a market stands: everything that its further ticks follow from, besides its rules."""

    next_sequence: int
    at_us: float
    chance: tuple[Any, ...]
    prices: tuple[tuple[float, float], ...]


class Market:
    """An endless market. `take` gives its next ticks, over all symbols; times ascend."""

    def __init__(self, rules: Rules, *, first_sequence: int = 1) -> None:
        self._rng = random.Random(rules.seed)  # noqa: S311  # repeatable, no secret
        self._prices = [(symbol, _Price(rules.regime, self._rng)) for symbol in rules.symbols]
        self._gap_us = 2 * MICROS / rules.rate_per_s
        self._at_us = float(rules.start_us)
        self.next_sequence = first_sequence

    @classmethod
    def at(cls, rules: Rules, mark: Mark) -> "Market":
        """The market of `rules` where it stood at `mark`."""
        market = cls(rules, first_sequence=mark.next_sequence)
        market._at_us = mark.at_us
        for (_, price), (cents, turbulence) in zip(market._prices, mark.prices, strict=True):
            price.cents, price.turbulence = cents, turbulence
        market._rng.setstate(mark.chance)
        return market

    def mark(self) -> Mark:
        return Mark(
            next_sequence=self.next_sequence,
            at_us=self._at_us,
            chance=self._rng.getstate(),
            prices=tuple((price.cents, price.turbulence) for _, price in self._prices),
        )

    def __iter__(self) -> Iterator[Tick]:
        uniform = self._rng.random
        prices, gap_us = self._prices, self._gap_us
        count = len(prices)
        while True:
            symbol, price = prices[int(uniform() * count)]
            tick = Tick(symbol, price.next_micros(), 1 + int(uniform() * 500), int(self._at_us), self.next_sequence)
            self._at_us += gap_us * uniform()
            self.next_sequence += 1
            yield tick

    def take(self, count: int) -> list[Tick]:
        return list(islice(self, count))


def ticks(
    symbols: Sequence[str],
    *,
    seed: int,
    regime: Regime = Regime.RANGING,
    rate_per_s: float = RATE_PER_S,
    start_us: int = START_US,
    first_sequence: int = 1,
) -> Iterator[Tick]:
    """Endless ticks of one source, `rate_per_s` per second of market time over all symbols; times ascend."""
    rules = Rules(symbols=tuple(symbols), seed=seed, regime=regime, rate_per_s=rate_per_s, start_us=start_us)
    return iter(Market(rules, first_sequence=first_sequence))
