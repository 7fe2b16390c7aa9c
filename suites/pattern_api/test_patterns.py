"""Patterns over HTTP: what is asked for comes, all of it, in order, once."""

import asyncio
import random
from datetime import timedelta
from itertools import chain

import pytest

from suites.pattern_api import market
from suites.pattern_api.client import Client

PATH = "/api/v1/patterns"
ALL = market.patterns()
MIDDLE = (market.BEGIN + timedelta(minutes=100)).isoformat()
LATER = (market.BEGIN + timedelta(minutes=160)).isoformat()


async def test_all_patterns_come_newest_first_as_they_stand_in_the_table(api):
    async with Client(api) as ada:
        answer = await ada.get(PATH, limit=500)
    assert answer.items == market.wanted(ALL)
    assert answer.json["next"] is None


async def test_without_a_limit_a_hundred_come(api):
    async with Client(api) as ada:
        answer = await ada.get(PATH)
    assert answer.items == market.wanted(ALL)[:100]
    assert answer.json["next"]


@pytest.mark.parametrize(
    "query",
    [
        *({"symbol": symbol} for symbol in market.SYMBOLS),
        {"kind": "gap"},
        {"direction": "down"},
        {"min_strength": 80},
        {"since": MIDDLE},
        {"until": MIDDLE},
        {"since": MIDDLE, "until": LATER},
        {"symbol": "AAPL", "kind": "breakout", "direction": "up", "min_strength": 20, "since": MIDDLE, "until": LATER},
    ],
    ids=lambda query: "-".join(query) + ("-" + query["symbol"] if list(query) == ["symbol"] else ""),
)
async def test_filters_give_what_they_ask_for(api, query):
    expected = market.wanted(ALL, **query)
    async with Client(api) as ada:
        answer = await ada.get(PATH, limit=500, **query)
    assert answer.items == expected
    assert 0 < len(expected) < len(ALL)


async def test_any_filters_together_give_what_they_ask_for(api):
    chosen = random.Random(7)
    choices = {
        "symbol": [None, *market.SYMBOLS, "nobody"],
        "kind": [None, *market.KINDS],
        "direction": [None, "up", "down"],
        "min_strength": [None, 1, 50, 99],
        "since": [None, MIDDLE],
        "until": [None, LATER],
    }
    async with Client(api) as ada:
        for _ in range(80):
            query = {name: chosen.choice(values) for name, values in choices.items()}
            query = {name: value for name, value in query.items() if value is not None}
            assert (await ada.get(PATH, limit=500, **query)).items == market.wanted(ALL, **query), query


async def test_a_time_may_be_written_with_any_offset(api):
    east = (market.BEGIN + timedelta(minutes=100 + 330)).replace(tzinfo=None).isoformat() + "+05:30"
    async with Client(api) as ada:
        there = await ada.get(PATH, limit=500, since=east)
        here = await ada.get(PATH, limit=500, since=MIDDLE)
    assert there.items == here.items == market.wanted(ALL, since=MIDDLE)


async def test_one_pattern_comes_by_its_number(api):
    async with Client(api) as ada:
        answers = [await ada.get(f"{PATH}/{row['number']}") for row in ALL[::40]]
        missing = await ada.get(f"{PATH}/{len(ALL) + 1}")
    assert [answer.json for answer in answers] == ALL[::40]
    assert (missing.status, missing.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("limit", [7, 80, 120])
async def test_the_pages_are_the_whole_in_pieces(api, limit):
    async with Client(api) as ada:
        pages = await ada.pages(PATH, limit=limit)
    assert list(chain(*pages)) == market.wanted(ALL)
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit


async def test_the_pages_of_a_filter_hold_nothing_else(api):
    async with Client(api) as ada:
        pages = await ada.pages(PATH, limit=5, symbol="BRK/B", min_strength=30)
    assert list(chain(*pages)) == market.wanted(ALL, symbol="BRK/B", min_strength=30)


async def test_pages_miss_and_double_nothing_while_patterns_are_added(start_api, database):
    service = await start_api(TICKSTREAM_CACHE_MS="0")
    await market.insert_patterns(database, market.patterns(count=200))
    added = asyncio.create_task(_add(database, 201, 20))
    async with Client(service) as ada:
        pages = await ada.pages(PATH, limit=9)
        await added
    numbers = [row["number"] for row in chain(*pages)]
    assert numbers == list(range(numbers[0], 0, -1))
    assert numbers[0] >= 200


async def _add(database, first, times):
    for step in range(times):
        await market.insert_patterns(database, market.patterns(first + step * 5, 5))


@pytest.mark.parametrize("spoil", ["altered", "shortened", "made_up", "of_another_filter", "of_bars"])
async def test_only_the_cursor_that_was_given_goes_on(api, spoil):
    async with Client(api) as ada:
        given = (await ada.get(PATH, limit=3)).json["next"]
        bars = (await ada.get("/api/v1/bars/AAPL", limit=3)).json["next"]
        cursor = {
            "altered": ("B" if given[0] == "A" else "A") + given[1:],
            "shortened": given[:-4],
            "made_up": "AAAAAAAAAAo" + "A" * 21,
            "of_another_filter": given,
            "of_bars": bars,
        }[spoil]
        answer = await ada.get(PATH, limit=3, cursor=cursor, kind="gap" if spoil == "of_another_filter" else None)
        good = await ada.get(PATH, limit=5, cursor=given)
    assert (answer.status, answer.error["field"]) == (400, "cursor")
    assert good.items == market.wanted(ALL)[3:8]
