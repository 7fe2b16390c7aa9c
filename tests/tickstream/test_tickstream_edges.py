"""Settings, faults, waits, messages and the exchange: what they accept, refuse and promise."""

from itertools import islice, pairwise

import msgspec
import pytest

from tickstream.backoff import delays
from tickstream.exchange.market import Regime, ticks
from tickstream.faults import FaultError, Faults
from tickstream.messaging.messages import Message, Names, parse_live
from tickstream.model import Tick
from tickstream.settings import SettingsError, read
from tickstream.wire import Ticks, decode_request, encode

TICKS = [Tick("A", 100 + n, 1, n, n) for n in range(1, 2001)]


def spoilt(text):
    seen = []
    Faults(text).on_apply(seen.extend)(TICKS)
    return seen


def test_without_faults_ticks_pass_through_the_very_same_function():
    apply = [].extend
    assert Faults("").on_apply(apply) is apply
    assert Faults("slow_batch=80ms,lost_message=0.5").on_apply(apply) is apply


def test_dropped_and_doubled_ticks_are_about_as_many_as_asked_for():
    assert 50 < len(TICKS) - len(spoilt("drop_ticks=0.05")) < 200
    assert 50 < len(spoilt("double_ticks=0.05")) - len(TICKS) < 200


def test_reordered_ticks_swap_prices_and_nothing_else():
    after = spoilt("reorder_ticks=0.1")
    assert [tick.sequence for tick in after] == [tick.sequence for tick in TICKS]
    assert sorted(tick.price_micros for tick in after) == sorted(tick.price_micros for tick in TICKS)
    assert after != TICKS


def test_the_same_faults_strike_the_same_ticks():
    assert spoilt("drop_ticks=0.1") == spoilt("drop_ticks=0.1")


@pytest.mark.parametrize(
    "text",
    ["drop", "drop_ticks=2", "drop_ticks=80ms", "slow_tick=0.5", "slow_tick", "slow_tick=ms", "a=1", "drop_ticks=-1"],
)
def test_a_fault_that_cannot_be_is_refused(text):
    with pytest.raises(FaultError, match="fault"):
        Faults(text)


def test_every_problem_of_the_settings_is_named_at_once():
    wrong = {"TICKSTREAM_PORT": "70000", "LOG_LEVEL": "loud", "TICKSTREAM_FAULTS": "magic", "TICKSTREAM_MAX_BARS": "٣"}
    with pytest.raises(SettingsError) as refusal:
        read(wrong)
    for name in (*wrong, "POSTGRES_URL"):
        assert name in str(refusal.value)


def test_settings_have_sound_defaults():
    settings = read({"POSTGRES_URL": "postgresql://x"})
    assert (settings.redis_url, settings.host, settings.schema) == (None, "127.0.0.1", "public")


def test_waits_begin_at_once_grow_and_stay_under_their_cap():
    waits = list(islice(delays(0.01, 0.2), 50))
    assert waits[0] == 0
    assert all(0.005 <= wait <= 0.2 for wait in waits[1:])
    assert all(wait >= 0.1 for wait in waits[10:])


def test_a_live_message_is_a_number_and_a_payload():
    assert parse_live("a", b"12:x:y") == Message("a", 12, b"x:y")


@pytest.mark.parametrize("data", [b"", b"x", b":x", b"-1:x", b"1.5:x"])
def test_anything_else_on_a_channel_is_refused(data):
    with pytest.raises(ValueError, match="expected <number>:<payload>"):
        parse_live("a", data)


def test_a_channel_finds_its_own_name_again():
    names = Names("p:")
    assert names.without(names.channel("bars:Ä").encode()) == "bars:Ä"


def test_frames_come_back_as_they_went():
    assert decode_request(encode(Ticks(TICKS))) == Ticks(TICKS)


@pytest.mark.parametrize(
    "tick",
    [
        ["", 1, 1, 0, 1],
        ["A\0", 1, 1, 0, 1],
        ["A", 0, 1, 0, 1],
        ["A", 1, 0, 0, 1],
        ["A", 1, 1, -1, 1],
        ["A", 1, 1, 0, 0],
    ],
)
def test_a_tick_outside_its_limits_is_not_decoded(tick):
    with pytest.raises(msgspec.ValidationError):
        decode_request(msgspec.msgpack.encode(["ticks", [tick]]))


@pytest.mark.parametrize("regime", list(Regime))
def test_an_exchange_repeats_itself_and_numbers_its_ticks(regime):
    first = list(islice(ticks(["A", "B"], seed=1, regime=regime), 3000))
    assert first == list(islice(ticks(["A", "B"], seed=1, regime=regime), 3000))
    assert [tick.sequence for tick in first] == list(range(1, 3001))
    assert all(one.at_us <= two.at_us for one, two in pairwise(first))
    assert all(tick.price_micros > 0 and tick.price_micros % 10_000 == 0 for tick in first)


def test_regimes_differ_as_their_names_say():
    def moves(regime):
        prices = [tick.price_micros for tick in islice(ticks(["A"], seed=3, regime=regime), 20_000)]
        steps = [abs(two - one) / one for one, two in pairwise(prices)]
        return abs(prices[-1] / prices[0] - 1), sum(steps) / len(steps)

    drift, calm = moves(Regime.TRENDING)
    rest, _ = moves(Regime.RANGING)
    _, wild = moves(Regime.VOLATILE)
    assert drift > 5 * rest
    assert wild > 3 * calm
