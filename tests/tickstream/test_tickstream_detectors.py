"""Patterns in bars: each rule by a table, and the laws that hold for any bars."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.model import DIRECTIONS, KINDS
from tickstream.patterns.detectors import (
    BARS,
    DETECTORS,
    ClosedBar,
    Finding,
    breakout,
    engulfing,
    find,
    gap,
    volume_spike,
)

START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)


def bar(open_=100, high=None, low=None, close=None, volume=10):
    close = open_ if close is None else close
    high = max(open_, close) if high is None else high
    low = min(open_, close) if low is None else low
    return ClosedBar(START, open_, high, low, close, volume)


CHANNEL = [bar(100, high=110, low=90) for _ in range(BARS)]  # 20 high


@pytest.mark.parametrize(
    ("close", "found"),
    [
        (110, None),
        (111, ("up", 111, 5)),
        (120, ("up", 120, 50)),
        (500, ("up", 500, 100)),
        (90, None),
        (89, ("down", 89, 5)),
        (70, ("down", 70, 100)),
    ],
)
def test_a_close_beyond_the_channel_breaks_out(close, found):
    assert breakout(bar(100, close=close), CHANNEL) == (found and Finding("breakout", *found))


def test_a_high_beyond_the_channel_without_the_close_breaks_nothing():
    assert breakout(bar(100, high=200, low=1, close=105), CHANNEL) is None


def test_only_the_last_bars_make_the_channel():
    assert breakout(bar(120), [bar(100, high=999, low=1), *CHANNEL]).direction == "up"
    assert breakout(bar(120), [*CHANNEL[1:], bar(100, high=120)]) is None


def test_a_channel_without_height_is_left_with_full_strength_and_the_smallest_step_with_the_least():
    assert breakout(bar(101), [bar(100)] * BARS).strength == 100
    assert breakout(bar(1001), [bar(100, high=1000, low=1)] * BARS).strength == 1


PREVIOUS = bar(10_000, high=10_050, low=9_950)


@pytest.mark.parametrize(
    ("open_", "found"),
    [
        (10_050, None),
        (10_059, None),
        (10_060, ("up", 10_060, 10)),
        (10_100, ("up", 10_100, 50)),
        (10_150, ("up", 10_150, 100)),
        (20_000, ("up", 20_000, 100)),
        (9_941, None),
        (9_940, ("down", 9_940, 10)),
        (9_900, ("down", 9_900, 50)),
    ],
)
def test_an_open_beyond_the_range_before_is_a_gap_from_a_thousandth(open_, found):
    assert gap(bar(open_), [PREVIOUS]) == (found and Finding("gap", *found))


def test_what_follows_within_the_bar_does_not_close_the_gap():
    assert gap(bar(10_100, close=9_000), [PREVIOUS]).price == 10_100


QUIET = [bar(volume=volume) for volume in [9] * 10 + [11] * 10]  # median 10


@pytest.mark.parametrize(("volume", "strength"), [(29, None), (30, 30), (39, 39), (100, 100), (10**12, 100)])
def test_a_volume_of_three_times_the_median_is_a_spike(volume, strength):
    found = volume_spike(bar(100, close=101, volume=volume), QUIET)
    assert (found.strength if found else None) == strength


def test_an_earlier_spike_hides_no_later_one():
    assert volume_spike(bar(100, close=101, volume=40), [*QUIET[1:], bar(volume=10**9)])


@pytest.mark.parametrize(
    ("open_", "close", "direction"),
    [(100, 101, "up"), (101, 100, "down"), (103, 103, "up"), (97, 97, "down"), (100, 100, None)],
)
def test_a_spike_goes_where_the_price_went(open_, close, direction):
    found = volume_spike(bar(open_, close=close, volume=50), QUIET)
    assert (found.direction if found else None) == direction


DOWN = bar(105, high=120, low=80, close=100)


@pytest.mark.parametrize(
    ("before", "open_", "close", "found"),
    [
        (DOWN, 99, 106, ("up", 106, 28)),
        (DOWN, 100, 106, ("up", 106, 24)),
        (DOWN, 100, 105, None),  # of the same size
        (DOWN, 101, 110, None),  # leaves a part of the body uncovered
        (DOWN, 95, 104, None),
        (DOWN, 106, 99, None),  # the same direction
        (bar(100, close=105), 106, 99, ("down", 99, 28)),
        (bar(100, close=105), 205, 95, ("down", 95, 100)),
        (bar(100), 90, 110, None),  # no body before it
        (DOWN, 100, 100, None),
    ],
)
def test_a_body_that_covers_the_opposite_one_engulfs_it(before, open_, close, found):
    assert engulfing(bar(open_, high=200, low=1, close=close), [before]) == (found and Finding("engulfing", *found))


@pytest.mark.parametrize("detect", DETECTORS)
def test_without_bars_before_it_a_bar_shows_nothing(detect):
    assert detect(bar(100, high=10**9, low=1, close=10**9, volume=10**12), []) is None


def test_channel_and_median_wait_for_all_their_bars():
    wild = bar(100, close=10**6, volume=10**9)
    assert {finding.kind for finding in find(wild, CHANNEL)} >= {"breakout", "volume_spike"}
    assert not {finding.kind for finding in find(wild, CHANNEL[1:])} & {"breakout", "volume_spike"}


def test_the_detectors_are_those_of_the_model_in_their_order():
    assert tuple(detect.__name__ for detect in DETECTORS) == KINDS


def made(prices, volume):
    return ClosedBar(START, prices[0], max(prices), min(prices), prices[1], volume)


def any_bars(least=1):
    one = st.builds(made, st.lists(st.integers(1, 60), min_size=4, max_size=4), st.integers(1, 60))
    return st.lists(one, min_size=least, max_size=BARS + 5)


@given(any_bars())
def test_what_is_found_is_within_the_limits_of_the_table(bars):
    found = find(bars[-1], bars[:-1])
    assert len({finding.kind for finding in found}) == len(found)
    for finding in found:
        assert finding.kind in KINDS
        assert finding.direction in DIRECTIONS
        assert 1 <= finding.strength <= 100
        assert bars[-1].low <= finding.price <= bars[-1].high


@given(any_bars(BARS), st.integers(1, 10**6), st.integers(1, 10**6))
def test_neither_currency_nor_share_size_changes_what_is_found(bars, price, volume):
    def scaled(one):
        return ClosedBar(
            one.minute, one.open * price, one.high * price, one.low * price, one.close * price, one.volume * volume
        )

    after = find(scaled(bars[-1]), [scaled(one) for one in bars[:-1]])
    assert after == [one._replace(price=one.price * price) for one in find(bars[-1], bars[:-1])]


@given(any_bars(BARS))
def test_upside_down_bars_show_the_same_upside_down(bars):
    """All but the gap, whose threshold is a share of the price and therefore not the same from above."""

    def turned(one):
        return ClosedBar(one.minute, 100 - one.open, 100 - one.low, 100 - one.high, 100 - one.close, one.volume)

    def turn(finding):
        return finding._replace(direction="down" if finding.direction == "up" else "up", price=100 - finding.price)

    straight = [turn(one) for one in find(bars[-1], bars[:-1]) if one.kind != "gap"]
    assert [one for one in find(turned(bars[-1]), [turned(one) for one in bars[:-1]]) if one.kind != "gap"] == straight


@given(any_bars(BARS), any_bars())
def test_bars_longer_ago_than_the_window_change_nothing(bars, older):
    before = (older + bars)[-BARS - 1 :]
    assert find(before[-1], before[:-1]) == find(before[-1], older + older + before[:-1])


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(0, BARS + 5))
def test_flat_bars_show_nothing(price, volume, count):
    assert find(bar(price, volume=volume), [bar(price, volume=volume)] * count) == []


@given(any_bars(2), st.timedeltas(timedelta(0), timedelta(days=999)))
def test_the_clock_changes_nothing(bars, later):
    moved = [one._replace(minute=one.minute + later) for one in bars]
    assert find(moved[-1], moved[:-1]) == find(bars[-1], bars[:-1])
