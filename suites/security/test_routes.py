"""Every route asks for a token and for its scope, whatever the method, the spelling or the remarks of the request."""

import pytest

from suites.security.client import said
from suites.security.forgery import claims_of, signed
from suites.security.routes import ANY_TOKEN, NOWHERE, PUBLIC, SCOPES, WATCHLIST, body_for, offered
from suites.system import SCOPES as ALL_SCOPES
from suites.system import token

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "GETX", "get")
OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


def test_the_document_offers_no_route_that_is_not_known_here(anybody, tally):
    assert {route.key for route in offered(anybody)} == PUBLIC | SCOPES.keys() | ANY_TOKEN


def test_nothing_but_the_public_routes_is_answered_without_a_token(anybody, tally):
    private = [route for route in offered(anybody) if route.key not in PUBLIC]
    tally.tried(len(private))
    assert len(private) > 8
    opened = [route.key for route in private
              if anybody.ask(route.method, route.target, content=body_for(route.method)).status != 401]  # fmt: skip
    assert opened == []


def test_sweep_of_methods_and_spellings_without_a_token(anybody, tally):
    """Recorded only: the threshold `unauthorised_answers` judges."""
    for route in {each.path: each for each in offered(anybody) if each.key not in PUBLIC}.values():
        spellings = (route.target, f"/{route.target}", f"{route.target}/", f"{route.target}%00", f"{route.target};x=1",
                     f"{route.target}?x", f"{route.target}#", route.target.upper(), f"/static/..{route.target}",
                     f"/healthz/..{route.target}", f"/./{route.target}", f"http://localhost{route.target}")  # fmt: skip
        for method in METHODS:
            for target in spellings if method in {"GET", "DELETE"} else (route.target,):
                tally.tried()
                answer = anybody.ask(method, target, content=body_for(method))
                if answer.granted or answer.broken:
                    tally.unauthorised(f"{method} {target}: {answer.status}")


def test_every_route_refuses_a_token_that_lacks_its_scope_alone(system, unique, tally):
    for n, ((method, path), scope) in enumerate(SCOPES.items()):
        others = [each for each in ALL_SCOPES if each != scope]
        client = system.user(f"{unique}{n}", *others)
        target = path.replace("{number}", "1").replace("{symbol}", "AAPL").replace("{id}", NOWHERE)
        tally.tried()
        answer = client.ask(method, target, content=body_for(method))
        assert (method, path, answer.status) == (method, path, 403)


def test_sweep_of_routes_with_every_single_scope(system, unique, tally):
    """Recorded only: the threshold `unauthorised_answers` judges."""
    for scope in ALL_SCOPES:
        client = system.user(f"{unique}-{scope}", scope)
        for (method, path), needed in SCOPES.items():
            target = path.replace("{number}", "1").replace("{symbol}", "AAPL").replace("{id}", NOWHERE)
            tally.tried()
            answer = client.ask(method, target, content=body_for(method))
            if scope != needed and answer.status != 403:
                tally.unauthorised(f"{method} {path} with {scope}: {answer.status}")


@pytest.mark.parametrize(
    "scope",
    ["", "*", "admin", "patterns", "patterns:", "patterns:*", "*:read", "PATTERNS:READ", "patterns:readx",
     "xpatterns:read", "patterns:read,bars:read", "patterns:write", "[patterns:read]", "patterns;read"],
    ids=lambda scope: scope or "none",
)  # fmt: skip
def test_a_scope_that_only_resembles_the_needed_one_does_not_do(scope, system, unique, tally):
    claims = claims_of(token(unique))
    tally.tried()
    client = system.client(signed({"alg": "HS256"}, {**claims, "scope": scope}))
    assert client.get("/api/v1/patterns").status == 403


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/api/v1/patterns?scope=patterns:read", []),
        ("/api/v1/patterns?scopes=patterns:read&admin=true", []),
        ("/api/v1/patterns", [("X-Scope", "patterns:read"), ("X-OAuth-Scopes", "patterns:read"), ("X-Admin", "true")]),
        ("/api/v1/patterns", [("Cookie", "scope=patterns:read; role=admin")]),
    ],
)
def test_a_request_cannot_give_itself_a_scope(target, headers, system, unique, tally):
    tally.tried()
    assert system.user(unique, "bars:read").get(target, headers=headers).status in {400, 403}


@pytest.mark.parametrize("header", OVERRIDES)
def test_a_header_does_not_make_another_method_of_a_request(header, system, unique, tally):
    made = system.user(unique).post("/api/v1/watchlists", WATCHLIST).json()["id"]
    reader = system.user(unique, "watchlists:read")
    for sent in ("GET", "POST"):
        tally.tried()
        reader.ask(sent, f"/api/v1/watchlists/{made}", headers=[(header, "DELETE")])
        reader.ask(sent, f"/api/v1/watchlists/{made}?_method=DELETE")
    assert reader.get(f"/api/v1/watchlists/{made}").json()["name"] == "mine"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "GETX", "get"])
def test_an_unforeseen_method_is_refused_with_those_that_are_allowed(method, system, unique, tally):
    tally.tried()
    answer = system.user(unique).ask(method, "/api/v1/symbols")
    assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD")


def test_trace_does_not_give_the_request_back(system, unique, tally):
    """Else a script could read the token that it may not see."""
    tally.tried()
    answer = system.user(unique).ask("TRACE", "/api/v1/symbols", headers=[("X-Marked", "canary-7")])
    assert "canary-7" not in answer.text()
    assert "Bearer ey" not in answer.text()


def test_head_tells_no_more_than_get_may(anybody, system, unique, tally):
    tally.tried(2)
    assert anybody.ask("HEAD", "/api/v1/symbols").status == 401
    assert system.user(unique, "patterns:read").ask("HEAD", "/api/v1/symbols").status == 403


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost", "https://tickstream.evil.example"]
)
def test_no_other_site_may_read_the_answers(origin, system, unique, tally):
    """No answer allows another origin, so a browser keeps them from its scripts."""
    client = system.user(unique)
    preflight = [("Origin", origin), ("Access-Control-Request-Method", "DELETE"),
                 ("Access-Control-Request-Headers", "authorization")]  # fmt: skip
    tally.tried(2)
    for answer in (client.get("/api/v1/symbols", headers=[("Origin", origin)]),
                   client.ask("OPTIONS", "/api/v1/watchlists", headers=preflight)):  # fmt: skip
        assert [name for name, _ in answer.headers if name.lower().startswith("access-control-")] == []


def test_an_unknown_path_answers_alike_with_and_without_a_token(system, anybody, unique, tally):
    """Which paths there are is no secret, but an answer that differs would tell what lies behind them."""
    for path in ("/admin", "/api/v1/users", "/api/v2/patterns", "/.env", "/.git/config", "/debug", "/docs", "/redoc"):
        tally.tried()
        assert anybody.get(path).lasting() == system.user(unique).get(path).lasting()
        assert anybody.get(path).status == 404


def test_an_unencrypted_http_2_upgrade_is_not_taken(system, tally):
    tally.tried()
    data = (b"GET /api/v1/symbols HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")  # fmt: skip
    answered, _ = said(system.port("api"), data)
    assert answered.startswith(b"HTTP/1.1 401 ")
