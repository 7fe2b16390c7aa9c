"""What a closed bar shows, seen against the bars of its symbol before it: pure, exact, in whole numbers.

Bars are those that exist: a minute without trades has none, so the bar before is that of the last minute with trades.
Each detector follows a definition that traders know; strength says how pronounced it is, from 1 to 100. All of them
compare prices with prices and volumes with volumes only, so that neither the currency nor the size of a share matters.
A bar of which nothing can be said, because too few bars lie before it, shows nothing.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

BARS: Final = 20  # how many bars before it a bar is seen against
GAP_PER_MILLE: Final = 1  # of the close before
SPIKE: Final = 3  # times the median

Direction = Literal["up", "down"]


class ClosedBar(NamedTuple):
    """A bar to which its minute adds nothing more; prices in millionths."""

    minute: datetime
    open: int
    high: int
    low: int
    close: int
    volume: int


class Finding(NamedTuple):
    """One pattern that a bar shows; `price` in millionths, `strength` from 1 to 100."""

    kind: str
    direction: Direction
    price: int
    strength: int


Detector = Callable[[ClosedBar, Sequence[ClosedBar]], Finding | None]


def find(bar: ClosedBar, before: Sequence[ClosedBar]) -> list[Finding]:
    """Every pattern that `bar` shows. `before` ascends; of it the last `BARS` are enough, and more change nothing."""
    return [finding for detect in DETECTORS if (finding := detect(bar, before))]


def breakout(bar: ClosedBar, before: Sequence[ClosedBar]) -> Finding | None:
    """The close lies beyond every high, or every low, of the last `BARS` bars: Donchian's channel, left by the close.

    Strength: how far beyond, in hundredths of the channel's height, 1 at least; 100 for a channel without height.
    """
    channel = before[-BARS:]
    if len(channel) < BARS:
        return None
    top = max(one.high for one in channel)
    bottom = min(one.low for one in channel)
    if bar.close > top:
        return Finding("breakout", "up", bar.close, _share(bar.close - top, top - bottom))
    if bar.close < bottom:
        return Finding("breakout", "down", bar.close, _share(bottom - bar.close, top - bottom))
    return None


def gap(bar: ClosedBar, before: Sequence[ClosedBar]) -> Finding | None:
    """The open lies beyond the whole range of the bar before: a full gap, as Edwards and Magee have it.

    It counts from a thousandth of the close before. Strength: its size in hundredths of a percent of that close, so
    that 100 is a gap of one percent or more. The price is the open.
    """
    if not before:
        return None
    last = before[-1]
    size = max(bar.open - last.high, last.low - bar.open)
    if size * 1000 < GAP_PER_MILLE * last.close:
        return None
    direction: Direction = "up" if bar.open > last.high else "down"
    return Finding("gap", direction, bar.open, _share(size, last.close, 10_000))


def volume_spike(bar: ClosedBar, before: Sequence[ClosedBar]) -> Finding | None:
    """The volume is at least `SPIKE` times the median of the last `BARS` bars: relative volume, with the median.

    Direction: that of the bar's body, or without one that of the close against the close before; a bar that shows
    neither shows no spike. Strength: ten for each time the median.
    """
    volumes = sorted(one.volume for one in before[-BARS:])
    if len(volumes) < BARS:
        return None
    twice_median = volumes[(BARS - 1) // 2] + volumes[BARS // 2]
    move = (bar.close - bar.open) or (bar.close - before[-1].close)
    if 2 * bar.volume < SPIKE * twice_median or move == 0:
        return None
    return Finding("volume_spike", "up" if move > 0 else "down", bar.close, _share(2 * bar.volume, twice_median, 10))


def engulfing(bar: ClosedBar, before: Sequence[ClosedBar]) -> Finding | None:
    """The body covers that of the bar before, is larger, and points the other way: Nison's engulfing line.

    The trend before it, which a trader would ask for, is not looked at. Strength: twenty for each time the body before.
    """
    if not before:
        return None
    last = before[-1]
    body, body_before = bar.close - bar.open, last.close - last.open
    if body * body_before >= 0 or abs(body) <= abs(body_before):
        return None
    if min(bar.open, bar.close) > min(last.open, last.close) or max(bar.open, bar.close) < max(last.open, last.close):
        return None
    direction: Direction = "up" if body > 0 else "down"
    return Finding("engulfing", direction, bar.close, _share(abs(body), abs(body_before), 20))


# In the order of model.KINDS, in which the patterns of one bar are numbered.
DETECTORS: Final[tuple[Detector, ...]] = (breakout, gap, volume_spike, engulfing)


def _share(part: int, whole: int, full: int = 100) -> int:
    """`part` of `whole` in steps of which `full` make one, rounded down, from 1 to 100; of nothing it is 100."""
    return max(1, min(100, part * full // whole)) if whole > 0 else 100
