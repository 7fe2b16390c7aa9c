"""How much one user may ask: refused politely, without harm to the others."""

import asyncio

from suites.pattern_api.client import Client

PATH = "/api/v1/symbols"


async def test_a_burst_beyond_the_limit_is_refused_with_the_time_to_come_again(start_api):
    service = await start_api(TICKSTREAM_RATE_LIMIT="5")
    async with Client(service) as ada, Client(service, "bob") as bob:
        answers = await asyncio.gather(*(ada.get(PATH) for _ in range(40)))
        for_bob = await bob.get(PATH)
        refused = [answer for answer in answers if answer.status == 429]
        counted = await bob.metric("tickstream_api_limited_total")
    granted = [answer for answer in answers if answer.status == 200]
    assert len(granted) + len(refused) == 40
    assert 5 <= len(granted) <= 10  # one second's worth, and what came in while they did
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert {answer.error["code"] for answer in refused} == {"too_many_requests"}
    assert for_bob.status == 200
    assert counted == len(refused)


async def test_after_the_time_that_was_told_one_may_ask_again(start_api):
    service = await start_api(TICKSTREAM_RATE_LIMIT="5")
    async with Client(service) as ada:
        answers = await asyncio.gather(*(ada.get(PATH) for _ in range(20)))
        refused = next(answer for answer in answers if answer.status == 429)
        await asyncio.sleep(int(refused.headers["Retry-After"]))
        again = await ada.get(PATH)
    assert again.status == 200


async def test_the_limit_is_a_users_over_all_tokens_and_routes(start_api):
    service = await start_api(TICKSTREAM_RATE_LIMIT="4")
    async with Client(service) as one, Client(service, "ada", "watchlists:read") as two:
        paths = ["/api/v1/symbols", "/api/v1/patterns", "/api/v1/watchlists", "/watchlists"] * 5
        answers = await asyncio.gather(
            *(one.get(path) for path in paths), *(two.get("/api/v1/watchlists") for _ in range(10))
        )
    assert 4 <= sum(answer.status == 200 for answer in answers) <= 10


async def test_what_is_open_to_all_is_not_limited(start_api):
    service = await start_api(TICKSTREAM_RATE_LIMIT="1")
    async with Client(service) as ada:
        answers = await asyncio.gather(*(ada.send("GET", "/healthz") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}


async def test_refusals_come_before_anything_is_asked_of_the_database(start_api, database):
    service = await start_api(TICKSTREAM_RATE_LIMIT="1", TICKSTREAM_CACHE_MS="0")
    async with database.connect() as holder, Client(service) as ada:
        async with holder.transaction():
            await holder.execute("LOCK TABLE pattern IN ACCESS EXCLUSIVE MODE")
            asking = [asyncio.create_task(ada.get("/api/v1/patterns")) for _ in range(30)]
            done = 0
            while done < 28:  # all but those that the limit let through come back while the table is locked
                done = sum(task.done() for task in asking)
                await asyncio.sleep(0.005)
        answers = await asyncio.gather(*asking)
    assert sum(answer.status == 429 for answer in answers) >= 28
    assert sum(answer.status == 200 for answer in answers) >= 1
