"""Whatever is sent: it is taken as it was meant, or refused with a word about it; nothing breaks and nobody waits."""

import json
import zlib

import pytest

from suites.security.client import said_to_all
from suites.security.routes import NOWHERE, WATCHLIST
from suites.security.tally import inside
from suites.system import token

WATCHLISTS = "/api/v1/watchlists"
JSON = [("Content-Type", "application/json")]
PARAMETERS = {
    "limit": ["0", "-1", "501", "9" * 30, "1e3", "0x10", "1.0", " 1", "+1", "", "NaN", "１", "1,2", "null", "1_0"],
    "min_strength": ["0", "-1", "101", "2147483648", "9223372036854775808", "-9223372036854775809", "five"],
    "kind": ["", "GAP", "gap ", "gap,breakout", "*", "breakouts", "%00"],
    "direction": ["", "UP", "sideways", "up%00"],
    "symbol": ["", "A" * 65, "%00", "A%00B", "A%0aB", "%e2%80%8b", "%e2%80%ae", "%ef%bf%bf", "%ed%a0%80",
               "%f4%90%80%80"],
    "since": ["", "yesterday", "2024-02-30T00:00:00Z", "2024-02-29T14:30:00", "99999-01-01T00:00:00Z", "-1", "0",
              "0001-01-01T00:00:00Z", "2024-02-29T25:00:00Z", "2024-02-29T14:30:00%2B99:99", "1709217000"],
    "cursor": ["", "x", "A" * 32, "A" * 5000, "%00" * 32, "=" * 32],
}  # fmt: skip
BODIES = {
    "empty": b"",
    "not_json": b"hello",
    "cut": b'{"name": "x"',
    "two": b'{"name": "x"}{"name": "y"}',
    "list": b"[]",
    "null": b"null",
    "number": b"1",
    "nan": b'{"name": "x", "min_strength": NaN}',
    "infinite": b'{"name": "x", "min_strength": 1e999}',
    "deep": b'{"name": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "deep_objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep_unknown": b'{"name": "x", "y": ' + b"[" * 30_000,
    "huge_number": b'{"name": "x", "min_strength": ' + b"9" * 60_000 + b"}",
    "not_utf8": b'{"name": "\xff\xfe"}',
    "half_a_pair": b'{"name": "\\ud800"}',
    "utf_16": '{"name": "x"}'.encode("utf-16"),
    "with_mark": b"\xef\xbb\xbf" + b'{"name": "x"}',
    "nul": b'{"name": "a\\u0000b"}',
    "line_break": b'{"name": "a\\nb"}',
    "escape": b'{"name": "\\u001b[2J"}',
    "turned_round": b'{"name": "\\u202egpj.exe"}',
    "no_width": b'{"name": "a\\u200bb"}',
    "name_empty": b'{"name": ""}',
    "name_long": json.dumps({"name": "a" * 101}).encode(),
    "name_number": b'{"name": 1}',
    "name_list": b'{"name": ["x"]}',
    "symbols_many": json.dumps({"name": "x", "symbols": ["A"] * 101}).encode(),
    "symbols_text": b'{"name": "x", "symbols": "AAPL"}',
    "symbols_null": b'{"name": "x", "symbols": [null]}',
    "strength_zero": b'{"name": "x", "min_strength": 0}',
    "strength_large": b'{"name": "x", "min_strength": 101}',
    "strength_beyond": b'{"name": "x", "min_strength": 9223372036854775808}',
    "strength_fraction": b'{"name": "x", "min_strength": 1.5}',
    "strength_true": b'{"name": "x", "min_strength": true}',
    "kind_unknown": b'{"name": "x", "kinds": ["crash"]}',
    "field_unknown": b'{"name": "x", "admin": true}',
    "prototype": b'{"name": "x", "__proto__": {"admin": true}}',
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_outside_its_range_is_refused_and_named(name, system, unique, tally):
    client = system.user(unique)
    for value in PARAMETERS[name]:
        tally.tried()
        answer = client.get(f"/api/v1/patterns?{name}={value}")
        assert (value, answer.status) == (value, 400)
        assert inside(answer.text()) is None


@pytest.mark.parametrize("query", ["symbol=A&symbol=B", "limit=1&limit=500", "unknown=1", "symbol[]=A",
                                   "&".join(f"a{n}=1" for n in range(500)), "limit", "=1"])  # fmt: skip
def test_a_parameter_that_is_repeated_or_unknown_is_refused(query, system, unique, tally):
    tally.tried()
    assert system.user(unique).get(f"/api/v1/patterns?{query}").status == 400


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "9" * 400, "1.5", "abc", "%00", "1%20", "1;2"])
def test_a_number_of_a_pattern_outside_its_range_is_refused(number, system, unique, tally):
    tally.tried()
    assert system.user(unique).get(f"/api/v1/patterns/{number}").status in {400, 404}


