"""Foreign text and numbers, as every format of the report spells them."""

import re
import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gate.report import numbers
from gate.report.text import clip, clip_lines, one_line, visible

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@pytest.mark.parametrize(
    ("hidden", "spelt"),
    [
        ("a\u202eb", "a\\u{202E}b"),
        ("a\u2066b\u2069", "a\\u{2066}b\\u{2069}"),
        ("zero\u200bwidth", "zero\\u{200B}width"),
        ("bell\x07", "bell\\u{7}"),
        ("c1\x9b31m", "c1\\u{9B}31m"),
        ("osc\x1b]0;t\x07", "osc\\u{1B}]0;t\\u{7}"),
        ("tag\U000e0041", "tag\\u{E0041}"),
        ("half\ud800", "half\\u{D800}"),
        ("none\uffff", "none\\u{FFFF}"),
        ("over\rwritten", "over\\u{D}written"),
        ("soft\xadhyphen", "soft\\u{AD}hyphen"),
    ],
)
def test_a_hidden_character_is_spelt_out(hidden, spelt):
    assert visible(hidden) == spelt


def test_letters_of_every_script_line_feeds_and_tabs_stay_as_they_are():
    text = "naïve שלום 日本語 🎉\n\tindented"
    assert visible(text) == text


def test_colours_of_a_terminal_leave_no_trace_and_line_ends_become_one_kind():
    assert visible("\x1b[31mred\x1b[0m\r\nnext") == "red\nnext"


def test_a_heap_of_combining_marks_is_cut():
    assert visible("n" + "\u0301" * 400) == "n" + "\u0301" * 4 + "…"


@given(st.text())
def test_nothing_that_hides_or_directs_is_left(text):
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    left = {char for char in visible(text) if unicodedata.category(char) in hidden} - {"\n", "\t"}
    # A handful of format characters are drawn: they belong to the Arabic and Brahmic scripts.
    assert not {char for char in left if unicodedata.bidirectional(char) not in ("AN", "AL", "L", "R")}


@given(st.text(max_size=400), st.integers(1, 60))
def test_a_line_has_no_breaks_and_is_never_long(text, longest):
    shown = one_line(text, longest)
    assert "\n" not in shown
    assert len(shown) <= 3 * longest + 60


def test_cutting_keeps_the_beginning_and_the_end_and_says_how_much_is_gone():
    assert clip("a" * 30 + "z" * 70, 12) == "aaaa … 88 characters left out … zzzzzzzz"
    assert clip_lines("a" * 30 + "z" * 70, 12) == "aaa\n\n… 88 characters left out …\n\nzzzzzzzzz"
    assert clip("short", 12) == "short"


@pytest.mark.parametrize(
    ("value", "limit", "unit", "shown"),
    [
        (1.0004, 1.0, "ms", "1.0004 ms"),
        (0.99996, 1.0, "ms", "0.99996 ms"),
        (1.0, 1.0, "ms", "1 ms"),
        (31.27, 50.0, "ms", "31.27 ms"),
        (50.549, 50.5491, "ms", "50.549 ms"),
        (412.7, 400.0, "/s", "412.7/s"),
        (123456.789, None, "", "123,457"),
        (-2.5, 0.0, "MB", "−2.5 MB"),
        (0.0000001, None, "s", "1e-07 s"),
        (83.125, 70.0, "%", "83.12 %"),
    ],
)
def test_an_observed_value_is_spelt_with_as_many_digits_as_the_comparison_needs(value, limit, unit, shown):
    assert numbers.apart(value, limit, unit).replace("\xa0", " ") == shown


@given(finite, finite)
def test_rounding_never_moves_a_value_across_its_limit(value, limit):
    assume(value != limit)
    shown = float(numbers.apart(value, limit, "").replace(",", "").replace("−", "-"))
    assert (shown < limit, shown > limit) == (value < limit, value > limit)


@given(finite)
def test_a_margin_is_shown_as_zero_only_when_it_is(margin):
    shown = re.sub(r"[^0-9.e-]", "", numbers.percent(margin).replace("−", ""))
    assert (float(shown) == 0) == (margin == 0)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (0.0004, "0.4 ms"), (0.42, "420 ms"), (4.812, "4.81 s"), (44.0, "44.0 s"), (65, "1 min 05 s"),
     (7380, "2 h 03 min"), (-1, "–"), (float("nan"), "–"), (59.96, "1 min 00 s")],
)  # fmt: skip
def test_a_duration_is_spelt_for_people(seconds, shown):
    assert numbers.duration(seconds).replace("\xa0", " ") == shown


def test_sizes_and_times_take_the_unit_that_reads_best():
    assert numbers.natural(101_000_000, "B") == "96.3\xa0MiB"
    assert numbers.natural(0.00028, "s") == "280\xa0µs"
    assert numbers.natural(42, "1") == "42"


def test_an_instant_is_spelt_in_utc_and_nonsense_is_left_alone():
    assert numbers.instant("2026-03-01T15:05:09+01:00") == "2026-03-01 14:05:09 UTC"
    assert numbers.instant("yesterday") == "yesterday"
