"""What the bars must be, worked out the slow and obvious way: decimal numbers, and none of the system's code."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from suites.system import Tick


class Ohlcv(NamedTuple):
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    trades: int


Bars = Mapping[tuple[str, datetime], Ohlcv]


def expected_bars(ticks: Iterable[Tick]) -> dict[tuple[str, datetime], Ohlcv]:
    """One bar per symbol and minute; the earliest tick opens and the latest closes, whatever order they came in."""
    minutes: dict[tuple[str, datetime], list[Tick]] = defaultdict(list)
    for tick in ticks:
        minute = datetime.fromtimestamp(tick.at_us // 60_000_000 * 60, UTC)
        minutes[tick.symbol, minute].append(tick)
    return {key: _bar(sorted(those, key=lambda tick: (tick.at_us, tick.sequence))) for key, those in minutes.items()}


def _bar(ticks: list[Tick]) -> Ohlcv:
    prices = [Decimal(tick.price_micros) / 1_000_000 for tick in ticks]
    return Ohlcv(prices[0], max(prices), min(prices), prices[-1], sum(tick.size for tick in ticks), len(ticks))


def lost_and_doubled(expected: Bars, found: Bars) -> tuple[int, int]:
    """How many ticks are missing from the bars, and how many are in them too often."""
    lost = doubled = 0
    for key in expected.keys() | found.keys():
        difference = (expected[key].trades if key in expected else 0) - (found[key].trades if key in found else 0)
        lost += max(0, difference)
        doubled += max(0, -difference)
    return lost, doubled
