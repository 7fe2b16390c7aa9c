"""What is not allowed is refused, with what would be, before anything behind the API sees it."""

import json

import pytest

from suites.pattern_api.client import Client

TOO_LONG = "x" * 65
WATCHLIST = {"name": "mine", "symbols": ["AAPL"], "kinds": ["gap"], "min_strength": 10}

PARAMETERS = [
    # the query as it is written, and the parameter that is to blame
    ("patterns?limit=0", "limit"),
    ("patterns?limit=501", "limit"),
    ("patterns?limit=-1", "limit"),
    ("patterns?limit=ten", "limit"),
    ("patterns?limit=1.5", "limit"),
    ("patterns?limit=%D9%A1", "limit"),
    ("patterns?limit=1_0", "limit"),
    ("patterns?limit=", "limit"),
    ("patterns?limit=99999999999999999999999999", "limit"),
    ("patterns?limit=5&limit=6", "limit"),
    ("patterns?min_strength=0", "min_strength"),
    ("patterns?min_strength=101", "min_strength"),
    ("patterns?kind=Gap", "kind"),
    ("patterns?kind=", "kind"),
    ("patterns?direction=sideways", "direction"),
    ("patterns?symbol=", "symbol"),
    (f"patterns?symbol={TOO_LONG}", "symbol"),
    ("patterns?symbol=A%00B", "symbol"),
    ("patterns?symbol=A%0D%0AB", "symbol"),
    ("patterns?symbol=A%1BB", "symbol"),
    ("patterns?since=yesterday", "since"),
    ("patterns?since=2024-02-30T00:00:00Z", "since"),
    ("patterns?since=2024-02-29T00:00:00", "since"),
    ("patterns?since=2024-02-29", "since"),
    ("patterns?since=1969-12-31T23:59:59Z", "since"),
    ("patterns?since=2024-02-29T00:00:00+00:00", "since"),
    ("patterns?until=9999-12-31T23:59:59-01:00", "until"),
    ("patterns?since=2024-03-01T00:00:00Z&until=2024-02-29T00:00:00Z", "until"),
    ("patterns?cursor=x", "cursor"),
    ("patterns?cursor=%E2%82%AC" + "x" * 31, "cursor"),
    ("patterns?sybmol=AAPL", "sybmol"),
    ("patterns?symbol=%FF", "query"),
    ("patterns?" + "&".join(f"a{number}=1" for number in range(40)), "query"),
    ("patterns/0", "number"),
    ("patterns/abc", "number"),
    ("patterns/9223372036854775808", "number"),
    ("patterns/1?limit=1", "limit"),
    (f"bars/{TOO_LONG}", "symbol"),
    ("bars/A%00B", "symbol"),
    ("bars/%FF", "path"),
    ("bars/AAPL?limit=0", "limit"),
    ("bars/AAPL?from=now", "from"),
    ("bars/AAPL?since=2024-02-29T00:00:00Z", "since"),
    ("symbols?limit=1", "limit"),
    ("watchlists?owner=bob", "owner"),
]
BODIES = [
    # what is sent, the status that answers it, the field that is to blame
    (b"", 400, None),
    (b"{", 400, None),
    (b'{"name": "\xff"}', 400, None),
    (b'{"name": "x"} {}', 400, None),
    (b"[" * 30_000, 422, None),
    (b"[]", 422, None),
    (b"{}", 422, None),
    (b'{"name": ""}', 422, "name"),
    (b'{"name": 5}', 422, "name"),
    (b'{"name": "a\\u0000b"}', 422, None),
    (b'{"name": "a\\nb"}', 422, None),
    (json.dumps({"name": "x" * 101}).encode(), 422, "name"),
    (b'{"name": "x", "symbols": "AAPL"}', 422, "symbols"),
    (b'{"name": "x", "symbols": [""]}', 422, "symbols[0]"),
    (b'{"name": "x", "symbols": ["a\\u0007"]}', 422, None),
    (json.dumps({"name": "x", "symbols": ["A"] * 101}).encode(), 422, "symbols"),
    (b'{"name": "x", "kinds": ["cup"]}', 422, "kinds[0]"),
    (b'{"name": "x", "min_strength": 0}', 422, "min_strength"),
    (b'{"name": "x", "min_strength": 1.5}', 422, "min_strength"),
    (b'{"name": "x", "owner": "bob"}', 422, None),
    (json.dumps({**WATCHLIST, "pad": "x" * 65_536}).encode(), 413, None),
]


@pytest.mark.parametrize(("target", "field"), PARAMETERS, ids=lambda value: str(value)[:40])
async def test_a_bad_parameter_is_named_with_what_is_allowed(api, target, field):
    async with Client(api) as ada:
        answer = await ada.send("GET", f"/api/v1/{target}")
    assert (answer.status, answer.error["code"], answer.error["field"]) == (400, "bad_parameter", field)
    assert any(word in answer.error["message"] for word in ("allowed", "more than once"))


