"""The API's pure parts: cursors, limits and parameters, for any input and at any time."""

import asyncio
import base64
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickstream.api import parameters, queries
from tickstream.api.cache import Cache
from tickstream.api.cursor import CHARACTERS, CursorError, Cursors
from tickstream.api.errors import Refusal
from tickstream.api.limiter import Limiter
from tickstream.api.redis_line import RedisAway
from tickstream.api.watchlists import Kind
from tickstream.faults import Faults
from tickstream.messaging.messages import Names
from tickstream.model import KINDS

CURSORS = Cursors("a secret of thirty-two characters")
places = st.integers(-(2**63), 2**63 - 1)


# ---- cursors ----------------------------------------------------------------------------------------------------


@given(st.text(), places)
def test_a_cursor_opens_to_the_place_it_was_sealed_with(query, place):
    sealed = CURSORS.seal(query, place)
    assert len(sealed) == CHARACTERS
    assert CURSORS.open(query, sealed) == place


@given(places, st.integers(0, 23), st.integers(1, 255))
def test_a_cursor_with_any_bit_changed_does_not_open(place, at, change):
    data = bytearray(base64.urlsafe_b64decode(CURSORS.seal("query", place)))
    data[at] ^= change
    with pytest.raises(CursorError):
        CURSORS.open("query", base64.urlsafe_b64encode(data).decode())


@given(st.text())
def test_no_other_text_is_a_cursor(text):
    with pytest.raises(CursorError):
        CURSORS.open("query", text)


def test_a_cursor_opens_for_its_query_and_its_secret_only():
    sealed = CURSORS.seal("patterns of A", 5)
    with pytest.raises(CursorError):
        CURSORS.open("patterns of B", sealed)
    with pytest.raises(CursorError):
        Cursors("another secret of the same length").open("patterns of A", sealed)


# ---- limits -----------------------------------------------------------------------------------------------------


@given(st.integers(1, 50), st.lists(st.floats(0.0, 0.5), max_size=200))
def test_in_no_time_more_is_granted_than_the_rate_and_one_burst(rate, pauses):
    limiter, now, granted = Limiter(rate), 1000.0, []
    for pause in pauses:
        now += pause
        if limiter.wait_s("ada", now) == 0:
            granted.append(now)
    for first, begin in enumerate(granted):
        for count, end in enumerate(granted[first:], 1):
            assert count <= rate + rate * (end - begin) + 1e-6


@given(st.integers(1, 50), st.integers(1, 200))
def test_who_waits_as_long_as_told_is_let_in(rate, asked):
    limiter = Limiter(rate)
    waits = [limiter.wait_s("ada", 5.0) for _ in range(asked)]
    assert waits == [0] * min(rate, asked) + [1] * max(0, asked - rate)
    assert limiter.wait_s("ada", 6.0) == 0


def test_one_user_does_not_use_up_anothers_share():
    limiter = Limiter(2)
    assert [limiter.wait_s("eve", 1.0) for _ in range(3)] == [0, 0, 1]
    assert limiter.wait_s("ada", 1.0) == 0


def test_only_users_of_the_last_second_are_remembered():
    limiter = Limiter(5)
    for number in range(1000):
        limiter.wait_s(f"user{number}", number / 100)
    assert len(limiter) <= 101


def test_however_many_users_come_at_once_the_table_is_bounded():
    limiter = Limiter(5, capacity=50)
    for number in range(1000):
        limiter.wait_s(f"user{number}", 1.0)
    assert len(limiter) == 50


# ---- parameters -------------------------------------------------------------------------------------------------

NUMBER = parameters.number("limit", "", 1, 500, default=100)
MOMENT = parameters.moment("since", "")
SYMBOL = parameters.symbol()
KNOWN = {parameter.name: parameter for parameter in (NUMBER, MOMENT, SYMBOL)}


@given(st.text())
def test_a_number_is_read_only_when_it_is_written_in_digits_and_in_range(text):
    try:
        value = NUMBER.read(text)
    except Refusal:
        return
    assert 1 <= value <= 500
    assert str(value) == text.lstrip("0")


@given(st.text(max_size=70))
def test_a_symbol_is_printable_and_short_or_refused(text):
    good = 1 <= len(text) <= 64 and all(character.isprintable() for character in text)
    if good:
        assert SYMBOL.read(text) == text
    else:
        with pytest.raises(Refusal):
            SYMBOL.read(text)


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()))  # noqa: DTZ001
def test_a_time_is_the_same_instant_in_utc(at):
    text = at.isoformat()
    offset = at.utcoffset()
    if offset is None or offset.seconds % 60:
        return  # offsets with seconds, as before 1900, cannot be written in a query
    assert MOMENT.read(text) == at.astimezone(UTC)
    assert MOMENT.read(text).tzinfo is UTC


@given(st.binary(max_size=60))
def test_any_query_is_read_or_refused(query):
    try:
        values = parameters.read_query(KNOWN, query)
    except Refusal:
        return
    assert set(values) == set(KNOWN)
    assert 1 <= values["limit"] <= 500


def test_what_is_not_given_has_its_default():
    assert parameters.read_query(KNOWN, b"") == {"limit": 100, "since": None, "symbol": None}


def test_the_kinds_of_watchlists_are_those_of_patterns():
    assert get_args(Kind) == KINDS


# ---- queries ----------------------------------------------------------------------------------------------------


def test_no_value_is_part_of_a_querys_text():
    filters = {"symbol": "A'", "kind": "gap", "direction": None, "min_strength": 7, "since": None, "until": None}
    text, values = queries.patterns(filters, 99, 11, Faults())
    assert values == ["A'", "gap", 7, 99, 11]
    assert "WHERE symbol = $1 AND kind = $2 AND strength >= $3 AND number < $4 ORDER BY number DESC LIMIT $5" in text


# ---- cache ------------------------------------------------------------------------------------------------------


class AbsentRedis:
    async def ask(self, *_):
        raise RedisAway


def test_without_redis_every_answer_is_worked_out_and_errors_reach_all_who_asked():
    async def many():
        cache = Cache(AbsentRedis(), Names("t:"), 1.0, Faults())
        calls = []

        async def work_out():
            calls.append(1)
            await asyncio.sleep(0)
            return b"%d" % len(calls)

        async def fail():
            await asyncio.sleep(0)
            raise LookupError

        together = await asyncio.gather(*(cache.answer("q", work_out) for _ in range(5)))
        later = await cache.answer("q", work_out)
        failed = await asyncio.gather(*(cache.answer("f", fail) for _ in range(3)), return_exceptions=True)
        return together, later, failed

    together, later, failed = asyncio.run(many())
    assert [(kept.body, kept.hit) for kept in together] == [(b"1", False)] * 5
    assert later.body == b"2"
    assert [type(error) for error in failed] == [LookupError] * 3


def test_one_who_goes_away_does_not_take_the_answer_from_the_others():
    async def many():
        cache = Cache(None, Names("t:"), 1.0, Faults())
        go_on = asyncio.Event()

        async def work_out():
            await go_on.wait()
            return b"answer"

        asking = [asyncio.create_task(cache.answer("q", work_out)) for _ in range(3)]
        await asyncio.sleep(0.01)
        asking[0].cancel()
        go_on.set()
        return await asyncio.gather(*asking, return_exceptions=True)

    first, *others = asyncio.run(many())
    assert isinstance(first, asyncio.CancelledError)
    assert [kept.body for kept in others] == [b"answer"] * 2
