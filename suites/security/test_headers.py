"""Line breaks and doubts about where a request ends: no answer is split, no second request is smuggled in."""

import re

import pytest

from suites.security.client import request, said_to_all
from suites.system import token

BREAKS = {
    "crlf": "%0d%0aX-Injected:%20yes",
    "lf": "%0aX-Injected:%20yes",
    "cr": "%0dX-Injected:%20yes",
    "response": "%0d%0a%0d%0aHTTP/1.1%20200%20OK%0d%0aX-Injected:%20yes%0d%0a%0d%0a",
    "cookie": "%0d%0aSet-Cookie:%20session=mine",
    "unicode_crlf": "%E5%98%8D%E5%98%8AX-Injected:%20yes",
    "line_separator": "%E2%80%A8X-Injected:%20yes",
    "nel": "%C2%85X-Injected:%20yes",
    "encoded_twice": "%250d%250aX-Injected:%20yes",
}
PLACES = ["/{}", "/{}/", "/api/v1/watchlists/{}/", "/api/v1/patterns/{}/", "/api/v1/bars/{}", "/api/v1/bars/A{}/",
          "/api/v1/patterns/{}", "/api/v1/watchlists/{}", "/static/{}", "/api/v1/patterns?symbol={}",
          "/api/v1/patterns?{}=1", "/watchlists/?next={}", "/api/v1/symbols/{}/", "//{}",
          "/api/v1/symbols/?x={}"]  # fmt: skip
FORWARDED = ("X-Forwarded-Host", "X-Forwarded-Server", "X-Host", "X-Original-Host", "Forwarded")
FOREIGN = ["evil.example", "localhost:80\tevil.example", "evil.example/..", "[::1]", "127.0.0.1:99999", "a,b", ""]


def injected(answer):
    return [name for name, _ in answer.headers if name.lower() in {"x-injected", "set-cookie"}]


@pytest.mark.parametrize("place", PLACES)
def test_a_line_break_in_the_address_begins_no_header(place, system, unique, tally):
    client = system.user(unique)
    for text in BREAKS.values():
        tally.tried()
        answer = client.get(place.format(text))
        assert injected(answer) == []
        assert not answer.broken


def test_sweep_of_line_breaks_over_all_places(system, unique, tally):
    """Recorded only: the threshold `attacks_succeeded` judges."""
    for client in (system.client(), system.user(unique)):
        for place in PLACES:
            for attack, text in BREAKS.items():
                tally.tried()
                answer = client.get(place.format(text))
                if injected(answer) or answer.broken:
                    tally.succeeded(f"{attack} in {place}: {answer.status} {injected(answer)}")


@pytest.mark.parametrize("name", ["Origin", "Referer", "User-Agent", "Accept", "X-Request-Id", "X-Forwarded-For"])
def test_a_header_of_the_request_does_not_come_back_in_the_answer(name, system, unique, tally):
    tally.tried()
    answer = system.user(unique).get("/api/v1/symbols", headers=[(name, "https://canary-42.example")])
    assert "canary-42" not in answer.text()


@pytest.mark.parametrize("host", FOREIGN, ids=ascii)
def test_no_link_and_no_redirect_is_made_of_the_hosts_name(host, anybody, tally):
    """Else a cache between would hand a foreign address to everybody."""
    for path in ("/api/v1/symbols/", "/watchlists/", "/openapi.json", "/nowhere/"):
        tally.tried()
        headers = [("Host", host), *((name, "evil.example") for name in FORWARDED)]
        assert "evil.example" not in anybody.ask("GET", path, host=False, headers=headers).text()


ELSEWHERE = ["//evil.example/", "/\\evil.example/", "/%2f%2fevil.example/", "//evil.example/..;/", "/%5cevil.example/",
             "/api/v1/symbols//", "//evil.example/api/v1/symbols/"]  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_redirect_never_leads_to_another_host(path, system, unique, tally):
    tally.tried()
    location = system.user(unique).get(path).header("Location") or "/"
    assert re.match(r"/(?![/\\])", location)


