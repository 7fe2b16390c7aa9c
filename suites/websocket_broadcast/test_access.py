"""Who may listen, how they show it, and how long that holds."""

import asyncio
import base64
import json
import time
import urllib.request

import pytest
from websockets.exceptions import InvalidStatus

from suites.system import TOKEN_SECRET, token
from suites.waiting import until
from suites.websocket_broadcast.conftest import ws
from suites.websocket_broadcast.subscriber import bearer, subscriber
from suites.websocket_broadcast.told import a_pattern


def unsigned(user):
    claims = {"iss": "tickstream", "sub": user, "scope": "alerts:listen", "jti": "x", "iat": 1, "exp": time.time() + 60}
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def give_up(api, text):
    """As a user does who logs out."""
    request = urllib.request.Request(api.url("api", "/api/v1/token"), method="DELETE", headers=bearer(text))
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 204


def bad_tokens():
    return {
        "none": "",
        "garbage": "abc.def.ghi",
        "forged": token("ada", secret="y" * 48),
        "ended": token("ada", lifetime_s=-5),
        "unsigned": unsigned("ada"),
        "cut": token("ada")[:-4],
        "too long": "a" * 5000,
    }


@pytest.mark.parametrize("way", ["header", "first frame"])
async def test_a_token_lets_a_user_in(url, teller, unique, way):
    headers = bearer(token(unique)) if way == "header" else {}
    async with teller, subscriber(url, headers=headers) as user:
        if way == "first frame":
            await user.send(type="auth", token=token(unique))
        await user.subscribe()
        number = await teller.tell(a_pattern(unique))
        assert await user.reach(number) == [number]


@pytest.mark.parametrize("which", list(bad_tokens()))
async def test_a_handshake_without_a_good_token_is_refused_with_the_same_words(url, which):
    with pytest.raises(InvalidStatus) as refusal:
        async with subscriber(url, headers=bearer(bad_tokens()[which])):
            pass
    assert refusal.value.response.status_code == 401
    assert refusal.value.response.body == b"not authorised\n"


@pytest.mark.parametrize("header", ["Basic YWRhOmFkYQ==", "Bearer", "Token x"])
async def test_another_way_to_authorise_is_refused_as_well(url, header):
    with pytest.raises(InvalidStatus) as refusal:
        async with subscriber(url, headers={"Authorization": header}):
            pass
    assert refusal.value.response.status_code == 401


@pytest.mark.parametrize("which", ["garbage", "forged", "ended", "unsigned"])
async def test_a_first_frame_without_a_good_token_ends_the_connection(url, which):
    async with subscriber(url, headers={}) as user:
        await user.send(type="auth", token=bad_tokens()[which])
        assert await user.end() == (4401, "not authorised")


async def test_nothing_is_taken_before_a_token(url):
    async with subscriber(url, headers={}) as user:
        await user.send(type="subscribe")
        assert await user.end() == (4401, "not authorised")


async def test_a_token_without_the_scope_is_refused(url):
    with pytest.raises(InvalidStatus) as refusal:
        async with subscriber(url, headers=bearer(token("ada", "patterns:read", "bars:read"))):
            pass
    assert (refusal.value.response.status_code, refusal.value.response.body) == (403, b"not allowed\n")
    async with subscriber(url, headers={}) as user:
        await user.send(type="auth", token=token("ada", "patterns:read"))
        assert await user.end() == (4403, "not allowed")


async def test_a_connection_is_authorised_once(url):
    async with subscriber(url) as user:
        await user.send(type="auth", token=token("eve"))
        assert (await user.end())[0] == 4400


async def test_who_shows_no_token_is_not_waited_for(small):
    async with subscriber(ws(small), headers={}) as user:
        assert (await user.end())[0] == 4408


async def test_a_connection_ends_with_its_token(url):
    async with subscriber(url, headers=bearer(token("ada", lifetime_s=1.0))) as user:
        await user.subscribe()
        assert await user.end() == (4401, "the token has ended")


async def test_a_token_that_is_given_up_ends_its_connections_and_no_others(
    start_broadcaster, start_service, names, redis_url
):
    api = await start_service("api", REDIS_URL=redis_url, TICKSTREAM_PREFIX=names.prefix)
    service = await start_broadcaster()
    one, other = token("ada"), token("ada")
    async with (
        subscriber(ws(service), headers=bearer(one)) as first,
        subscriber(ws(service), headers=bearer(one)) as second,
        subscriber(ws(service), headers=bearer(other)) as third,
    ):
        await third.subscribe()
        await asyncio.to_thread(give_up, api, one)
        assert await first.end() == (4401, "the token was given up")
        assert await second.end() == (4401, "the token was given up")
        with pytest.raises(InvalidStatus) as refusal:
            async with subscriber(ws(service), headers=bearer(one)):
                pass
        assert refusal.value.response.status_code == 401
        await third.subscribe()


async def test_a_token_given_up_while_the_broadcaster_could_not_hear_of_it_ends_its_connection(
    faults, start_broadcaster, start_service, names, redis_url
):
    proxy = faults.proxy(redis_url)
    api = await start_service("api", REDIS_URL=redis_url, TICKSTREAM_PREFIX=names.prefix)
    service = await start_broadcaster(REDIS_URL=proxy.url, TICKSTREAM_HEARTBEAT_MS="400")
    one = token("ada")
    async with subscriber(ws(service), headers=bearer(one)) as user:
        proxy.down()
        await asyncio.to_thread(give_up, api, one)
        proxy.up()
        assert await user.end() == (4401, "the token was given up")


async def test_no_token_is_ever_logged(start_broadcaster):
    service = await start_broadcaster(LOG_LEVEL="debug")
    good, bad = token("ada"), bad_tokens()["forged"]
    async with subscriber(ws(service), headers=bearer(good)) as user:
        await user.subscribe()
    async with subscriber(ws(service), headers={}) as user:
        await user.send(type="auth", token=bad)
        await user.end()
    with pytest.raises(InvalidStatus):
        async with subscriber(ws(service), headers=bearer(bad)):
            pass

    async def told() -> bool:
        return bool(service.events("refused"))

    await until(told)
    log = json.dumps(service.log)
    for text in (good, bad, TOKEN_SECRET):
        assert text not in log
