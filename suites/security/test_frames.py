"""Frames that nobody should send: each ends the one connection that sent it, with a word why, and no other."""

import json

import pytest

from suites.security.client import said_to_all
from suites.security.talk import BINARY, CUT_OFF, PING, UPGRADE, Talk, frame, in_pieces
from suites.system import token

BOUND = 16 * 1024
MALFORMED = 4400
SUBSCRIBE = b'{"type":"subscribe"}'
TEXTS = {
    "empty": b"",
    "not_json": b"subscribe",
    "cut": b'{"type":"subscribe"',
    "list": b"[]",
    "null": b"null",
    "number": b"1" * 5000,
    "no_type": b"{}",
    "unknown_type": b'{"type":"admin"}',
    "type_list": b'{"type":["subscribe"]}',
    "type_of_ours": b'{"type":"subscribed","device":"x"}',
    "unknown_field": b'{"type":"subscribe","user":"admin"}',
    "prototype": b'{"type":"subscribe","__proto__":{}}',
    "two": SUBSCRIBE * 2,
    "deep": b"[" * 16_000,
    "deep_objects": b'{"type":' * 2_000,
    "device_path": b'{"type":"subscribe","device":"../../x"}',
    "device_colon": b'{"type":"subscribe","device":"a:b"}',
    "device_glob": b'{"type":"subscribe","device":"*"}',
    "device_line": b'{"type":"subscribe","device":"a\\r\\nSET x y"}',
    "device_long": json.dumps({"type": "subscribe", "device": "a" * 65}).encode(),
    "symbols_none": b'{"type":"subscribe","symbols":[]}',
    "symbols_many": json.dumps({"type": "subscribe", "symbols": ["A"] * 101}).encode(),
    "symbols_text": b'{"type":"subscribe","symbols":"AAPL"}',
    "symbols_nul": b'{"type":"subscribe","symbols":["A\\u0000"]}',
    "symbols_long": json.dumps({"type": "subscribe", "symbols": ["A" * 65]}).encode(),
    "kinds_unknown": b'{"type":"subscribe","kinds":["crash"]}',
    "strength_zero": b'{"type":"subscribe","min_strength":0}',
    "strength_large": b'{"type":"subscribe","min_strength":101}',
    "strength_huge": b'{"type":"subscribe","min_strength":' + b"9" * 400 + b"}",
    "strength_true": b'{"type":"subscribe","min_strength":true}',
    "ack_zero": b'{"type":"ack","number":0}',
    "ack_negative": b'{"type":"ack","number":-1}',
    "ack_ahead": b'{"type":"ack","number":4611686018427387904}',
    "ack_beyond": b'{"type":"ack","number":9223372036854775808}',
    "ack_nan": b'{"type":"ack","number":NaN}',
}
# Against the protocol itself: 1002 wrong, 1007 no UTF-8, 1009 too large.
FRAMES = {
    "not_masked": (frame(SUBSCRIBE, masked=False), {1002}),
    "reserved_opcode": (frame(b"", 3), {1002}),
    "reserved_control": (frame(b"", 11), {1002}),
    "reserved_bit_1": (frame(SUBSCRIBE, rsv=4), {1002}),
    "reserved_bit_3": (frame(SUBSCRIBE, rsv=1), {1002}),
    "ping_too_long": (frame(b"a" * 126, PING), {1002}),
    "ping_in_pieces": (frame(b"a", PING, fin=False), {1002}),
    "continuation_first": (frame(SUBSCRIBE, 0), {1002}),
    "text_within_text": (frame(b"{", fin=False) + frame(SUBSCRIBE), {1002}),
    "close_of_one_byte": (frame(b"\x03", 8), {1002}),
    "close_with_a_bad_code": (frame(b"\x03\xed", 8), {1002}),
    "not_utf8": (frame(b'{"type":"\xff\xfe"}'), {1007, MALFORMED}),
    "half_a_pair": (frame(b'{"type":"\xed\xa0\x80"}'), {1007, MALFORMED}),
    "binary": (frame(SUBSCRIBE, BINARY), {1003, MALFORMED}),
    "over_the_bound": (frame(SUBSCRIBE.ljust(BOUND + 1)), {1009}),
    "says_it_is_over": (frame(b"", length=BOUND + 1), {1009}),
    "says_it_is_4_gib": (frame(b"", length=1 << 32), {1009}),
    "says_it_is_8_eib": (frame(b"", length=(1 << 63) - 1), {1009}),
    "says_it_is_negative": (frame(b"", length=(1 << 64) - 1), {1002, 1009}),
    "over_the_bound_in_pieces": (in_pieces(SUBSCRIBE.ljust(BOUND + 1), [BOUND // 2, BOUND // 2]), {1009}),
    "binary_over_the_bound": (frame(b"\0" * (BOUND + 1), BINARY), {1009}),
}


@pytest.fixture
def witness(system, unique):
    """Somebody else, who must notice nothing."""
    with Talk(system.port("broadcast"), token=token(f"{unique}-witness")) as talk:
        yield talk
        talk.send(type="subscribe")
        assert talk.hear("subscribed")["type"] == "subscribed"


def end_after(system, user, data):
    with Talk(system.port("broadcast"), token=token(user)) as talk:
        talk.send_raw(data)
        return talk.end()


@pytest.mark.parametrize("what", TEXTS)
def test_a_text_that_is_no_message_ends_its_connection(what, system, unique, witness, tally):
    tally.tried()
    assert end_after(system, unique, frame(TEXTS[what])) == (MALFORMED, ["error"])


@pytest.mark.parametrize("what", FRAMES)
def test_a_frame_against_the_protocol_ends_its_connection(what, system, unique, witness, tally):
    data, codes = FRAMES[what]
    tally.tried()
    code, told = end_after(system, unique, data)
    assert code in codes
    assert "subscribed" not in told


def test_sweep_of_frames_before_a_token_was_shown(system, witness, tally):
    """Recorded only: the threshold `attacks_succeeded` judges. Strangers are held to the same bounds."""
    attacks = {
        **{what: frame(text) for what, text in TEXTS.items()},
        **{what: data for what, (data, _) in FRAMES.items()},
    }
    for what, data in attacks.items():
        tally.tried()
        with Talk(system.port("broadcast")) as talk:
            talk.send_raw(data)
            code, told = talk.end()
        if code in {0, CUT_OFF} or "subscribed" in told:
            tally.succeeded(f"{what} before a token: {code} {told}")


def test_a_message_in_many_pieces_is_one_message(system, unique, tally):
    """That pieces as such are taken, and only too much of them is not."""
    with Talk(system.port("broadcast"), token=token(unique)) as talk:
        talk.send_raw(in_pieces(SUBSCRIBE, [3, 5, 1]))
        assert talk.hear("subscribed")["type"] == "subscribed"


@pytest.mark.parametrize(
    "flood",
    [frame(SUBSCRIBE) * 2000, frame(b"", PING) * 5000, frame(b"", fin=False) + frame(b"", 0, fin=False) * 20_000,
     frame(b'{"type":"ack","number":1}') * 2000],
    ids=["messages", "pings", "empty_pieces", "acks"],
)  # fmt: skip
def test_a_flood_of_frames_is_ended_while_others_are_served(flood, system, unique, witness, tally):
    tally.tried()
    code, _ = end_after(system, unique, flood)
    assert code in {4429, 4400, 1008, 1013}


OFFERS = ["permessage-deflate", "permessage-deflate; client_max_window_bits=15", "x-webkit-deflate-frame",
          "permessage-deflate, permessage-deflate; server_no_context_takeover"]  # fmt: skip


@pytest.mark.parametrize("offer", OFFERS)
def test_compression_is_never_agreed_on(offer, system, unique, tally):
    """What is not compressed cannot swell: one kilobyte stays one kilobyte."""
    tally.tried()
    with Talk(system.port("broadcast"), headers=[("Sec-WebSocket-Extensions", offer)], token=token(unique)) as talk:
        assert talk.status == 101
        assert "sec-websocket-extensions" not in talk.head.lower()


def test_half_a_handshake_becomes_no_connection(system, unique, tally):
    """Each lacks what makes an upgrade of a request, and brings the frames along all the same."""
    good = ("Authorization", f"Bearer {token(unique)}")
    kept = dict(UPGRADE)
    heads = []
    for change in ({"Upgrade": "h2c"}, {"Connection": "close"}, {"Sec-WebSocket-Version": "12"},
                   {"Sec-WebSocket-Key": "short"}, {"Sec-WebSocket-Key": "!" * 24}):  # fmt: skip
        lines = [*{**kept, **change}.items(), good]
        heads.append(b"GET /ws HTTP/1.1\r\n" + b"".join(f"{n}: {v}\r\n".encode() for n, v in lines) + b"\r\n")
    for missing in ("Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version"):
        lines = [*((n, v) for n, v in kept.items() if n != missing), good]
        heads.append(b"GET /ws HTTP/1.1\r\n" + b"".join(f"{n}: {v}\r\n".encode() for n, v in lines) + b"\r\n")
    whole = b"".join(f"{n}: {v}\r\n".encode() for n, v in [*UPGRADE, good]) + b"\r\n"
    heads += [line + whole for line in (b"POST /ws HTTP/1.1\r\n", b"GET /ws HTTP/1.0\r\n", b"GET /WS HTTP/1.1\r\n",
                                        b"GET /ws/ HTTP/1.1\r\n", b"GET /%77s HTTP/1.1\r\n", b"GET //ws HTTP/1.1\r\n",
                                        b"GET /healthz/../ws HTTP/1.1\r\n", b"get /ws HTTP/1.1\r\n")]  # fmt: skip
    tally.tried(len(heads))
    for answered, _ in said_to_all(system.port("broadcast"), [head + frame(SUBSCRIBE) for head in heads]):
        assert b" 101 " not in answered.partition(b"\r\n")[0]
        assert b"subscribed" not in answered
