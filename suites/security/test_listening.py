"""Who may listen to the broadcaster, to what, and for how long."""

import json
import time

import pytest

from suites.security.client import request, said
from suites.security.forgery import refused
from suites.security.talk import UPGRADE, Talk, frame
from suites.system import token
from suites.websocket_broadcast.told import Teller, a_pattern

REFUSED = refused("mallory")
# A text longer than any token may be is a malformed frame, before anybody asks whether it is a token.
ENDS = {4401, 4400}


@pytest.fixture
def talk(system):
    """Opens connections to the broadcaster, which end with the test."""
    opened = []

    def open_(path="/ws", headers=(), **options):
        opened.append(Talk(system.port("broadcast"), path, headers, **options))
        return opened[-1]

    yield open_
    for one in opened:
        one.__exit__()


@pytest.fixture
def tell(system):
    """Tells patterns as the system does; the numbers that they were given."""

    async def tell(*patterns):
        async with Teller(system.redis_url, system.names) as teller:
            return await teller.tell_all(patterns)

    return tell


def subscribed(one, **wish):
    one.send(type="subscribe", **wish)
    return one.hear("subscribed")


def numbers(one, until):
    """The numbers of all patterns up to and with this one."""
    got = []
    while until not in got:
        got.append(one.hear("pattern")["number"])
    return got


def test_a_good_token_lets_a_user_listen_by_header_and_by_frame(talk, unique, tally):
    """Without this, all the refusals below could be those of a broadcaster that lets nobody in."""
    assert subscribed(talk(token=token(unique)))["symbols"] == "*"
    by_frame = talk()
    by_frame.send(type="auth", token=token(unique))
    assert subscribed(by_frame)["symbols"] == "*"


def test_no_refused_token_opens_a_handshake(talk, tally):
    tally.tried(len(REFUSED))
    statuses = {wrong: talk(token=text).status for wrong, text in REFUSED.items()}
    assert statuses == dict.fromkeys(REFUSED, 401)


def test_every_refused_handshake_says_the_same(talk, tally):
    heads = {"\n".join(line for line in talk(token=text).head.splitlines() if not line.startswith("Date"))
             for text in REFUSED.values()}  # fmt: skip
    assert len(heads) == 1


def test_no_refused_token_is_taken_in_a_frame_and_nothing_behind_it_is_heard(talk, tally):
    """The wish to subscribe is sent in the same breath, before the refusal can come."""
    ends = {}
    for wrong, text in REFUSED.items():
        one = talk()
        one.send(type="auth", token=text)
        one.send(type="subscribe")
        tally.tried()
        ends[wrong] = one.end()
    assert {wrong: end for wrong, end in ends.items() if end[0] not in ENDS or end[1] != ["error"]} == {}


def test_sweep_of_refused_tokens_at_the_broadcaster(talk, tally):
    """Recorded only: the threshold `unauthorised_answers` judges."""
    for wrong, text in REFUSED.items():
        tally.tried(2)
        if talk(token=text).status == 101:
            tally.unauthorised(f"a handshake with a token that is {wrong}")
        one = talk()
        one.send(type="auth", token=text)
        one.send(type="subscribe")
        if "subscribed" in one.end()[1]:
            tally.unauthorised(f"a frame with a token that is {wrong}")


@pytest.mark.parametrize("first", [{"type": "subscribe"}, {"type": "ack", "number": 1}], ids=["subscribe", "ack"])
def test_without_a_token_nothing_is_granted(first, talk, tally):
    one = talk()
    one.send(**first)
    tally.tried()
    assert one.end() == (4401, ["error"])


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/ws?token={}", []),
        ("/ws?access_token={}", []),
        ("/ws", [("Cookie", "token={0}; Authorization=Bearer {0}")]),
        ("/ws", [("Sec-WebSocket-Protocol", "bearer, {}")]),
        ("/ws", [("X-Authorization", "Bearer {}")]),
        ("/ws", [("Origin", "https://evil.example"), ("Cookie", "session={}")]),
    ],
    ids=["query", "query_access", "cookie", "protocol", "other_header", "another_site"],
)
def test_a_token_anywhere_else_does_not_count(path, headers, talk, unique, tally):
    """So a page of another site, which can open a connection but show no token, is told nothing."""
    good = token(unique)
    tally.tried()
    one = talk(path.format(good), [(name, text.format(good)) for name, text in headers])
    if one.status == 101:
        one.send(type="subscribe")
        assert one.end() == (4401, ["error"])
    assert one.status in {101, 400, 401, 404}


def test_two_tokens_in_one_handshake_are_none(talk, unique, tally):
    tally.tried()
    assert talk(token=token(unique), headers=[("Authorization", f"Bearer {token(unique)}")]).status == 401


def test_a_token_without_the_scope_does_not_listen(talk, unique, tally):
    others = token(unique, "patterns:read", "bars:read", "watchlists:read", "watchlists:write")
    tally.tried(2)
    assert talk(token=others).status == 403
    one = talk()
    one.send(type="auth", token=others)
    one.send(type="subscribe")
    assert one.end() == (4403, ["error"])