@pytest.mark.parametrize(("body", "status", "field"), BODIES, ids=lambda value: str(value)[:40])
async def test_a_bad_body_is_refused(api, body, status, field):
    headers = {"Content-Type": "application/json"}
    async with Client(api, "body") as ada:
        answer = await ada.send("POST", "/api/v1/watchlists", data=body, headers=headers)
        kept = await ada.get("/api/v1/watchlists")
    assert (answer.status, answer.error["field"]) == (status, field)
    assert kept.items == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_a_body_that_does_not_call_itself_json_is_refused(api, content_type):
    headers = {"Content-Type": content_type}
    async with Client(api) as ada:
        answer = await ada.send("POST", "/api/v1/watchlists", data=json.dumps(WATCHLIST), headers=headers)
    assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")


async def test_a_body_without_a_length_is_read_up_to_the_bound_only(api):
    sent = 0

    async def endless():
        nonlocal sent
        for _ in range(2000):
            sent += 4096
            yield b" " * 4096

    async with Client(api) as ada:
        headers = {"Content-Type": "application/json"}
        try:
            answer = await ada.send("POST", "/api/v1/watchlists", data=endless(), headers=headers)
        except OSError:  # the connection was closed on what was still to come
            answer = None
    assert answer is None or answer.status == 413
    assert sent < 2000 * 4096


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/v1/patterns", "GET, HEAD"),
        ("DELETE", "/api/v1/patterns/1", "GET, HEAD"),
        ("PATCH", "/api/v1/watchlists", "GET, HEAD, POST"),
        ("POST", "/api/v1/watchlists/1", "DELETE, GET, HEAD, PUT"),
        ("GET", "/api/v1/token", "DELETE"),
        ("BREW", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_there_is_told_which_are(api, method, path, allowed):
    async with Client(api) as ada:
        answer = await ada.send(method, path)
    assert (answer.status, answer.error["code"], answer.headers["Allow"]) == (405, "method_not_allowed", allowed)


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/api/v1/pattern", "/static/", "/static/page.css", "/api/v2/patterns"]
)
async def test_what_is_not_there_is_not_found(api, path):
    async with Client(api) as ada:
        answer = await ada.send("GET", path)
    assert (answer.status, answer.error["code"]) == (404, "not_found")


async def test_a_slash_too_many_leads_to_the_path_without_it(api):
    async with Client(api) as ada:
        answer = await ada.send("GET", "/api/v1/patterns/")
        written = await ada.send("GET", "/api/v1/watchlists/a%0D%0AX-Injected:%20yes/")
    assert (answer.status, answer.headers["Location"]) == (308, "/api/v1/patterns")
    assert written.headers["Location"] == "/api/v1/watchlists/a%0D%0AX-Injected:%20yes"
    assert "X-Injected" not in written.headers


async def test_head_is_get_without_the_body(api):
    async with Client(api) as ada:
        whole = await ada.get("/api/v1/patterns")
        head = await ada.send("HEAD", "/api/v1/patterns")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(whole.body)))


async def test_every_answer_carries_what_browsers_are_to_keep_to(api):
    async with Client(api) as ada:
        answers = [
            await ada.get("/api/v1/patterns"),
            await ada.get("/api/v1/patterns", limit=0),
            await ada.send("GET", "/nowhere"),
            await ada.send("POST", "/api/v1/patterns"),
            await ada.send("GET", "/static/watchlists.css"),
            await ada.send("GET", "/watchlists"),
        ]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "Server" not in answer.headers


async def test_an_error_of_ours_tells_nothing_of_ours(start_api, database):
    service = await start_api()
    async with database.connect() as connection:
        await connection.execute("ALTER TABLE pattern RENAME TO elsewhere")
    async with Client(service) as ada:
        answer = await ada.get("/api/v1/patterns")
    assert answer.status == 500
    assert answer.error == {"code": "internal", "message": "something broke here; it has been noted", "field": None}
    assert [event["reason"] for event in service.events("request_failed")] == ["UndefinedTableError"]


@pytest.mark.parametrize(
    "attack",
    ["x' OR '1'='1", "x') OR ('1'='1", "x'; DROP TABLE pattern; --", '" OR ""="'],
    ids=["or_true", "or_true_in_brackets", "drop_table", "double_quotes"],
)
async def test_a_symbol_that_looks_like_sql_is_a_symbol(api, attack):
    async with Client(api) as ada:
        assert (await ada.get("/api/v1/patterns", symbol=attack)).items == []
        assert (await ada.get("/api/v1/patterns", limit=1)).items != []
