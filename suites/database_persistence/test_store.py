"""The tables and the one transaction that fills them: what they refuse, what a repeated or contested batch does."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import asyncpg
import pytest

from suites.oracle import expected_bars
from suites.system import DATABASE_ERRORS, BarBuilder, BarStore, Faults, SourceConflict, Span, Target, Tick

NOON_US = 1_700_000_040_000_000
NOON = datetime.fromtimestamp(NOON_US // 1_000_000, UTC)

GOOD_ROW = {
    "symbol": "A",
    "minute": NOON,
    "open": 10,
    "high": 12,
    "low": 9,
    "close": 11,
    "volume": 5,
    "trades": 2,
    "first_us": 1,
    "first_sequence": 1,
    "last_us": 2,
    "last_sequence": 2,
}
WRONG = {
    "high below open": {"high": 9.5},
    "high below close": {"high": 10.5},
    "low above open": {"low": 10.5},
    "low above close": {"low": 11.5, "open": 12},
    "low of zero": {"low": 0},
    "negative open": {"open": -1, "low": -1},
    "price not a number": {"high": float("nan"), "low": float("nan"), "open": float("nan"), "close": float("nan")},
    "price infinite": {"high": float("inf")},
    "no trades": {"trades": 0},
    "volume below trades": {"volume": 1},
    "minute with seconds": {"minute": NOON.replace(second=1)},
    "closed before it opened": {"last_us": 0},
    "symbol empty": {"symbol": ""},
    "symbol too long": {"symbol": "A" * 65},
    "symbol missing": {"symbol": None},
    "open missing": {"open": None},
    "volume missing": {"volume": None},
}


@asynccontextmanager
async def opened(database, url=None):
    store = BarStore(Target(url=url or database.url, schema=database.schema), Faults())
    try:
        yield store
    finally:
        await store.close()


def sequence_of(symbol, first, last):
    return [Tick(symbol, 1_000_000 + n % 97, 1 + n % 5, NOON_US + n, n) for n in range(first, last + 1)]


def batch_of(source, ticks):
    builder = BarBuilder()
    builder.add_all(ticks)
    builder.cover(source, Span(since=ticks[0].sequence - 1, upto=ticks[-1].sequence))
    return builder.take()


async def insert(connection, row):
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    types = await connection.prepare(f"INSERT INTO ohlcv_1min ({', '.join(row)}) VALUES ({places})")
    await types.fetch(*row.values())


async def test_a_sound_row_is_taken_and_a_second_for_the_same_minute_is_not(database):
    async with opened(database) as store, database.connect() as connection:
        await store.applied("s")
        await insert(connection, GOOD_ROW)
        with pytest.raises(asyncpg.UniqueViolationError):
            await insert(connection, GOOD_ROW)
        await insert(connection, {**GOOD_ROW, "symbol": "B"})


async def test_the_table_refuses_what_no_ticks_can_give(database):
    taken = []
    async with opened(database) as store, database.connect() as connection:
        await store.applied("s")
        for name, wrong in WRONG.items():
            try:
                await insert(connection, {**GOOD_ROW, **wrong})
            except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError):
                continue
            taken.append(name)
            await connection.execute("DELETE FROM ohlcv_1min")
    assert taken == []


async def test_creating_the_tables_again_and_at_once_is_harmless(database):
    async def create():
        async with opened(database) as store:
            await store.applied("s")

    await asyncio.gather(*(create() for _ in range(6)))
    async with database.connect() as connection:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", database.schema)
    assert {"ohlcv_1min", "tick_source"} <= {row["tablename"] for row in tables}


async def test_the_same_batch_twice_is_applied_once(database):
    ticks = sequence_of("A", 1, 100)
    async with opened(database) as store:
        await store.applied("s")
        first = await store.write(batch_of("s", ticks))
        again = await store.write(batch_of("s", ticks))
    assert again == first
    assert await database.bars() == expected_bars(ticks)


async def test_a_batch_whose_commit_was_not_answered_is_applied_once(database, faults):
    ticks = sequence_of("A", 1, 50)
    proxy = faults.proxy(database.url)
    async with opened(database, proxy.url) as store:
        await store.applied("s")
        proxy.cut_answer_to(b"COMMIT")
        with pytest.raises(DATABASE_ERRORS):
            await store.write(batch_of("s", ticks))
        assert proxy.cuts == 1
        assert len(await store.write(batch_of("s", ticks))) == 1
    assert await database.bars() == expected_bars(ticks)


async def test_a_batch_that_was_cut_off_before_its_commit_leaves_nothing(database, faults):
    ticks = sequence_of("A", 1, 50)
    proxy = faults.proxy(database.url)
    async with opened(database, proxy.url) as store:
        await store.applied("s")
        proxy.cut_answer_to(b"UPDATE tick_source")
        with pytest.raises(DATABASE_ERRORS):
            await store.write(batch_of("s", ticks))
        assert await store.applied("s") == 0
        assert len(await store.write(batch_of("s", ticks))) == 1
    assert await database.bars() == expected_bars(ticks)


async def test_a_batch_that_skips_ticks_is_refused(database):
    async with opened(database) as store:
        await store.applied("s")
        with pytest.raises(SourceConflict):
            await store.write(batch_of("s", sequence_of("A", 5, 9)))
    assert await database.bars() == {}


async def test_of_two_writers_for_one_source_the_second_is_refused(database):
    async with opened(database) as one, opened(database) as two:
        await one.applied("s")
        await one.write(batch_of("s", sequence_of("A", 1, 10)))
        with pytest.raises(SourceConflict):
            await two.write(batch_of("s", sequence_of("A", 1, 20)))
    assert await database.bars() == expected_bars(sequence_of("A", 1, 10))


async def test_a_batch_of_several_sources_is_applied_for_all_or_for_none(database):
    async with opened(database) as store:
        await store.applied("s")
        await store.applied("t")
        await store.write(batch_of("t", sequence_of("A", 1, 5)))
        builder = BarBuilder()
        builder.add_all(sequence_of("B", 1, 5))
        builder.cover("s", Span(since=0, upto=5))
        builder.cover("t", Span(since=0, upto=5))
        with pytest.raises(SourceConflict):
            await store.write(builder.take())
        assert await store.applied("s") == 0
    assert await database.bars() == expected_bars(sequence_of("A", 1, 5))


async def test_a_batch_without_bars_moves_the_source_alone(database):
    builder = BarBuilder()
    builder.cover("s", Span(since=0, upto=3))
    async with opened(database) as store:
        await store.applied("s")
        assert await store.write(builder.take()) == []
        assert await store.applied("s") == 3


async def test_writers_of_the_same_bars_neither_lose_nor_deadlock(database):
    symbols = [f"S{number}" for number in range(20)]

    async def write(source):
        async with opened(database) as store:
            await store.applied(source)
            for round_ in range(15):
                order = symbols if (round_ + len(source)) % 2 else symbols[::-1]
                ticks = [Tick(s, 1_000_000, 1, NOON_US, round_ * 20 + n) for n, s in enumerate(order, 1)]
                await store.write(batch_of(source, ticks))

    await asyncio.gather(*(write("w" * number) for number in range(1, 7)))
    assert {bar.trades for bar in (await database.bars()).values()} == {6 * 15}


async def test_a_batch_of_twenty_thousand_bars(database):
    ticks = [Tick(f"S{n}", n, 1, NOON_US, n) for n in range(1, 20_001)]
    async with opened(database) as store:
        await store.applied("s")
        assert len(await store.write(batch_of("s", ticks))) == 20_000
    assert await database.bars() == expected_bars(ticks)


async def test_a_reader_never_sees_half_a_batch(database):
    async with opened(database) as store, database.connect() as connection:
        await store.applied("s")
        writing = asyncio.create_task(_write_pairs(store, 150))
        seen = set()
        while not writing.done():
            rows = await connection.fetch("SELECT symbol, trades FROM ohlcv_1min ORDER BY symbol")
            seen.add(tuple(row["trades"] for row in rows))
        await writing
    assert {pair for pair in seen if len(set(pair)) > 1} == set()
    assert len(seen) > 1


async def _write_pairs(store, count):
    for sequence in range(1, 2 * count, 2):
        pair = [Tick("A", 1_000_000, 1, NOON_US, sequence), Tick("B", 1_000_000, 1, NOON_US, sequence + 1)]
        await store.write(batch_of("s", pair))
