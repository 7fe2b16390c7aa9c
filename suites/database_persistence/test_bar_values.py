"""What a bar says, against an oracle that works it out the slow way. Ticks go in and bars come out by the network."""

import random
from itertools import chain, islice

import pytest

from suites.database import Database
from suites.oracle import expected_bars
from suites.system import Regime, Service, Source, Tick, ticks

MINUTE_US = 60_000_000
NOON_US = 1_700_000_040_000_000  # a full minute

HOSTILE = [
    "'; DROP TABLE ohlcv_1min; --",
    "' OR '1'='1",
    '"; DELETE FROM tick_source; --',
    "\\'); SELECT pg_sleep(10); --",
    "$1::text",
    "%s%(name)s{0}",
    '{NULL,"a"}',
    "../../etc/passwd\r\nX: y",
]
UNICODE = ["ΑΒΓ", "株式会社", "🚀🌕", "e\u0301", "\u00e9", "\u202eUSD", "İı", "\U0010ffff"]


def tick(symbol: str, sequence: int, *, price: str = "100", size: int = 1, at_us: int = NOON_US) -> Tick:
    whole, _, part = price.partition(".")
    return Tick(symbol, int(whole + part.ljust(6, "0")), size, at_us, sequence)


async def assert_bars(service: Service, database: Database, source: str, *frames: list[Tick]) -> None:
    """Send each frame and wait until it is committed; then the bars are exactly the oracle's."""
    async with Source(service.ticks_url, source) as feed:
        for frame in frames:
            await feed.send(frame)
            await database.settled(source, frame[-1].sequence)
    assert await database.bars(source) == expected_bars(chain(*frames))


async def test_one_tick_is_a_bar_of_its_own(shared_service, shared_database, unique):
    await assert_bars(shared_service, shared_database, unique, [tick(unique, 1, price="12.34", size=7)])


async def test_first_highest_lowest_and_last_price_make_the_bar(shared_service, shared_database, unique):
    prices = ["10", "14.5", "9.25", "11"]
    frame = [tick(unique, n, price=price, size=n, at_us=NOON_US + n) for n, price in enumerate(prices, 1)]
    await assert_bars(shared_service, shared_database, unique, frame)


@pytest.mark.parametrize("offset_us", [-1, 0, 1, MINUTE_US - 1, MINUTE_US, MINUTE_US + 1])
async def test_a_minute_begins_with_its_first_microsecond(shared_service, shared_database, unique, offset_us):
    frame = [tick(unique, 1, price="10"), tick(unique, 2, price="11", at_us=NOON_US + offset_us)]
    await assert_bars(shared_service, shared_database, unique, frame)
    assert len(await shared_database.bars(unique)) == (1 if 0 <= offset_us < MINUTE_US else 2)


async def test_a_late_tick_joins_the_minute_it_belongs_to(shared_service, shared_database, unique):
    first = [tick(unique, 1, price="10"), tick(unique, 2, price="11", at_us=NOON_US + MINUTE_US)]
    late = [tick(unique, 3, price="99", at_us=NOON_US + 30)]
    await assert_bars(shared_service, shared_database, unique, first, late)


async def test_an_earlier_tick_that_comes_after_the_commit_becomes_the_open(shared_service, shared_database, unique):
    committed = [tick(unique, 1, price="10", at_us=NOON_US + 500)]
    earlier = [tick(unique, 2, price="8", at_us=NOON_US + 100)]
    await assert_bars(shared_service, shared_database, unique, committed, earlier)


async def test_a_tick_between_open_and_close_that_comes_last_changes_neither(shared_service, shared_database, unique):
    committed = [tick(unique, 1, price="10"), tick(unique, 2, price="12", at_us=NOON_US + 900)]
    between = [tick(unique, 3, price="11", at_us=NOON_US + 500)]
    await assert_bars(shared_service, shared_database, unique, committed, between)


async def test_of_ticks_at_the_same_time_the_sequence_decides(shared_service, shared_database, unique):
    first = [tick(unique, n, price=str(20 - n)) for n in (1, 2, 3)]
    then = [tick(unique, n, price=str(20 + n)) for n in (4, 5, 6)]
    await assert_bars(shared_service, shared_database, unique, first, then)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_order_of_arrival_does_not_change_a_bar(shared_service, shared_database, unique, seed):
    rng = random.Random(seed)
    times = [NOON_US + rng.randrange(3 * MINUTE_US) for _ in range(400)]
    arriving = [tick(unique, n, price=str(rng.randint(1, 999)), at_us=at_us) for n, at_us in enumerate(times, 1)]
    frames = [arriving[start : start + 80] for start in range(0, 400, 80)]
    await assert_bars(shared_service, shared_database, unique, *frames)


@pytest.mark.parametrize("regime", list(Regime))
async def test_a_market_of_many_symbols_comes_out_tick_by_tick(shared_service, shared_database, unique, regime):
    symbols = [f"{unique}{number}" for number in range(40)]
    market = list(islice(ticks(symbols, seed=7, regime=regime, rate_per_s=50), 10_000))
    await assert_bars(shared_service, shared_database, unique, market)


async def test_three_thousand_symbols_in_one_frame(shared_service, shared_database, unique):
    await assert_bars(shared_service, shared_database, unique, [tick(f"{unique}{n}", n) for n in range(1, 3001)])


@pytest.mark.parametrize(
    "prices",
    [
        ["0.000001", "0.000002"],
        ["0.1", "0.2", "0.3"],
        ["16777216.000001", "16777217"],  # beyond what a 32-bit float tells apart
        ["9007199254.740993", "9007199254.740992"],  # and a 64-bit one
        ["999999999999.999999", "999999999999.999998"],
    ],
)
async def test_prices_are_exact_to_the_last_digit(shared_service, shared_database, unique, prices):
    frame = [tick(unique, n, price=price, at_us=NOON_US + n) for n, price in enumerate(prices, 1)]
    await assert_bars(shared_service, shared_database, unique, frame)


async def test_a_volume_beyond_a_floating_point_integer_is_exact(shared_service, shared_database, unique):
    sizes = [10**12] * 10_000 + [1, 1, 1]
    frames = [[tick(unique, n, size=size) for n, size in enumerate(sizes, 1)]]
    await assert_bars(shared_service, shared_database, unique, *frames)


@pytest.mark.parametrize("at_us", [0, MINUTE_US - 1, 253_402_300_799_999_999])
async def test_the_first_and_the_last_minute_there_are(shared_service, shared_database, unique, at_us):
    await assert_bars(shared_service, shared_database, unique, [tick(unique, 1, at_us=at_us)])


@pytest.mark.parametrize("symbol", HOSTILE, ids=ascii)
async def test_a_hostile_symbol_is_a_name_like_any_other(shared_service, shared_database, unique, symbol):
    await assert_bars(shared_service, shared_database, unique, [tick(unique + symbol, 1), tick(unique + symbol, 2)])


@pytest.mark.parametrize("symbol", UNICODE, ids=ascii)
async def test_a_symbol_may_be_in_any_script(shared_service, shared_database, unique, symbol):
    await assert_bars(shared_service, shared_database, unique, [tick(unique + symbol, 1), tick(unique + symbol, 2)])


async def test_symbols_that_look_alike_stay_apart(shared_service, shared_database, unique):
    alike = ["", " ", "  ", "a", "A", "\u0430", "e\u0301", "\u00e9"]
    frame = [tick(unique + symbol, number) for number, symbol in enumerate(alike, 1)]
    await assert_bars(shared_service, shared_database, unique, frame)
    assert len(await shared_database.bars(unique)) == len(alike)