def test_giving_the_token_up_ends_what_is_open_and_opens_nothing_again(system, talk, unique, tally):
    text = token(unique)
    open_, other = talk(token=text), talk(token=token(unique))
    subscribed(open_)
    subscribed(other)
    tally.tried(3)
    assert system.client(text).ask("DELETE", "/api/v1/token").status == 204
    assert open_.end() == (4401, ["error"])
    assert talk(token=text).status == 401
    late = talk()
    late.send(type="auth", token=text)
    assert late.end() == (4401, ["error"])
    other.send(type="subscribe")
    assert other.hear("subscribed")["type"] == "subscribed", "the user's other token lives on"


def test_a_connection_does_not_outlive_its_token(talk, unique, tally):
    began = time.monotonic()
    one = talk(token=token(unique, lifetime_s=1.0))
    subscribed(one)
    tally.tried()
    assert one.end() == (4401, ["error"])
    assert time.monotonic() - began >= 0.9, "it was the end of the token that ended it"


def test_a_connection_cannot_become_another_users(talk, unique, tally):
    one = talk(token=token(unique))
    one.send(type="auth", token=token(f"{unique}-other"))
    tally.tried()
    assert one.end()[0] == 4400


def test_one_user_cannot_take_all_the_room(talk, unique, tally):
    """Three connections are the installation's bound for each user."""
    held = [talk(token=token(unique)) for _ in range(3)]
    tally.tried(2)
    assert [one.status for one in held] == [101, 101, 101]
    assert talk(token=token(unique)).status == 409
    by_frame = talk()
    by_frame.send(type="auth", token=token(unique))
    assert by_frame.end()[0] == 4409
    assert talk(token=token(f"{unique}-other")).status == 101


async def test_nobody_is_told_what_they_did_not_ask_for(talk, tell, unique, tally):
    wishes = {"a": {"symbols": [f"{unique}A"]}, "b": {"symbols": [f"{unique}B"], "kinds": ["gap"]},
              "c": {"symbols": [f"{unique}A", f"{unique}B"], "min_strength": 90}}  # fmt: skip
    users = {name: talk(token=token(f"{unique}-{name}")) for name in wishes}
    for name, wish in wishes.items():
        subscribed(users[name], **wish)
    told = await tell(a_pattern(f"{unique}A", "gap", 50), a_pattern(f"{unique}B", "gap", 50),
                      a_pattern(f"{unique}B", "breakout", 50), a_pattern(f"{unique}A", "gap", 95),
                      a_pattern(f"{unique}B", "gap", 95))  # fmt: skip
    tally.tried(len(told) * len(users))
    assert numbers(users["a"], told[3]) == [told[0], told[3]]
    assert numbers(users["b"], told[4]) == [told[1], told[4]]
    assert numbers(users["c"], told[4]) == [told[3], told[4]]


async def test_what_a_user_missed_goes_by_that_users_own_filter(talk, tell, unique, tally):
    for name in ("a", "b"):
        one = talk(token=token(f"{unique}-{name}"))
        subscribed(one, symbols=[f"{unique}{name}"])
        one.__exit__()
    told = await tell(
        a_pattern(f"{unique}a"), a_pattern(f"{unique}b"), a_pattern(f"{unique}a"), a_pattern(f"{unique}b")
    )
    back = {name: talk(token=token(f"{unique}-{name}")) for name in ("a", "b")}
    tally.tried(len(told))
    for one in back.values():
        subscribed(one)
    assert numbers(back["a"], told[2]) == [told[0], told[2]]
    assert numbers(back["b"], told[3]) == [told[1], told[3]]


async def test_one_users_acknowledgement_moves_nobody_elses_place(talk, tell, unique, tally):
    """Also where names and devices are chosen so that they could run together."""
    names = ((unique, "d"), (f"{unique}:d", "d"), (f"{unique}:d:d", "default"), (f"{unique}/d", "d"))
    places = {}
    for user, device in names:
        places[user] = talk(token=token(user))
        subscribed(places[user], device=device, symbols=[unique])
    [number] = await tell(a_pattern(unique))
    for one in places.values():
        assert numbers(one, number) == [number]
    places[unique].send(type="ack", number=number)
    assert places[unique].hear("acknowledged")["number"] == number
    tally.tried(len(names) - 1)
    for user, device in names[1:]:
        places[user].__exit__()
        back = talk(token=token(user))
        assert subscribed(back, device=device)["acknowledged"] < number
        assert numbers(back, number) == [number]


def test_a_frame_behind_a_refused_handshake_is_not_listened_to(system, unique, tally):
    forged = [*UPGRADE, ("Authorization", f"Bearer {token(unique, secret='z' * 40)}")]
    frames = frame(json.dumps({"type": "auth", "token": token(unique)}).encode()) + frame(b'{"type":"subscribe"}')
    tally.tried()
    answered, _ = said(system.port("broadcast"), request("GET", "/ws", forged) + frames)
    assert b" 101 " not in answered.partition(b"\r\n")[0], "nothing at all where the connection was reset"
    assert b"subscribed" not in answered
