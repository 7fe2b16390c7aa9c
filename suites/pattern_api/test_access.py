"""Who is let in, and to what."""

import asyncio
import time

import jwt
import pytest

from suites.pattern_api.client import Client
from suites.system import SCOPES, TOKEN_SECRET, Live, Names, token

ID = "00000000-0000-0000-0000-000000000000"
PRIVATE = [
    # method, path, the scope that it needs
    ("GET", "/api/v1/patterns", "patterns:read"),
    ("GET", "/api/v1/patterns/1", "patterns:read"),
    ("GET", "/api/v1/bars/AAPL", "bars:read"),
    ("GET", "/api/v1/symbols", "bars:read"),
    ("GET", "/api/v1/watchlists", "watchlists:read"),
    ("POST", "/api/v1/watchlists", "watchlists:write"),
    ("GET", f"/api/v1/watchlists/{ID}", "watchlists:read"),
    ("PUT", f"/api/v1/watchlists/{ID}", "watchlists:write"),
    ("DELETE", f"/api/v1/watchlists/{ID}", "watchlists:write"),
    ("GET", "/watchlists", "watchlists:read"),
    ("DELETE", "/api/v1/token", None),
]
OPEN = ["/healthz", "/metrics", "/openapi.json", "/static/watchlists.css"]


def claims(**other):
    now = time.time()
    known = {"iss": "tickstream", "sub": "ada", "scope": " ".join(SCOPES), "jti": "1", "iat": now, "exp": now + 600}
    return {name: value for name, value in (known | other).items() if value is not None}


def unsigned():
    return jwt.encode(claims(), None, algorithm="none")


BAD = {
    "none": "",
    "nonsense": "nonsense",
    "forged": token(secret="another-secret-" + "y" * 32),
    "unsigned": unsigned(),
    "expired": token(lifetime_s=-1.0),
    "without_end": jwt.encode(claims(exp=None), TOKEN_SECRET, "HS256"),
    "without_user": jwt.encode(claims(sub=None), TOKEN_SECRET, "HS256"),
    "of_another_issuer": jwt.encode(claims(iss="somebody"), TOKEN_SECRET, "HS256"),
    "with_another_algorithm": jwt.encode(claims(), TOKEN_SECRET + "z" * 64, "HS512"),
    "too_long": jwt.encode(claims(pad="x" * 5000), TOKEN_SECRET, "HS256"),
}


@pytest.mark.parametrize("route", PRIVATE, ids=lambda route: "-".join(route[:2]))
async def test_nothing_private_is_answered_without_a_token(api, route):
    async with Client(api, token_text="") as nobody:
        answer = await nobody.send(*route[:2])
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_token_hears_the_same_whatever_is_wrong_with_it(api, kind):
    async with Client(api, token_text="") as nobody, Client(api, token_text=BAD[kind]) as somebody:
        expected = await nobody.get("/api/v1/patterns")
        answer = await somebody.get("/api/v1/patterns")
    assert (answer.status, answer.body) == (401, expected.body)


async def test_a_token_is_taken_from_the_header_only(api):
    text = token()
    async with Client(api, token_text="") as nobody:
        answers = [
            await nobody.get("/api/v1/patterns", access_token=text),
            await nobody.get("/api/v1/patterns", token=text),
            await nobody.send("GET", "/api/v1/patterns", headers={"Cookie": f"token={text}"}),
            await nobody.send("GET", "/api/v1/patterns", headers={"Authorization": f"Basic {text}"}),
            await nobody.send("GET", "/api/v1/patterns", headers={"Authorization": text}),
        ]
    assert [answer.status for answer in answers] == [401] * 5


@pytest.mark.parametrize("route", [route for route in PRIVATE if route[2]], ids=lambda route: "-".join(route[:2]))
async def test_every_other_scope_together_does_not_open_a_route(api, route):
    method, path, scope = route
    async with Client(api, "ada", *(other for other in SCOPES if other != scope)) as ada:
        answer = await ada.send(method, path)
    assert (answer.status, answer.error["code"]) == (403, "missing_scope")
    assert scope in answer.error["message"]


@pytest.mark.parametrize("route", [route for route in PRIVATE if route[2]], ids=lambda route: "-".join(route[:2]))
async def test_the_scope_alone_opens_its_route(api, route):
    method, path, scope = route
    async with Client(api, "ada", scope) as ada:
        answer = await ada.send(method, path)
    assert answer.status not in {401, 403}


@pytest.mark.parametrize("path", OPEN)
async def test_what_is_open_needs_no_token(api, path):
    async with Client(api, token_text="") as nobody:
        assert (await nobody.send("GET", path)).status == 200


async def test_a_token_that_was_given_up_is_worth_nothing_and_all_are_told(start_api, redis_url, names: Names):
    service = await start_api()
    async with (
        Live(redis_url, channels=("tokens:given-up",), names=names) as live,
        Client(service) as ada,
        Client(service) as again,
    ):
        before = await ada.get("/api/v1/patterns")
        given_up = await ada.send("DELETE", "/api/v1/token")
        told = await asyncio.wait_for(anext(live), 10)
        after = [await ada.get("/api/v1/patterns"), await ada.send("DELETE", "/api/v1/token")]
        other = await again.get("/api/v1/patterns")
    assert (before.status, given_up.status, other.status) == (200, 204, 200)
    assert [answer.status for answer in after] == [401, 401]
    assert told.payload.decode() == jwt.decode(ada.token, options={"verify_signature": False})["jti"]


async def test_a_token_given_up_in_one_process_is_refused_by_another_within_a_second(start_api):
    one, two = await start_api(), await start_api()
    async with Client(one) as ada, Client(two, token_text=ada.token) as there:
        assert (await there.get("/api/v1/patterns")).status == 200
        await ada.send("DELETE", "/api/v1/token")
        await asyncio.sleep(1.0)  # the promise is about time
        assert (await there.get("/api/v1/patterns")).status == 401


async def test_tokens_are_in_no_log_and_no_metric(start_api):
    service = await start_api(LOG_LEVEL="debug")
    async with Client(service, "zoe-the-user") as zoe:
        await zoe.get("/api/v1/patterns")
        await zoe.get("/api/v1/patterns", token=zoe.token)
        await zoe.send("DELETE", "/api/v1/token")
        metrics = (await zoe.send("GET", "/metrics")).body.decode()
        health = (await zoe.send("GET", "/healthz")).body.decode()
    await asyncio.to_thread(service.terminate)
    shown = str(service.log) + metrics + health
    assert zoe.token not in shown
    assert "zoe-the-user" not in shown
    assert TOKEN_SECRET not in shown
    assert len([line for line in service.events("request") if line["route"] == "/api/v1/patterns"]) == 2
