"""Nothing that comes from outside can do more on a screen than be read."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.terminal import text

_CONTROLS = "\x1b[]P^_X\x07\x9b\x9d\x9c\\;0mA\r\n\t\x7f\u202e\u2066\u200b\u200d\ufeff\u00ad\u2028#::"
hostile = st.text(st.sampled_from(_CONTROLS) | st.characters())


@given(hostile)
def test_nothing_invisible_is_left(raw):
    assert not [char for char in text.printable(raw) if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


@given(hostile)
def test_cleaning_twice_is_cleaning_once(raw):
    assert text.printable(text.printable(raw)) == text.printable(raw)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="#")))
def test_plain_text_stays_as_it_is(raw):
    assert text.printable(raw) == raw


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9d0;title\x9cafter", "after"),
        ("\x1bPdcs\x1b\\after", "after"),
        ("\x9b2Jafter", "after"),
        ("\x1bcafter", "after"),
        ("\x1b(Bafter", "after"),
        ("PASS\rFAIL", "PASS FAIL"),
        ("one\r\ntwo\tthree\u2028four", "one two three four"),
        ("GO\x08\x08NO", "GONO"),
        ("abc\u202edef\u2066", "abcdef"),
        ("a\u200bb\u200dc\ufeffd\u00ade\u2060f", "abcdef"),
        ("a\u3164b\ufe0fc\U000e0041d", "abcd"),
        ("a ##[add-mask]GO", "a # #[add-mask]GO"),
        ("日本語 ok", "日本語 ok"),
    ],
)
def test_what_moves_hides_or_commands_is_removed(raw, shown):
    assert text.printable(raw) == shown


def test_an_unterminated_control_string_does_not_swallow_the_message():
    assert "limit exceeded" in text.printable("\x1b]0;limit exceeded")


@given(hostile, st.integers(0, 60))
def test_shortened_text_fits(raw, width):
    shown = text.printable(raw)
    assert text.cells(text.shorten(shown, width)) <= width
    assert text.cells(text.shorten_middle(shown, width)) <= width


@given(hostile, st.integers(1, 60), st.integers(1, 4))
def test_wrapped_text_fits(raw, width, lines):
    parts = text.wrap(text.printable(raw), width, lines)
    assert len(parts) <= lines
    assert all(text.cells(part) <= width for part in parts)


def test_wide_characters_count_twice_and_combining_ones_not():
    assert text.cells("日本e\u0301") == 5


def test_the_middle_goes_and_the_end_of_a_test_id_stays():
    assert text.shorten_middle("suites/pay/test_pay.py::test_no_double_charge", 30).endswith(
        "test_no_double_charge"[-15:]
    )


@given(hostile, st.sampled_from(["ascii", "latin-1", "utf-8", "cp437"]))
def test_every_encoding_can_express_what_is_shown(raw, encoding):
    text.encodable(text.printable(raw), encoding).encode(encoding)


def test_signs_have_an_ascii_spelling():
    assert text.encodable("✔ ✘ … · ≤ −1 ×", "ascii") == "+ x ~ - <= -1 x"


@pytest.mark.parametrize(
    ("seconds", "spelt"),
    [
        (-1, "0.00 s"),
        (0.42, "0.42 s"),
        (14.24, "14.2 s"),
        (59.96, "1 min 00 s"),
        (65, "1 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7380, "2 h 03 min"),
    ],
)
def test_durations_read_well(seconds, spelt):
    assert text.duration(seconds) == spelt


@pytest.mark.parametrize(
    ("fraction", "spelt"),
    [(0.18, "+18 %"), (-0.03, "-3 %"), (0.0, "+0 %"), (-0.0004, "-0.04 %"), (0.0004, "+0.04 %"), (1.5, "+150 %")],
)
def test_a_margin_never_rounds_to_zero(fraction, spelt):
    assert text.percent(fraction) == spelt


@given(st.floats(0, 1e6))
def test_a_clock_has_no_decimals(seconds):
    assert re.fullmatch(r"(\d+:)?\d+:\d\d", text.clock(seconds))
