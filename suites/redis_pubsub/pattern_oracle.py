"""Which patterns ticks come to, worked out the slow and obvious way: fractions, sorted lists, no code of the system.

A pattern is a dictionary as it is told, without its number; strengths are rounded down and kept between 1 and 100.
"""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from statistics import median

from suites.oracle import Ohlcv, expected_bars
from suites.system import Tick

_BEFORE = 20


def closed_bars(ticks: Iterable[Tick]) -> dict[str, list[tuple[str, Ohlcv]]]:
    """Every bar of each symbol but its last, with its minute, in order: those to which nothing is added any more."""
    bars = defaultdict(list)
    for (symbol, minute), bar in sorted(expected_bars(ticks).items()):
        bars[symbol].append((minute.isoformat(), bar))
    return {symbol: those[:-1] for symbol, those in bars.items()}


def expected_patterns(ticks: Iterable[Tick]) -> list[dict[str, object]]:
    """What the closed bars show; the patterns of each symbol in the order in which they come about."""
    found = []
    for symbol, bars in closed_bars(ticks).items():
        for place, (minute, bar) in enumerate(bars):
            before = [earlier for _, earlier in bars[:place]]
            for kind, direction, price, strength in _shown(bar, before):
                found.append(
                    {
                        "kind": kind,
                        "symbol": symbol,
                        "minute": minute,
                        "direction": direction,
                        "price": f"{price:.6f}",
                        "strength": max(1, min(100, int(strength))),
                    }
                )
    return found


def _shown(bar, before):
    if len(before) >= _BEFORE:
        yield from _breakout(bar, before[-_BEFORE:])
    if before:
        yield from _gap(bar, before[-1])
    if len(before) >= _BEFORE:
        yield from _volume_spike(bar, before[-_BEFORE:])
    if before:
        yield from _engulfing(bar, before[-1])


def _breakout(bar, channel):
    highest, lowest = max(one.high for one in channel), min(one.low for one in channel)
    if bar.close > highest:
        yield "breakout", "up", bar.close, _percent(bar.close - highest, highest - lowest)
    elif bar.close < lowest:
        yield "breakout", "down", bar.close, _percent(lowest - bar.close, highest - lowest)


def _gap(bar, last):
    if bar.open > last.high and Fraction(bar.open - last.high) / Fraction(last.close) >= Fraction(1, 1000):
        yield "gap", "up", bar.open, 100 * _percent(bar.open - last.high, last.close)
    if bar.open < last.low and Fraction(last.low - bar.open) / Fraction(last.close) >= Fraction(1, 1000):
        yield "gap", "down", bar.open, 100 * _percent(last.low - bar.open, last.close)


def _volume_spike(bar, lately):
    times = Fraction(bar.volume) / Fraction(median(Fraction(one.volume) for one in lately))
    if times >= 3 and bar.close != bar.open:
        yield "volume_spike", "up" if bar.close > bar.open else "down", bar.close, 10 * times
    elif times >= 3 and bar.close != lately[-1].close:
        yield "volume_spike", "up" if bar.close > lately[-1].close else "down", bar.close, 10 * times


def _engulfing(bar, last):
    body, last_body = abs(bar.close - bar.open), abs(last.close - last.open)
    if body > last_body:
        if last.close < last.open and bar.open <= last.close and bar.close >= last.open:
            yield "engulfing", "up", bar.close, 20 * Fraction(body) / Fraction(last_body)
        if last.close > last.open and bar.open >= last.close and bar.close <= last.open:
            yield "engulfing", "down", bar.close, 20 * Fraction(body) / Fraction(last_body)


def _percent(part, whole):
    return Fraction(part) / Fraction(whole) * 100 if whole else 100