def smuggled():
    """Two readings of one sequence of bytes each; the second request must never be answered as one of its own."""
    good = b"Authorization: Bearer " + token("ada").encode() + b"\r\n"
    hidden = b"GET /openapi.json HTTP/1.1\r\nHost: hidden\r\n\r\n"
    post = b"POST /api/v1/watchlists HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + good
    get = b"GET /api/v1/symbols HTTP/1.1\r\nHost: x\r\n" + good
    chunked = b"Transfer-Encoding: chunked\r\n"
    length = b"Content-Length: %d\r\n" % (len(hidden) + 5)
    return {
        "length_and_chunked": post + length + chunked + b"\r\n0\r\n\r\n" + hidden,
        "chunked_and_length": post + chunked + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
        "two_lengths": post + b"Content-Length: 2\r\n" + length + b"\r\n{}" + hidden,
        "two_lengths_in_one": post + b"Content-Length: 2, 99\r\n\r\n{}" + hidden,
        "negative_length": post + b"Content-Length: -1\r\n\r\n{}" + hidden,
        "length_with_plus": post + b"Content-Length: +2\r\n\r\n{}" + hidden,
        "length_in_hex": post + b"Content-Length: 0x2\r\n\r\n{}" + hidden,
        "length_beyond_numbers": post + b"Content-Length: 99999999999999999999999\r\n\r\n{}" + hidden,
        "chunked_twice": post + chunked + chunked + b"\r\n0\r\n\r\n" + hidden,
        "chunked_not_last": post + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
        "chunked_misspelt": post + b"Transfer-Encoding: xchunked\r\n" + length + b"\r\n0\r\n\r\n" + hidden,
        "chunked_with_tab": post + b"Transfer-Encoding:\tchunked\r\n" + length + b"\r\n0\r\n\r\n" + hidden,
        "space_before_colon": post + b"Transfer-Encoding : chunked\r\n" + length + b"\r\n0\r\n\r\n" + hidden,
        "folded_header": post + b"Content-Length:\r\n 99\r\nX: y\r\n Content-Length: 2\r\n\r\n{}" + hidden,
        "bare_cr": post + b"X: y\rContent-Length: 99\r\nContent-Length: 2\r\n\r\n{}" + hidden,
        "nul_in_header": post + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}" + hidden,
        "chunk_size_negative": post + chunked + b"\r\n-1\r\n\r\n" + hidden,
        "chunk_size_with_space": post + chunked + b"\r\n0 x\r\n\r\n" + hidden,
        "chunk_size_huge": post + chunked + b"\r\nfffffffffffffffff\r\n" + hidden,
        "body_of_a_get": get + b"Content-Length: 99\r\n\r\n" + hidden,
    }  # fmt: skip


def test_no_second_request_is_smuggled_in(system, tally):
    """The document of the API is what the hidden request asks for; no answer may hold it."""
    shapes = smuggled()
    tally.tried(len(shapes))
    answers = dict(zip(shapes, said_to_all(system.port("api"), list(shapes.values())), strict=True))
    assert [shape for shape, (answered, _) in answers.items() if b'"openapi"' in answered] == []
    assert [shape for shape, (answered, _) in answers.items() if answered.count(b"HTTP/1.1 2") > 1] == []


def test_a_request_that_does_not_say_whom_it_is_for_is_refused(system, tally):
    heads = (b"GET /openapi.json\r\n\r\n", b"GET /openapi.json HTTP/1.1\r\n\r\n",
             b"GET /openapi.json HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")  # fmt: skip
    tally.tried(len(heads))
    for answered, closed in said_to_all(system.port("api"), heads):
        assert b'"openapi"' not in answered
        assert closed


@pytest.mark.parametrize("part", ["api", "broadcast", "ingest", "exchange"])
def test_a_request_larger_than_a_head_may_be_is_not_gathered(part, system, tally):
    """Neither in one line, nor in one header, nor in very many of them."""
    heads = (request("GET", "/" + "a" * 200_000, [("Host", "x")]),
             request("GET", "/healthz", [("Host", "x"), ("X-Large", "a" * 200_000)]),
             request("GET", "/healthz", [("Host", "x"), *((f"X-{n}", "a" * 20) for n in range(8000))]))  # fmt: skip
    tally.tried(len(heads))
    for answered, closed in said_to_all(system.port(part), heads):
        assert b" 200 " not in answered.partition(b"\r\n")[0]
        assert closed


@pytest.mark.parametrize("part", ["api", "broadcast", "ingest", "exchange"])
def test_what_is_no_http_at_all_is_answered_shortly_or_not(part, system, tally):
    foreign = (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, b"\r\n\r\n\r\n", b"\0" * 100,
               b"HELO evil.example\r\n", b"*1\r\n$4\r\nPING\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")  # fmt: skip
    tally.tried(len(foreign))
    for answered, _ in said_to_all(system.port(part), foreign):
        assert b" 200 " not in answered.partition(b"\r\n")[0]
        assert len(answered) < 1000
