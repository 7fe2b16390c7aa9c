"""Ticks become bars: the laws that hold for any ticks in any order."""

from hypothesis import given
from hypothesis import strategies as st

from tickstream.ingest.bars import BarBuilder
from tickstream.model import MINUTE_US, Bar, Span, Tick


def built(ticks):
    builder = BarBuilder()
    builder.add_all(ticks)
    return {(bar.symbol, bar.minute): bar for bar in builder.take().bars}


def merged(one: Bar, two: Bar) -> Bar:
    """What the database does with a bar that is there already."""
    return Bar(
        one.symbol,
        one.minute,
        min(one.first, two.first),
        max(one.last, two.last),
        max(one.high_micros, two.high_micros),
        min(one.low_micros, two.low_micros),
        one.volume + two.volume,
        one.trades + two.trades,
    )


any_tick = st.builds(
    Tick,
    st.sampled_from("AB"),
    st.integers(1, 50),
    st.integers(1, 9),
    st.integers(0, 3 * MINUTE_US),
    st.integers(1, 99),
)
any_ticks = st.lists(any_tick, max_size=60)


@given(any_ticks, st.randoms(use_true_random=False))
def test_a_bar_does_not_depend_on_the_order_of_its_ticks(ticks, rng):
    shuffled = list(ticks)
    rng.shuffle(shuffled)
    assert built(shuffled) == built(ticks)


@given(any_ticks, st.integers(0, 60))
def test_bars_of_two_halves_merge_into_the_bars_of_the_whole(ticks, cut):
    left, right = built(ticks[:cut]), built(ticks[cut:])
    both = left.keys() & right.keys()
    assert left | right | {key: merged(left[key], right[key]) for key in both} == built(ticks)


@given(any_ticks)
def test_no_trade_and_no_share_appears_or_disappears(ticks):
    bars = built(ticks).values()
    assert sum(bar.trades for bar in bars) == len(ticks)
    assert sum(bar.volume for bar in bars) == sum(tick.size for tick in ticks)


@given(any_ticks)
def test_high_and_low_hold_open_and_close_between_them(ticks):
    for bar in built(ticks).values():
        assert bar.low_micros <= min(bar.first[2], bar.last[2])
        assert bar.high_micros >= max(bar.first[2], bar.last[2])


def test_taking_empties_the_builder():
    builder = BarBuilder()
    builder.add(Tick("A", 1, 1, 0, 1))
    builder.cover("s", Span(since=0, upto=1))
    assert len(builder.take().bars) == 1
    assert builder.take().bars == ()
    assert builder.take().spans == {}


def test_spans_that_follow_each_other_become_one():
    builder = BarBuilder()
    builder.cover("s", Span(since=4, upto=7))
    builder.cover("s", Span(since=7, upto=9))
    assert builder.take().spans == {"s": Span(since=4, upto=9)}
