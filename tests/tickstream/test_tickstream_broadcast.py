"""The broadcaster's rules that need no network: filters and their history, frames, caps, and seams that add nothing."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from websockets.frames import Frame, Opcode

from tickstream.broadcast import spoilt
from tickstream.broadcast.fanout import Fanout
from tickstream.broadcast.filters import EVERYTHING, MAX_CHANGES, Change, Filter, Filters, wanted
from tickstream.broadcast.metrics import Metrics
from tickstream.broadcast.past import Past
from tickstream.broadcast.protocol import Ack, Auth, Kind, Missed, Subscribe, decode, frame
from tickstream.broadcast.roster import Roster, TooMany
from tickstream.faults import Faults
from tickstream.model import KINDS, Pattern

A, B, C = (Filter(frozenset([symbol])) for symbol in "ABC")


def pattern(symbol="A", kind="gap", strength=50):
    return Pattern(number=1, kind=kind, symbol=symbol, minute="", direction="up", price="1", strength=strength)


def test_the_kinds_that_can_be_asked_for_are_those_that_there_are():
    assert get_args(Kind) == KINDS


@pytest.mark.parametrize("strength", [49, 50, 51])
def test_a_filter_takes_its_least_strength_and_more(strength):
    assert Filter(min_strength=50).wants(pattern(strength=strength)) == (strength >= 50)


def test_a_filter_takes_only_what_is_in_all_of_its_parts():
    one = Filter(frozenset(["A"]), frozenset(["gap"]), 10)
    assert one.wants(pattern())
    assert not any(one.wants(other) for other in (pattern("B"), pattern(kind="breakout"), pattern(strength=9)))
    assert EVERYTHING.wants(pattern("anything", "engulfing", 1))


def test_a_filter_holds_from_its_number_and_the_one_before_until_then():
    filters = Filters(1, A)
    filters.change(B, 10)
    filters.change(C, 20)
    assert [filters.at(number) for number in (1, 9, 10, 19, 20, 99)] == [A, A, B, B, C, C]
    assert (filters.current, filters.since) == (C, 20)


def test_the_same_filter_again_changes_nothing():
    filters = Filters(1, A)
    filters.change(A, 10)
    assert filters.since == 1


def test_two_changes_at_one_number_are_the_second():
    filters = Filters(1, A)
    filters.change(B, 10)
    filters.change(C, 10)
    assert [filters.at(number) for number in (9, 10)] == [A, C]


@given(st.lists(st.sampled_from([A, B, C]), max_size=30), st.integers(0, 40))
def test_what_is_forgotten_changes_nothing_for_what_can_still_be_asked(changes, upto):
    filters, whole = Filters(1, EVERYTHING), {}
    for number, one in enumerate(changes, start=2):
        filters.change(one, number)
        filters.forget(number - MAX_CHANGES + 1)  # as if nearly everything was acknowledged in time
    for number in range(upto + 1, len(changes) + 3):
        whole[number] = filters.at(number)
    filters.forget(upto)
    assert {number: filters.at(number) for number in whole} == whole


def test_the_history_of_filters_is_bounded_and_keeps_the_newest():
    filters = Filters(1, EVERYTHING)
    for number in range(2, 200):
        filters.change(A if number % 2 else B, number)
    assert len(filters.stored()) == MAX_CHANGES
    assert filters.at(199) is A


def test_filters_come_back_as_they_were_kept():
    filters = Filters(1, A)
    filters.change(Filter(None, frozenset(["gap", "breakout"]), 7), 12)
    kept = msgspec.json.decode(msgspec.json.encode(filters.stored()), type=list[Change])
    again = Filters.restore(kept)
    assert [again.at(number) for number in (1, 11, 12)] == [filters.at(number) for number in (1, 11, 12)]
    assert (again.current, again.since) == (filters.current, 12)


def test_a_subscription_that_names_nothing_leaves_the_filter_and_one_that_names_any_sets_all():
    assert wanted(Subscribe()) is None
    assert wanted(Subscribe(device="phone")) is None
    assert wanted(Subscribe(symbols=["A"])) == A
    assert wanted(Subscribe(symbols="*")) == EVERYTHING
    assert wanted(Subscribe(min_strength=3)) == Filter(min_strength=3)


@pytest.mark.parametrize("size", [1, 113, 114, 115, 65_520, 65_521, 65_522, 70_000])
def test_a_frame_is_what_a_websocket_library_makes_of_it(size):
    message = {"type": "x", "y": "z" * size}
    assert frame(message) == Frame(Opcode.TEXT, msgspec.json.encode(message)).serialize(mask=False)


def test_frames_name_their_type():
    assert frame(Missed(3))[2:] == b'{"type":"missed","count":3}'
    assert decode(b'{"type":"ack","number":4}') == Ack(4)
    assert decode(b'{"type":"auth","token":"t"}') == Auth("t")


def roster(faults="", **limits):
    return Roster(**{"max_subscribers": 3, "max_per_user": 2, "heartbeat_s": 1.0, **limits}, faults=Faults(faults))


def test_a_roster_has_room_for_so_many_and_for_so_many_of_each_user():
    full = roster()
    full.enter("ada")
    full.enter("ada")
    with pytest.raises(TooMany, match="this user") as of_user:
        full.enter("ada")
    full.enter("eve")
    with pytest.raises(TooMany, match="no room") as of_all:
        full.enter("bob")
    assert (of_user.value.of_user, of_all.value.of_user, full.subscribers) == (True, False, 3)


def test_without_faults_nothing_stands_between_a_pattern_and_its_subscribers():
    metrics = Metrics(CollectorRegistry())
    assert type(spoilt.fanout(metrics, Faults("slow_broadcast=1ms"))) is Fanout
    assert type(spoilt.past({}, Faults("lost_broadcast"))) is Past
    assert type(spoilt.fanout(metrics, Faults("lost_broadcast=0.5"))) is not Fanout
    assert type(spoilt.past({}, Faults("lost_queue=0.5"))) is not Past


def test_the_defects_of_a_return_lose_double_and_reorder():
    frames = [bytes([number]) for number in range(200)]
    assert spoilt.past({}, Faults("lost_queue=0.1")).frames(frames) != frames
    assert sorted(set(spoilt.past({}, Faults("double_queue=0.1")).frames(frames))) == frames
    assert len(spoilt.past({}, Faults("double_queue=0.1")).frames(frames)) > 200
    reordered = spoilt.past({}, Faults("reorder_queue=0.1")).frames(frames)
    assert reordered != frames
    assert sorted(reordered) == frames
