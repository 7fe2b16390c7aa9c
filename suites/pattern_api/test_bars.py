"""Bars and symbols over HTTP."""

from datetime import timedelta
from itertools import chain
from urllib.parse import quote

import pytest

from suites.pattern_api import market
from suites.pattern_api.client import Client


def path(symbol):
    return f"/api/v1/bars/{quote(symbol, safe='')}"


@pytest.mark.parametrize("symbol", market.SYMBOLS)
async def test_the_bars_of_a_symbol_come_newest_first(api, symbol):
    async with Client(api) as ada:
        answer = await ada.get(path(symbol))
    assert answer.items == market.wanted(market.bars(symbol))
    assert (answer.json["symbol"], answer.json["next"]) == (symbol, None)


async def test_a_symbol_with_a_slash_may_be_written_plainly(api):
    async with Client(api) as ada:
        assert (await ada.send("GET", "/api/v1/bars/BRK/B")).items == market.wanted(market.bars("BRK/B"))


@pytest.mark.parametrize(("since", "until"), [(20, None), (None, 20), (10, 40), (59, 60), (60, None)])
async def test_bars_between_two_times(api, since, until):
    times = {"from_": since, "until": until}
    query = {name: (market.BEGIN + timedelta(minutes=at)).isoformat() for name, at in times.items() if at is not None}
    async with Client(api) as ada:
        answer = await ada.get(path("MSFT"), **query)
    assert answer.items == market.wanted(market.bars("MSFT"), **query)


async def test_the_pages_of_bars_are_the_whole_in_pieces(api):
    async with Client(api) as ada:
        pages = await ada.pages(path("AAPL"), limit=7)
    assert list(chain(*pages)) == market.wanted(market.bars("AAPL"))
    assert [len(page) for page in pages] == [7] * 8 + [4]


async def test_a_symbol_that_nobody_trades_has_no_bars(api):
    async with Client(api) as ada:
        assert (await ada.get(path("NOBODY"))).items == []


async def test_every_symbol_is_listed_with_its_latest_price(api):
    async with Client(api) as ada:
        items = (await ada.get("/api/v1/symbols")).items
    latest = {symbol: market.bars(symbol)[-1] for symbol in market.SYMBOLS}
    expected = [{"symbol": symbol, "minute": bar["minute"], "price": bar["close"]} for symbol, bar in latest.items()]
    assert sorted(items, key=str) == sorted(expected, key=str)
