"""Who is let in by the API: a whole, living token of ours in the one place for it, and nobody else."""

import base64

import pytest

from suites.security.client import said
from suites.security.forgery import claims_of, refused, signed
from suites.system import token

PRIVATE = "/api/v1/symbols"
REFUSED = refused("mallory")
CHALLENGE = "WWW-Authenticate"


def bearer(text):
    return [("Authorization", f"Bearer {text}")]


def test_a_good_token_opens_what_a_bad_one_does_not(system, tally):
    """Without this, all the refusals below could be those of a system that lets nobody in."""
    assert system.user("ada").get(PRIVATE).status == 200


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_token_is_refused(wrong, anybody, tally):
    tally.tried()
    answer = anybody.get(PRIVATE, headers=bearer(REFUSED[wrong]))
    assert (answer.status, answer.header(CHALLENGE)) == (401, 'Bearer realm="tickstream"')


def test_every_refusal_says_the_same_whatever_is_wrong_with_the_token(anybody, tally):
    answers = {anybody.get(PRIVATE, headers=bearer(text)).lasting()[2] for text in REFUSED.values()}
    tally.tried(len(REFUSED))
    assert answers == {anybody.get(PRIVATE).body}


def test_sweep_of_refused_tokens_over_everything_private(system, anybody, tally):
    """Recorded only: the threshold `unauthorised_answers` judges."""
    for path in (PRIVATE, "/api/v1/patterns", "/api/v1/watchlists", "/watchlists"):
        for wrong, text in REFUSED.items():
            tally.tried()
            answer = anybody.get(path, headers=bearer(text))
            if answer.status != 401:
                tally.unauthorised(f"{path} with a token that is {wrong}: {answer.status}")


@pytest.mark.parametrize(
    "headers",
    {
        "none": [],
        "empty": [("Authorization", "")],
        "scheme_alone": [("Authorization", "Bearer")],
        "no_token": [("Authorization", "Bearer ")],
        "no_scheme": [("Authorization", "{good}")],
        "other_scheme": [("Authorization", "Token {good}")],
        "basic": [("Authorization", "Basic {basic}")],
        "two_headers": [("Authorization", "Bearer {good}"), ("Authorization", "Bearer {good}")],
        "good_and_bad": [("Authorization", "Bearer {good}"), ("Authorization", "Bearer x")],
        "cookie": [("Cookie", "token={good}; Authorization=Bearer {good}; access_token={good}")],
        "other_header": [("X-Authorization", "Bearer {good}"), ("X-Access-Token", "{good}"), ("X-Api-Key", "{good}")],
        "proxy": [("Proxy-Authorization", "Bearer {good}")],
        "forwarded_user": [("X-Forwarded-User", "ada"), ("X-Remote-User", "ada"), ("X-User", "ada")],
        "from_inside": [("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("Forwarded", "for=127.0.0.1")],
        "original_path": [("X-Original-URL", "/healthz"), ("X-Rewrite-URL", "/healthz")],
    }.items(),
    ids=lambda item: item[0],
)
def test_a_good_token_counts_in_the_one_place_for_it_only(headers, anybody, tally):
    good = token("ada")
    basic = base64.b64encode(f"ada:{good}".encode()).decode()
    tally.tried()
    sent = [(name, text.format(good=good, basic=basic)) for name, text in headers[1]]
    assert anybody.get(PRIVATE, headers=sent).status == 401


@pytest.mark.parametrize("name", ["token", "access_token", "authorization", "bearer_token", "jwt"])
def test_a_token_in_the_address_opens_nothing(name, anybody, tally):
    """Addresses are logged and kept by everything on their way."""
    tally.tried()
    assert anybody.get(f"{PRIVATE}?{name}={token('ada')}").status == 401


def test_a_token_in_the_body_opens_nothing(anybody, tally):
    tally.tried()
    wanted = {"name": "x", "token": token("ada"), "Authorization": f"Bearer {token('ada')}"}
    assert anybody.post("/api/v1/watchlists", wanted).status == 401


@pytest.mark.parametrize("size", [20_000, 200_000, 2_000_000])
def test_a_giant_token_is_refused_and_nobody_waits_for_it(size, system, anybody, tally):
    tally.tried()
    assert anybody.get(PRIVATE, headers=bearer("A" * size)).status in {0, 400, 401, 431}
    assert system.user("ada").get(PRIVATE).status == 200


def test_a_token_of_bytes_that_are_no_text_is_refused(anybody, tally):
    for raw in (b"\xff\xfe\xfd", "ädä".encode(), b"a\tb", b"\x80.\x80.\x80"):
        tally.tried()
        assert anybody.get(PRIVATE, headers=[("Authorization", b"Bearer " + raw)]).status in {400, 401}


def test_a_token_with_a_nul_or_a_line_break_in_it_is_refused(system, tally):
    for raw in (b"\0", b"\r\n X", b"\n\n", b"\r"):
        tally.tried()
        data = b"GET " + PRIVATE.encode() + b" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a" + raw + b"b\r\n\r\n"
        answered, _ = said(system.port("api"), data)
        assert b" 200 " not in answered.partition(b"\r\n")[0]


def test_a_token_that_was_given_up_is_refused_everywhere_from_then_on(system, unique, tally):
    given_up, kept = token(unique), token(unique)
    client = system.client(given_up)
    assert client.get("/api/v1/watchlists").status == 200
    assert client.ask("DELETE", "/api/v1/token").status == 204
    for method, path in (("GET", PRIVATE), ("GET", "/api/v1/watchlists"), ("GET", "/watchlists"),
                         ("DELETE", "/api/v1/token")):  # fmt: skip
        tally.tried()
        assert client.ask(method, path).status == 401
    assert system.client(kept).get(PRIVATE).status == 200, "the user's other tokens live on"


def test_giving_up_a_forged_token_does_not_end_the_real_one(system, unique, anybody, tally):
    """Else whoever knows a token's id could lock its user out."""
    good = token(unique)
    header, payload, _ = good.split(".")
    tally.tried()
    forged = f"{header}.{payload}.{'A' * 43}"
    assert anybody.ask("DELETE", "/api/v1/token", headers=bearer(forged)).status == 401
    assert system.client(good).get(PRIVATE).status == 200


def test_tokens_are_never_alike_and_their_ids_cannot_be_guessed(tally):
    ids = {claims_of(token("ada"))["jti"] for _ in range(200)}
    assert len(ids) == 200
    assert all(len(one) >= 32 for one in ids)


def test_a_signature_by_hand_is_as_good_as_an_issued_one(system, tally):
    """That the forger signs rightly: what it makes is refused for what is wrong with it, not for the signature."""
    by_hand = signed({"alg": "HS256", "typ": "JWT"}, claims_of(token("ada")))
    assert system.client(by_hand).get(PRIVATE).status == 200


def test_a_refused_request_never_reaches_what_it_asks_for(system, unique, tally):
    """A watchlist is not made by somebody who hears 401."""
    tally.tried()
    thief = system.client(token(unique, secret="z" * 40))
    assert thief.post("/api/v1/watchlists", {"name": "mine"}).status == 401
    assert system.user(unique).get("/api/v1/watchlists").json()["items"] == []