@pytest.mark.parametrize("what", BODIES)
def test_a_body_that_is_not_what_is_wanted_is_refused_and_nothing_is_made_of_it(what, system, unique, tally):
    client = system.user(unique)
    tally.tried(2)
    for method, path in (("POST", WATCHLISTS), ("PUT", f"{WATCHLISTS}/{NOWHERE}")):
        answer = client.ask(method, path, headers=JSON, body=BODIES[what])
        assert answer.status in {400, 422}
        assert set(answer.json()["error"]) == {"code", "message", "field"}
        assert inside(answer.text()) is None
    assert client.get(WATCHLISTS).json() == {"items": []}


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1_000_000, 8_000_000])
def test_a_body_over_the_bound_is_refused(size, system, unique, tally):
    client = system.user(unique)
    tally.tried()
    answer = client.ask("POST", WATCHLISTS, headers=JSON, body=b'{"name": "x"}'.ljust(size))
    assert answer.status in {0, 413}, "0: the connection was closed while we were still sending"
    assert client.get(WATCHLISTS).json() == {"items": []}


def test_a_body_over_the_bound_is_refused_before_it_is_sent(system, unique, tally):
    """And in pieces, where nobody tells how much is to come."""
    head = (f"POST {WATCHLISTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {token(unique)}\r\n").encode()  # fmt: skip
    piece = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    attacks = [head + b"Content-Length: 9999999999\r\n\r\n", head + b"Transfer-Encoding: chunked\r\n\r\n" + piece * 6]
    tally.tried(len(attacks))
    for answered, _ in said_to_all(system.port("api"), attacks):
        assert answered.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                                        "application/xml", "application/jsonx", "text/json", "application/x-msgpack",
                                        "application/json2; charset=utf-8"])  # fmt: skip
def test_another_type_of_body_is_refused(media_type, system, unique, tally):
    """A form of another site can send these without asking; JSON it cannot."""
    client = system.user(unique)
    tally.tried()
    body = json.dumps(WATCHLIST).encode()
    assert client.ask("POST", WATCHLISTS, headers=[("Content-Type", media_type)], body=body).status == 415
    assert client.get(WATCHLISTS).json() == {"items": []}


def test_a_compressed_body_is_not_unpacked(system, unique, tally):
    """What cannot be unpacked cannot swell."""
    bomb = zlib.compress(b'{"name": "' + b"a" * 50_000_000 + b'"}')
    for coding in ("gzip", "deflate", "br", "zstd"):
        tally.tried()
        answer = system.user(unique).ask("POST", WATCHLISTS, headers=[*JSON, ("Content-Encoding", coding)], body=bomb)
        assert answer.status in {400, 413, 415}


def test_a_user_has_a_bounded_number_of_watchlists(system, unique, tally):
    """Else one user fills the database."""
    client = system.user(unique)
    statuses = [client.post(WATCHLISTS, WATCHLIST).status for _ in range(105)]
    tally.tried(105)
    assert statuses.count(201) == len(client.get(WATCHLISTS).json()["items"]) == 100
    assert set(statuses[100:]) == {409}


def test_sweep_of_odd_values_at_every_parameter(system, unique, tally):
    """Recorded only: the threshold `attacks_succeeded` judges. Nothing may break, whatever stands where."""
    odd = [value for values in PARAMETERS.values() for value in values]
    for n, path in enumerate(("/api/v1/bars/AAPL?{}={}", "/api/v1/patterns?{}={}", "/api/v1/symbols?{}={}")):
        for name in (*PARAMETERS, "from", "until"):
            client = system.user(f"{unique}-{n}-{name}")
            for value in odd:
                tally.tried()
                answer = client.get(path.format(name, value))
                if answer.broken or not answer.status or inside(answer.text()):
                    tally.succeeded(f"{path.format(name, value)}: {answer.status}")
