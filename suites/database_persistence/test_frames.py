"""What the service takes and what it refuses: sequence, repetition, gaps, and frames that are wrong in some way."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from suites.oracle import expected_bars
from suites.system import Ack, Expect, Hello, Source, Tick, Ticks, decode_reply, encode

NOON_US = 1_700_000_040_000_000
MALFORMED = 1007
OUT_OF_TURN = 1002
TOO_BIG = 1009

WRONG_TICKS = {
    "price of zero": ["ticks", [["A", 0, 1, NOON_US, 1]]],
    "negative price": ["ticks", [["A", -1, 1, NOON_US, 1]]],
    "price too large": ["ticks", [["A", 10**18, 1, NOON_US, 1]]],
    "price as a fraction": ["ticks", [["A", 1.5, 1, NOON_US, 1]]],
    "price not a number": ["ticks", [["A", float("nan"), 1, NOON_US, 1]]],
    "price as text": ["ticks", [["A", "100", 1, NOON_US, 1]]],
    "price as a boolean": ["ticks", [["A", True, 1, NOON_US, 1]]],
    "no price": ["ticks", [["A", None, 1, NOON_US, 1]]],
    "size of zero": ["ticks", [["A", 1, 0, NOON_US, 1]]],
    "size too large": ["ticks", [["A", 1, 10**12 + 1, NOON_US, 1]]],
    "time before the epoch": ["ticks", [["A", 1, 1, -1, 1]]],
    "time after the last year": ["ticks", [["A", 1, 1, 2**60, 1]]],
    "sequence of zero": ["ticks", [["A", 1, 1, NOON_US, 0]]],
    "symbol empty": ["ticks", [["", 1, 1, NOON_US, 1]]],
    "symbol too long": ["ticks", [["A" * 65, 1, 1, NOON_US, 1]]],
    "symbol with NUL": ["ticks", [["A\0B", 1, 1, NOON_US, 1]]],
    "field missing": ["ticks", [["A", 1, 1, NOON_US]]],
    "second of two ticks wrong": ["ticks", [["A", 1, 1, NOON_US, 1], ["A", 0, 1, NOON_US, 2]]],
    "unknown kind of frame": ["prices", []],
    "not a frame": 42,
}


def tick(symbol: str, sequence: int, *, price_micros: int = 5_000_000) -> Tick:
    return Tick(symbol, price_micros, 1, NOON_US + sequence, sequence)


@asynccontextmanager
async def opened(service, source):
    """A connection that has said hello, and the sequence that the service expects."""
    async with connect(service.ticks_url, proxy=None) as connection:
        await connection.send(encode(Hello(source)))
        yield connection, decode_reply(await connection.recv()).sequence


async def ask(connection, *ticks):
    await connection.send(encode(Ticks(list(ticks))))
    return decode_reply(await connection.recv())


async def refusal_of(service, source, data):
    """The close frame with which the service answers `data`."""
    async with opened(service, source) as (connection, _):
        await connection.send(data)
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    return closed.value.rcvd


async def test_a_new_source_is_expected_to_begin_with_one(shared_service, unique):
    async with opened(shared_service, unique) as (_, expected):
        assert expected == 1


async def test_a_source_that_returns_is_told_where_to_go_on(shared_service, unique):
    async with opened(shared_service, unique) as (connection, _):
        await ask(connection, *(tick(unique, n) for n in range(1, 8)))
    async with opened(shared_service, unique) as (_, expected):
        assert expected == 8


async def test_a_repeated_frame_is_acknowledged_and_counted_once(shared_service, shared_database, unique):
    frame = [tick(unique, n) for n in range(1, 11)]
    async with opened(shared_service, unique) as (connection, _):
        answers = [await ask(connection, *frame) for _ in range(3)]
    await shared_database.settled(unique, 10)
    assert answers == [Ack(10)] * 3
    assert await shared_database.bars(unique) == expected_bars(frame)


async def test_a_tick_twice_in_one_frame_counts_once(shared_service, shared_database, unique):
    frame = [tick(unique, 1), tick(unique, 2)]
    async with opened(shared_service, unique) as (connection, _):
        assert await ask(connection, frame[0], frame[0], frame[1], frame[0], frame[1]) == Ack(2)
    await shared_database.settled(unique, 2)
    assert await shared_database.bars(unique) == expected_bars(frame)


async def test_a_repetition_with_another_price_changes_nothing(shared_service, shared_database, unique):
    async with opened(shared_service, unique) as (connection, _):
        await ask(connection, tick(unique, 1))
        assert await ask(connection, tick(unique, 1, price_micros=1)) == Ack(1)
    await shared_database.settled(unique, 1)
    assert await shared_database.bars(unique) == expected_bars([tick(unique, 1)])


async def test_behind_a_gap_nothing_is_taken_until_it_is_filled(shared_service, shared_database, unique):
    async with opened(shared_service, unique) as (connection, _):
        assert await ask(connection, tick(unique, 1), tick(unique, 3), tick(unique, 4)) == Expect(2)
        await shared_database.settled(unique, 1)
        assert await shared_database.bars(unique) == expected_bars([tick(unique, 1)])
        assert await ask(connection, tick(unique, 2), tick(unique, 3), tick(unique, 4)) == Ack(4)
    await shared_database.settled(unique, 4)
    assert await shared_database.bars(unique) == expected_bars([tick(unique, n) for n in (1, 2, 3, 4)])


async def test_an_empty_frame_is_acknowledged_with_what_is_durable(shared_service, unique):
    async with opened(shared_service, unique) as (connection, _):
        assert await ask(connection) == Ack(0)
        await ask(connection, tick(unique, 1))
        assert await ask(connection) == Ack(1)


async def test_a_frame_of_fifty_thousand_ticks_is_taken_whole(shared_service, shared_database, unique):
    frame = [tick(f"{unique}{n % 90}", n) for n in range(1, 50_001)]
    async with opened(shared_service, unique) as (connection, _):
        assert await ask(connection, *frame) == Ack(50_000)
    await shared_database.settled(unique, 50_000)
    assert await shared_database.bars(unique) == expected_bars(frame)


async def test_a_frame_beyond_the_size_limit_is_refused_and_the_service_goes_on(shared_service, unique):
    assert (await refusal_of(shared_service, unique, b"\x00" * 5_000_000)).code == TOO_BIG
    async with opened(shared_service, unique) as (connection, _):
        assert await ask(connection, tick(unique, 1)) == Ack(1)


@pytest.mark.parametrize("frame", WRONG_TICKS.values(), ids=WRONG_TICKS.keys())
async def test_a_wrong_frame_is_refused_with_a_reason_and_takes_nothing(shared_service, unique, frame):
    refusal = await refusal_of(shared_service, unique, msgspec.msgpack.encode(frame))
    assert refusal.code == MALFORMED
    assert refusal.reason
    async with opened(shared_service, unique) as (_, expected):
        assert expected == 1


@pytest.mark.parametrize("data", ["text", b"", b"\xc1", b"\x92\xa5ticks", bytes(range(256))], ids=repr)
async def test_bytes_that_are_no_frame_are_refused(shared_service, unique, data):
    assert (await refusal_of(shared_service, unique, data)).code == MALFORMED


async def test_ticks_before_hello_are_refused(shared_service, unique):
    async with connect(shared_service.ticks_url, proxy=None) as connection:
        await connection.send(encode(Ticks([tick(unique, 1)])))
        with pytest.raises(ConnectionClosed) as refusal:
            await connection.recv()
    assert refusal.value.rcvd.code == OUT_OF_TURN


async def test_two_connections_of_one_source_count_each_tick_once(shared_service, shared_database, unique):
    sent = [tick(unique, n) for n in range(1, 2001)]

    async def feed() -> None:
        async with Source(shared_service.ticks_url, unique, frame_ticks=37) as source:
            await source.send(sent)

    await asyncio.gather(feed(), feed(), feed())
    await shared_database.settled(unique, 2000)
    assert await shared_database.bars(unique) == expected_bars(sent)


async def test_sources_that_trade_the_same_symbols_add_up(shared_service, shared_database, unique):
    sent = [tick(f"{unique}{n % 5}", n, price_micros=1 + n) for n in range(1, 1001)]

    async def feed(name: str) -> None:
        async with Source(shared_service.ticks_url, name, frame_ticks=50) as source:
            await source.send(sent)
        await shared_database.settled(name, 1000)

    names = [f"{unique}-{number}" for number in range(4)]
    await asyncio.gather(*map(feed, names))
    assert await shared_database.bars(unique) == expected_bars(sent * len(names))


async def test_the_service_says_that_it_is_well(shared_service):
    health = await asyncio.to_thread(shared_service.health)
    assert (health["http_status"], health["status"]) == (200, "ok")
    assert health["parts"]["ingest"]["database"] == "connected"
