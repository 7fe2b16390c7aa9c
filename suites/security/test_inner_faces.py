"""The faces that are meant for the inside: who reaches them all the same breaks nothing and gets nothing in."""

import asyncio
from urllib.parse import quote

import msgspec
import pytest

from suites.security.client import said
from suites.security.talk import BINARY, Talk, frame, in_pieces
from suites.system import Hello, Tick, Ticks, encode

NOON_US = 1_700_000_040_000_000
BOUND = 4 * 1024 * 1024
# MessagePack that promises more than it holds, or nests deeper than anybody means it.
LIES = {
    "list_of_4_billion": b"\xdd\xff\xff\xff\xff",
    "map_of_4_billion": b"\xdf\xff\xff\xff\xff",
    "text_of_4_gib": b"\xdb\xff\xff\xff\xff",
    "bytes_of_4_gib": b"\xc6\xff\xff\xff\xff",
    "ticks_of_4_billion": b"\x92\xa5ticks\xdd\xff\xff\xff\xff",
    "ticks_in_ticks": b"\x92\xa5ticks" + b"\x91" * 50_000 + b"\xc0",
    "deep_lists": b"\x91" * 100_000,
    "deep_maps": b"\x81\xc0" * 100_000,
    "extension_of_4_gib": b"\xc9\xff\xff\xff\xff\x01",
    "time_of_the_end": b"\xc7\x0c\xff" + b"\xff" * 12,
    "never_used": b"\xc1",
    "nothing": b"",
    "not_utf8": b"\x92\xa5hello\xa2\xff\xfe",
    "trailing": encode(Hello("x")) + b"\x00",
    "hello_of_kilobytes": b"\x92\xa5hello\xda\xff\xff" + b"a" * 0xFFFF,
}
VALUES = {
    "price_negative": -1,
    "price_zero": 0,
    "price_beyond": 2**63,
    "price_fraction": 1.5,
    "price_nan": float("nan"),
    "price_text": "1",
    "price_null": None,
    "price_true": True,
}


@pytest.fixture
def source(system, unique):
    """A connection that has said hello."""
    with Talk(system.port("ingest"), "/ticks") as talk:
        talk.send_raw(frame(encode(Hello(unique)), BINARY))
        talk.next()
        yield talk


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("part", ["ingest", "exchange"])
def test_a_frame_that_lies_about_its_size_ends_its_connection(part, lie, system, tally):
    tally.tried()
    with Talk(system.port(part), "/ticks") as talk:
        talk.send_raw(frame(LIES[lie], BINARY))
        assert talk.end()[0] in {1002, 1007, 1009}


@pytest.mark.parametrize("lie", LIES)
def test_a_frame_that_lies_after_hello_ends_its_connection(lie, source, tally):
    tally.tried()
    source.send_raw(frame(LIES[lie], BINARY))
    assert source.end()[0] in {1002, 1007, 1009}


@pytest.mark.parametrize("part", ["ingest", "exchange"])
def test_a_frame_over_the_bound_is_refused_by_its_head(part, system, tally):
    """Whether it comes, is only promised, or comes in pieces."""
    over = [frame(b"", BINARY, length=BOUND + 1), frame(b"", BINARY, length=(1 << 63) - 1),
            in_pieces(b"\0" * (BOUND + 1), [BOUND // 2, BOUND // 2], BINARY)]  # fmt: skip
    for data in over:
        tally.tried()
        with Talk(system.port(part), "/ticks") as talk:
            talk.send_raw(data)
            assert talk.end()[0] in {1009, 1006}, "1006: it closed while we were still sending"


@pytest.mark.parametrize("part", ["ingest", "exchange"])
def test_a_text_is_no_frame_of_ticks(part, system, tally):
    tally.tried()
    with Talk(system.port(part), "/ticks") as talk:
        talk.send_text(b'["hello","x"]')
        assert talk.end()[0] == 1007


@pytest.mark.parametrize("sequence", [-1, 0, 2**62, 2**63 - 1, -(2**63), 2**64 - 1], ids=str)
def test_a_taker_cannot_lead_the_exchange_out_of_its_day(sequence, system, tally):
    tally.tried()
    with Talk(system.port("exchange"), "/ticks") as talk:
        talk.send_raw(frame(msgspec.msgpack.encode(["expect", sequence]), BINARY))
        assert talk.end()[0] in {1007, 1008}


async def test_what_was_refused_is_in_no_bar(system, source, unique, tally):
    """Valid ticks in one frame with a bad one are not taken either; the next good frame is."""
    for value in VALUES.values():
        tally.tried()
        with Talk(system.port("ingest"), "/ticks") as talk:
            talk.send_raw(frame(encode(Hello(f"{unique}-bad")), BINARY))
            talk.next()
            ticks = [[unique, 5_000_000, 1, NOON_US, 1], [unique, value, 1, NOON_US + 1, 2]]
            talk.send_raw(frame(msgspec.msgpack.encode(["ticks", ticks]), BINARY))
            assert (await asyncio.to_thread(talk.end))[0] == 1007
    source.send_raw(frame(encode(Ticks([Tick(unique, 7_000_000, 3, NOON_US, 1)])), BINARY))
    await system.database.settled(unique, 1)
    [(_, bar)] = (await system.database.bars(unique)).items()
    assert (bar.volume, bar.trades) == (3, 1)


async def test_a_symbol_that_is_sql_or_markup_is_a_symbol(system, source, unique, tally):
    """Names from the market are as foreign as those of users, and reach the same tables and answers."""
    names = [f"{unique}'; DROP TABLE ohlcv_1min; --", f"{unique}<script>alert(1)</script>", f"{unique}%s$1{{}}"]
    tally.tried(len(names))
    ticks = [Tick(name, 5_000_000, 1, NOON_US, n) for n, name in enumerate(names, 1)]
    source.send_raw(frame(encode(Ticks(ticks)), BINARY))
    await system.database.settled(unique, len(names))
    for name in names:
        answer = system.user(unique).get(f"/api/v1/bars/{quote(name, safe='')}")
        assert (answer.json()["symbol"], len(answer.json()["items"])) == (name, 1)
        assert answer.header("Content-Type") == "application/json"


SYMBOLS = {
    "markup": "%3Cscript%3E",
    "line_break": "A%0d%0aX-Injected:%20yes",
    "nul": "%00",
    "many": "A," * 5000,
    "not_utf8": "%ff%fe",
}


@pytest.mark.parametrize("symbols", SYMBOLS)
def test_an_unknown_symbol_of_the_stream_is_refused_in_plain_text(symbols, system, tally):
    tally.tried()
    with Talk(system.port("exchange"), f"/stream?symbols={SYMBOLS[symbols]}") as talk:
        assert talk.status in {0, 400, 414, 431}
        assert "x-injected" not in talk.head.lower()
        assert "text/html" not in talk.head


@pytest.mark.parametrize("part", ["ingest", "exchange", "broadcast"])
def test_a_plain_request_to_a_websocket_is_told_so(part, system, tally):
    tally.tried(2)
    path = b"/ws" if part == "broadcast" else b"/ticks"
    for method in (b"GET", b"POST"):
        answered, closed = said(system.port(part), method + b" " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 101 " not in answered.partition(b"\r\n")[0]
        assert closed
