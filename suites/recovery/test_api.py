"""The API while its database or Redis is away: it says so, quickly, answers what it can, and is whole again soon."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from suites.recovery.feeding import feeding
from suites.recovery.waits import feels, health
from suites.system import token
from suites.waiting import until

_LONGEST_S = 5.2


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    retry_after: str | None
    body: Any
    took_s: float


def ask(service, path, *, post=None):
    headers = {"Authorization": f"Bearer {token()}", "Content-Type": "application/json"}
    data = None if post is None else json.dumps(post).encode()
    request = urllib.request.Request(service.url("api", path), data=data, headers=headers)
    began = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return Answer(reply.status, None, json.load(reply), time.perf_counter() - began)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers["Retry-After"], json.load(error), time.perf_counter() - began)


async def asked(service, path, **options):
    return await asyncio.to_thread(ask, service, path, **options)


async def gives(service, path, status):
    """Return when `path` is answered so."""

    async def so():
        return (await asked(service, path)).status == status

    await until(so)


@pytest.fixture
def start_api(start_service, redis, names):
    """Starts the API before a few bars; nothing comes from its cache unless told."""

    async def start(**environment):
        ingest = await start_service()
        async with feeding(ingest) as feed:
            await feed.passes(200)
        await asyncio.to_thread(ingest.terminate)
        settings = {"REDIS_URL": redis.url, "TICKSTREAM_PREFIX": names.prefix, "TICKSTREAM_CACHE_MS": "0"}
        service = await start_service("api", **{**settings, **environment})
        await feels(service, 200, "ok")
        return service

    return start


BARS = "/api/v1/bars/S1"
WATCHLIST = {"name": "mine", "symbols": ["S1"], "kinds": ["gap"]}


async def test_without_its_database_the_api_refuses_at_once_and_tells_when_to_come_again(start_api, postgres):
    service = await start_api()
    before = await asked(service, BARS)
    await asyncio.to_thread(postgres.kill)
    await feels(service, 503, "down")
    refused = [await asked(service, path) for path in (BARS, "/api/v1/symbols", "/api/v1/patterns") * 3]
    assert {answer.status for answer in refused} == {503}
    assert all(int(answer.retry_after) >= 1 for answer in refused)
    assert "asyncpg" not in str(refused[0].body)
    await asyncio.to_thread(postgres.start)
    await feels(service, 200, "ok")
    assert (await asked(service, BARS)).body == before.body


@pytest.mark.performance
async def test_a_database_that_stands_still_holds_no_request_for_long(metrics, start_api, postgres):
    stalled = metrics.histogram("stalled_answers", unit="s")
    service = await start_api()
    await asyncio.to_thread(postgres.freeze)
    for _ in range(2):  # at first each waits for an answer, then the breaker spares them that
        answers = await asyncio.gather(*(asked(service, f"/api/v1/bars/S{number}") for number in range(6)))
        assert {(answer.status, answer.retry_after) for answer in answers} == {(503, "1")}
        for answer in answers:
            stalled.record(answer.took_s)
    assert await health(service) == (503, "down")
    await asyncio.to_thread(postgres.thaw)
    await gives(service, BARS, 200)


async def test_without_redis_the_api_answers_from_the_database_and_changes_nothing(start_api, redis):
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    first = await asked(service, BARS)
    await asyncio.to_thread(redis.kill)
    await feels(service, 200, "degraded")
    answers = [await asked(service, BARS) for _ in range(10)]
    assert all((answer.status, answer.body) == (200, first.body) for answer in answers)
    # Nobody can tell whether the token was given up.
    refused = await asked(service, "/api/v1/watchlists", post=WATCHLIST)
    assert (refused.status, refused.retry_after) == (503, "1")
    await asyncio.to_thread(redis.start)
    await feels(service, 200, "ok")
    assert (await asked(service, "/api/v1/watchlists", post=WATCHLIST)).status == 201


@pytest.mark.performance
async def test_a_redis_that_stands_still_does_not_hold_the_api_up(metrics, start_api, redis):
    stalled = metrics.histogram("stalled_answers", unit="s")
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    await asyncio.to_thread(redis.freeze)
    answers = [await asked(service, BARS) for _ in range(8)]
    assert {answer.status for answer in answers} == {200}
    for answer in answers:
        stalled.record(answer.took_s)
    await feels(service, 200, "degraded")
    await asyncio.to_thread(redis.thaw)
    await feels(service, 200, "ok")


async def test_what_is_in_the_cache_is_answered_without_a_database(start_api, postgres):
    service = await start_api(TICKSTREAM_CACHE_MS="60000")
    first = await asked(service, BARS)
    await asyncio.to_thread(postgres.kill)
    await feels(service, 503, "down")
    kept = await asked(service, BARS)
    assert (kept.status, kept.body) == (200, first.body)
    assert (await asked(service, "/api/v1/bars/S2")).status == 503


@pytest.mark.performance
async def test_the_api_is_whole_again_soon_after_the_return_of_its_database(metrics, start_api, postgres):
    recovery = metrics.histogram("api_recovery", unit="s")
    degraded = metrics.histogram("degraded_answers", unit="s")
    service = await start_api()
    losses = [(postgres.kill, postgres.start), (postgres.stop_cleanly, postgres.start)]
    for away, back in losses * 2:
        await asyncio.to_thread(away)
        await feels(service, 503, "down")
        for _ in range(30):
            degraded.record((await asked(service, BARS)).took_s)
        since = await asyncio.to_thread(back)
        with suppress(TimeoutError):  # how long it took is for the limit to judge, also when it has no end
            await asyncio.wait_for(gives(service, BARS, 200), _LONGEST_S)
        recovery.record(time.perf_counter() - since)


async def test_an_api_that_starts_before_its_servers_serves_when_they_are_there(
    start_api, start_service, postgres, redis, names
):
    first = await start_api()
    wanted = await asked(first, BARS)
    await asyncio.gather(asyncio.to_thread(postgres.kill), asyncio.to_thread(redis.kill))
    service = await start_service("api", REDIS_URL=redis.url, TICKSTREAM_PREFIX=names.prefix)
    assert await health(service) == (503, "down")
    assert (await asked(service, BARS)).status == 503
    await asyncio.gather(asyncio.to_thread(postgres.start), asyncio.to_thread(redis.start))
    await feels(service, 200, "ok")
    assert (await asked(service, BARS)).body == wanted.body
