"""Ticks in at one end, bars and patterns out at the other, through every part between."""

from itertools import groupby, islice

from suites.oracle import expected_bars
from suites.pattern_api.client import Client
from suites.redis_pubsub.pattern_oracle import expected_patterns
from suites.system import Regime, Source, ticks
from suites.waiting import until

SYMBOLS = ("AAPL", "MSFT", "BRK/B")


async def feed(service, sent):
    async with Source(service.ticks_url, "feed") as source:
        await source.send(sent)


def market():
    return list(islice(ticks(SYMBOLS, seed=5, regime=Regime.VOLATILE, rate_per_s=0.2), 3000))


async def test_bars_of_ticks_are_served_exactly(start_service, start_api, database, redis_url, names):
    sent = market()
    ingest = await start_service(REDIS_URL=redis_url, TICKSTREAM_PREFIX=names.prefix)
    service = await start_api(TICKSTREAM_CACHE_MS="0")
    await feed(ingest, sent)
    await database.settled("feed", len(sent))
    async with Client(service) as ada:
        served = {symbol: (await ada.get(f"/api/v1/bars/{symbol}", limit=500)).items for symbol in SYMBOLS}
    expected = sorted(expected_bars(sent).items(), key=lambda item: item[0])
    for symbol, bars in groupby(expected, key=lambda item: item[0][0]):
        written = [
            {
                "minute": minute.isoformat(),
                **{name: f"{getattr(bar, name):.6f}" for name in ("open", "high", "low", "close")},
                "volume": bar.volume,
                "trades": bar.trades,
            }
            for (_, minute), bar in bars
        ]
        assert served[symbol] == written[::-1]


async def test_patterns_of_ticks_are_served_exactly_in_spite_of_the_cache(
    start_service, start_api, database, redis_url, names
):
    sent = market()
    expected = expected_patterns(sent)
    ingest = await start_service(REDIS_URL=redis_url, TICKSTREAM_PREFIX=names.prefix)
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    async with Client(service) as ada:
        assert (await ada.get("/api/v1/patterns", limit=500)).items == []
        await feed(ingest, sent)
        pages = []

        async def all_served() -> bool:
            # Answers are kept for a minute: only what was told makes room for the next.
            pages[:] = [row for page in await ada.pages("/api/v1/patterns", limit=500) for row in page]
            return len(pages) >= len(expected)

        await until(all_served, every_s=0.05)
    assert [row["number"] for row in pages] == list(range(len(expected), 0, -1))
    assert sorted(map(without_number, pages)) == sorted(map(without_number, expected))


def without_number(row):
    return tuple(sorted((name, str(value)) for name, value in dict(row).items() if name != "number"))
