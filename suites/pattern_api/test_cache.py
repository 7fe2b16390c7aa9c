"""Answers from the cache: the same as from the database, shared where all see the same, never older than allowed."""

import asyncio
import time

import pytest

from suites.pattern_api import market
from suites.pattern_api.client import Client
from suites.system import Publisher

PATH = "/api/v1/patterns"
ALL = market.patterns()


async def told(redis_url, names, row):
    """Tell of a pattern as the finder does."""
    async with Publisher(redis_url, names=names) as publisher:
        await publisher.publish(f"patterns:{row['symbol']}", b"{}", stream="patterns")


@pytest.mark.parametrize("path", [f"{PATH}?symbol=MSFT", f"{PATH}/17", "/api/v1/bars/MSFT", "/api/v1/symbols"])
async def test_the_second_of_two_comes_from_the_cache_and_is_the_same(start_api, database, path):
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    await market.insert_patterns(database, ALL)
    await market.insert_bars(database, "MSFT", market.bars("MSFT"))
    async with Client(service) as ada, Client(service, "bob") as bob:
        first, second, for_bob = await ada.send("GET", path), await ada.send("GET", path), await bob.send("GET", path)
        hits = await ada.metric('tickstream_api_cache_total{result="hit"}')
        misses = await ada.metric('tickstream_api_cache_total{result="miss"}')
    assert [answer.from_cache for answer in (first, second, for_bob)] == [False, True, True]
    assert first.body == second.body == for_bob.body
    assert (hits, misses) == (2, 1)


async def test_the_same_question_in_other_words_is_the_same_question(start_api):
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    async with Client(service) as ada:
        first = await ada.send("GET", f"{PATH}?kind=gap&symbol=A%26B&since=2024-02-29T14:30:00Z")
        second = await ada.send("GET", f"{PATH}?since=2024-02-29T16:30%2B02:00&limit=100&symbol=A%26%42&kind=gap")
        other = await ada.send("GET", f"{PATH}?since=2024-02-29T16:30%2B02:00&limit=101&symbol=A%26%42&kind=gap")
    assert [answer.from_cache for answer in (first, second, other)] == [False, True, False]


async def test_questions_that_only_look_alike_are_kept_apart(start_api, database):
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    rows = [dict(row, symbol=symbol) for row, symbol in zip(ALL, ["A", "A&kind=gap", "A?kind=gap", "a"], strict=False)]
    await market.insert_patterns(database, rows)
    async with Client(service) as ada:
        for row in rows:
            assert (await ada.get(PATH, symbol=row["symbol"])).items == [row]


async def test_a_page_has_its_own_place_in_the_cache(start_api, database):
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    await market.insert_patterns(database, ALL)
    async with Client(service) as ada:
        first, again = await ada.pages(PATH, limit=50), await ada.pages(PATH, limit=50)
        hits = await ada.metric('tickstream_api_cache_total{result="hit"}')
    assert first == again
    assert hits == len(first)


async def test_a_pattern_that_was_told_is_in_the_next_answer(start_api, database, redis_url, names):
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    await market.insert_patterns(database, ALL[:10])
    async with Client(service) as ada:
        for row in ALL[10:15]:
            await ada.get(PATH)
            assert (await ada.get(PATH)).from_cache
            await market.insert_patterns(database, [row])
            await told(redis_url, names, row)
            assert (await ada.get(PATH)).items == market.wanted(ALL[: row["number"]])


async def test_what_nobody_told_is_seen_when_the_time_is_over(start_api, database):
    service = await start_api(TICKSTREAM_CACHE_MS="300")
    await market.insert_patterns(database, ALL[:1])
    async with Client(service) as ada:
        assert len((await ada.get(PATH)).items) == 1
        await market.insert_patterns(database, ALL[1:2])
        await asyncio.sleep(0.35)  # the promise is about time
        assert len((await ada.get(PATH)).items) == 2


async def test_an_answer_is_not_kept_longer_for_being_asked_for(start_api, database):
    service = await start_api(TICKSTREAM_CACHE_MS="400")
    await market.insert_patterns(database, ALL[:1])
    async with Client(service) as ada:
        await ada.get(PATH)
        await market.insert_patterns(database, ALL[1:2])
        asked_since = time.monotonic()
        while time.monotonic() < asked_since + 0.5:
            latest = await ada.get(PATH)
            await asyncio.sleep(0.01)
    assert len(latest.items) == 2


async def test_a_cache_of_no_time_keeps_nothing(start_api):
    service = await start_api(TICKSTREAM_CACHE_MS="0")
    async with Client(service) as ada:
        assert [(await ada.get(PATH)).from_cache for _ in range(3)] == [False] * 3


async def test_an_error_is_not_kept(start_api, database):
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    async with Client(service) as ada:
        assert (await ada.get(f"{PATH}/1")).status == 404
        await market.insert_patterns(database, ALL[:1])
        assert (await ada.get(f"{PATH}/1")).json == ALL[0]


async def test_a_question_of_many_at_once_reaches_the_database_once(start_api, database):
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    await market.insert_patterns(database, ALL)
    async with database.connect() as watching, Client(service) as ada:
        async with watching.transaction():
            # Until the lock is given back nobody gets an answer, so that all of them are there at once.
            await watching.execute("LOCK TABLE pattern IN ACCESS EXCLUSIVE MODE")
            asking = [asyncio.create_task(ada.get(PATH, symbol="AAPL")) for _ in range(50)]
            held = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'pattern'::regclass"
            while not (waiting := await watching.fetchval(held)):  # noqa: ASYNC110  # seen from the server only
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            waiting = await watching.fetchval(held)
        answers = await asyncio.gather(*asking)
    assert waiting == 1
    assert {answer.body for answer in answers} == {answers[0].body}
    assert answers[0].items == market.wanted(ALL, symbol="AAPL")


async def test_two_processes_share_what_they_keep(start_api):
    one, two = await start_api(TICKSTREAM_CACHE_MS="60000"), await start_api(TICKSTREAM_CACHE_MS="60000")
    async with Client(one) as here, Client(two) as there:
        assert not (await here.get(PATH)).from_cache
        assert (await there.get(PATH)).from_cache
