"""The process around the API: what it says of itself, and how it ends."""

import asyncio
import json
import re

import aiohttp

from suites.pattern_api import market
from suites.pattern_api.client import Client
from suites.system import Service

PATTERNS = "/api/v1/patterns"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PLACES = {"number": "1", "symbol": "AAPL", "id": "00000000-0000-0000-0000-000000000000", "path": "watchlists.css"}


async def document(client):
    return (await client.send("GET", "/openapi.json")).json


def operations(openapi):
    return [(method, path, told) for path, item in openapi["paths"].items() for method, told in item.items()]


def references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


async def test_the_openapi_document_is_whole(api):
    async with Client(api) as ada:
        openapi = await document(ada)
    assert openapi["openapi"].startswith("3.1")
    names = [told["operationId"] for _, _, told in operations(openapi)]
    assert len(names) == len(set(names)) == 15
    for reference in references(openapi):
        assert reference.removeprefix("#/components/schemas/") in openapi["components"]["schemas"]
    for _, path, told in operations(openapi):
        in_path = {parameter["name"] for parameter in told["parameters"] if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        assert all(parameter["required"] == (parameter["in"] == "path") for parameter in told["parameters"])
        assert all(parameter["schema"]["type"] for parameter in told["parameters"])
        assert all(told["responses"][status]["description"] for status in told["responses"])
        assert len([status for status in told["responses"] if status.startswith("2")]) == 1


async def test_what_is_documented_is_served_and_nothing_else(api):
    async with Client(api) as ada:
        openapi = await document(ada)
        for path, item in openapi["paths"].items():
            target = path.format(**PLACES)
            for method in METHODS:
                if (method, path) == ("DELETE", "/api/v1/token"):
                    continue  # it would be the end of this token; test_access does that
                answer = await ada.send(method, target)
                if method.lower() in item:
                    assert answer.status != 405, (method, path)
                    assert str(answer.status) in item[method.lower()]["responses"], (method, path, answer.status)
                else:
                    assert answer.status == 405, (method, path)


async def test_who_needs_a_token_is_documented(api):
    async with Client(api) as ada, Client(api, token_text="") as nobody:
        for method, path, told in operations(await document(ada)):
            answer = await nobody.send(method.upper(), path.format(**PLACES))
            assert (answer.status == 401) == bool(told["security"]), (method, path)


async def test_answers_have_the_shape_that_is_documented(api):
    async with Client(api) as ada:
        openapi = await document(ada)
        schemas = openapi["components"]["schemas"]
        for path in (PATTERNS, "/api/v1/patterns/{number}", "/api/v1/bars/{symbol}", "/api/v1/symbols"):
            content = openapi["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
            assert_fits((await ada.send("GET", path.format(**PLACES))).json, content["schema"], schemas)
        refused = (await ada.get(PATTERNS, limit=0)).json
        assert_fits(refused, {"$ref": "#/components/schemas/ErrorBody"}, schemas)


def assert_fits(value, schema, schemas):
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        types = [option.get("type") for option in schema["anyOf"]]
        assert ("null" if value is None else "string") in types
    elif schema["type"] == "object":
        assert set(value) == set(schema["properties"]) >= set(schema["required"])
        for name, told in schema["properties"].items():
            assert_fits(value[name], told, schemas)
    elif schema["type"] == "array":
        for each in value:
            assert_fits(each, schema["items"], schemas)
    else:
        assert isinstance(value, {"string": str, "integer": int}[schema["type"]])


async def test_health_and_metrics_tell_of_the_api(api):
    async with Client(api) as ada:
        await ada.get(PATTERNS, limit=3)
        health = (await ada.send("GET", "/healthz")).json
        sample = 'tickstream_api_requests_total{method="GET",route="/api/v1/patterns",status="200"}'
        before = await ada.metric(sample)
        await ada.get(PATTERNS, limit=3)
        after = await ada.metric(sample)
        seconds = await ada.metric('tickstream_api_seconds_count{route="/api/v1/patterns"}')
    assert (health["status"], health["parts"]["api"]["database"], health["parts"]["api"]["redis"]) == (
        "ok",
        "connected",
        "connected",
    )
    assert after == before + 1
    assert seconds >= after


async def test_labels_of_metrics_are_ours_whatever_is_asked(api, unique):
    async with Client(api) as ada:
        await ada.send("GET", f"/{unique}")
        await ada.send(unique.upper(), f"/api/v1/bars/{unique}")
        await ada.get(f"/api/v1/bars/{unique}")
        metrics = (await ada.send("GET", "/metrics")).body.decode()
    assert unique not in metrics
    assert unique.upper() not in metrics


async def test_a_port_that_is_taken_ends_it(start_api, api):
    port = api.url("api").rpartition(":")[2]
    service = await start_api(healthy=False, wait=False, TICKSTREAM_API_PORT=port)
    assert await asyncio.to_thread(service.wait_end) == 1
    assert "Address already in use" in service.events("broken")[0]["reason"]


async def test_it_does_not_start_without_a_secret_to_check_tokens_with(start_api):
    service = await start_api(healthy=False, wait=False, TICKSTREAM_TOKEN_SECRET="short")
    assert await asyncio.to_thread(service.wait_end) == 2
    assert "TICKSTREAM_TOKEN_SECRET is too short" in service.log[0]["text"]


async def test_a_request_under_way_is_answered_before_the_end(start_api, database):
    service = await start_api()
    await market.insert_patterns(database, market.patterns())
    async with database.connect() as holder, Client(service) as ada:
        async with holder.transaction():
            await holder.execute("LOCK TABLE pattern IN ACCESS EXCLUSIVE MODE")
            asking = asyncio.create_task(ada.get(PATTERNS, limit=500))
            held = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'pattern'::regclass"
            while not await holder.fetchval(held):  # noqa: ASYNC110  # seen from the server only
                await asyncio.sleep(0.01)
            ending = asyncio.create_task(asyncio.to_thread(service.terminate))
            await asyncio.sleep(0.3)
        answer, status = await asyncio.gather(asking, ending)
    assert answer.items == market.wanted(market.patterns())
    assert status == 0


async def test_an_end_under_load_breaks_no_answer(start_api, database):
    service = await start_api(TICKSTREAM_RATE_LIMIT="100000")
    await market.insert_patterns(database, market.patterns())
    answered = asyncio.Event()
    async with Client(service) as ada:
        asking = [asyncio.create_task(_ask_until_refused(ada, answered)) for _ in range(16)]
        await answered.wait()
        status = await asyncio.to_thread(service.terminate)
        counts = await asyncio.gather(*asking)
    assert status == 0
    assert sum(counts) > 0
    assert service.events("request_failed") == []


async def _ask_until_refused(client, answered):
    """How many answers came, each of them whole. A connection that ends before an answer begins is no broken answer."""
    count = 0
    while True:
        try:
            answer = await client.get(PATTERNS, limit=200)
        except aiohttp.ClientConnectionError:
            try:
                answer = await client.get(PATTERNS, limit=200)
            except aiohttp.ClientConnectionError:
                return count
        assert answer.status == 200
        assert len(json.loads(answer.body)["items"]) == 200
        count += 1
        if count == 5:
            answered.set()


async def test_an_end_without_any_request_takes_a_moment_only(start_api):
    service = await start_api()
    async with Client(service) as ada:
        await ada.get(PATTERNS)  # its connection stays open
        assert await asyncio.to_thread(service.terminate) == 0
    assert service.events("stopped")


async def test_killed_and_started_again_it_answers_the_same(start_api, database):
    rows = market.patterns()
    first = await start_api()
    await market.insert_patterns(database, rows)
    async with Client(first) as ada:
        before = await ada.get(PATTERNS, limit=500)
    first.kill()
    second: Service = await start_api()
    async with Client(second) as ada:
        after = await ada.get(PATTERNS, limit=500)
    assert before.items == after.items == market.wanted(rows)
