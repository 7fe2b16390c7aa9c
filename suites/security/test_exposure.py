"""What nobody may see: tokens, secrets, passwords, addresses, users, and the inside of the system."""

import re
import sys
from pathlib import Path

import pytest

from suites.security.client import said, said_to_all
from suites.security.forgery import refused
from suites.security.routes import WATCHLIST
from suites.security.talk import Talk
from suites.security.tally import inside
from suites.system import token

PARTS = ["exchange", "ingest", "api", "broadcast"]
VERSION = re.compile(r"[a-z]+/\d+\.\d+", re.IGNORECASE)
# The protocol's own, and media types' parameters.
NO_VERSIONS = re.compile(r"HTTP/1\.[01]|version=[\d.]+|openapi\":\"[\d.]+")


def questions(user):
    """Requests that go wrong in every way that a client can bring about, and some that go right."""
    return [
        ("GET", "/api/v1/symbols", None),
        ("GET", "/api/v1/patterns?symbol=%27", None),
        ("GET", "/api/v1/patterns?limit=x", None),
        ("GET", "/api/v1/patterns?cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", None),
        ("GET", "/api/v1/patterns/9223372036854775807", None),
        ("GET", "/api/v1/bars/%00", None),
        ("GET", "/api/v1/bars/A%FF", None),
        ("GET", f"/api/v1/watchlists/{user}", None),
        ("POST", "/api/v1/watchlists", {**WATCHLIST, "kinds": [{}]}),
        ("POST", "/api/v1/watchlists", WATCHLIST),
        ("PUT", "/api/v1/watchlists/x", WATCHLIST),
        ("PATCH", "/api/v1/watchlists", WATCHLIST),
        ("GET", "/watchlists", None),
        ("GET", "/static/%2e%2e/page.py", None),
        ("GET", "/nowhere", None),
        ("GET", "/%zz", None),
        ("DELETE", "/api/v1/token", None),
    ]


def asked(system, user):
    """The answers to all of them, with a good token, a bad one and none."""
    clients = [system.user(user), system.client(refused(user)["user_changed"]), system.client()]
    return [client.ask(method, target, content=content)
            for client in clients for method, target, content in questions(user)]  # fmt: skip


def test_the_searches_below_would_find_what_they_look_for(system, tally):
    """A search that finds nothing proves nothing unless it finds what is there."""
    assert tally.leaks(f"x {token('ada')} y")
    assert all(tally.leaks(f"postgresql://u:{secret}@h/") for secret in system.secrets)
    assert not tally.leaks("a text like any other, eyJ and all")
    assert inside('File "/srv/app.py", line 1')
    assert inside('relation "pattern" does not exist')
    assert not inside('{"error":{"code":"not_found","message":"there is nothing here","field":null}}')


def test_no_token_no_secret_and_no_password_is_logged(system, unique, tally):
    """With the most talkative level, by requests that go right and wrong, over every face."""
    good = token(unique)
    with Talk(system.port("broadcast"), token=good) as talk:
        talk.send(type="subscribe", symbols=["A"])
        talk.hear("subscribed")
    for text in refused(unique).values():
        with Talk(system.port("broadcast")) as talk:
            talk.send(type="auth", token=text)
            talk.end()
    with Talk(system.port("broadcast"), token=good) as talk:
        talk.send(type="auth", token=good)
        talk.end()
    with Talk(system.port("broadcast"), token=good) as talk:
        talk.send(type="subscribe", **{good: 1})  # a client that mixes things up
        talk.end()
    for part in ("ingest", "exchange"):
        with Talk(system.port(part), f"/ticks?token={good}", [("Authorization", f"Bearer {good}")]) as talk:
            talk.send_text(good.encode())
            talk.end()
    asked(system, unique)
    system.client(good).get(f"/api/v1/symbols?token={good}")
    tally.tried(len(refused(unique)) + 60)
    assert system.service.log, "nothing was logged at all"
    assert tally.leaks("\n".join(map(repr, system.service.log))) == []


def test_no_secret_is_logged_at_the_start(running, tally):
    """The start tells of servers and settings: of their names at most."""
    assert {line["event"] for line in running.service.log} >= {"listening", "ready"}
    assert tally.leaks("\n".join(map(repr, running.service.log))) == []


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_what_a_process_tells_of_itself_names_no_secret_no_address_and_no_user(part, path, system, unique, tally):
    system.user(unique).get("/api/v1/watchlists")
    with Talk(system.port("broadcast"), token=token(unique)) as talk:
        talk.send(type="subscribe", symbols=[f"{unique}-symbol"])
        talk.hear("subscribed")
        answer = system.client(part=part).get(path)
    tally.tried()
    assert answer.status == 200
    assert tally.leaks(answer.text()) == []
    for private in (unique, "postgresql:", "redis:", "127.0.0.1", system.database.schema, system.prefix):
        assert private not in answer.text()


def test_sweep_of_everything_that_is_told_for_secrets(system, unique, tally):
    """Recorded only: the threshold `leaks_found` judges."""
    for answer in asked(system, unique):
        tally.tried()
        tally.look_for_leaks(answer.text(), "answer")
    for part in PARTS:
        for path in ("/metrics", "/healthz", "/openapi.json", "/nowhere"):
            tally.tried()
            tally.look_for_leaks(system.client(part=part).get(path).text(), f"{part}{path}")


def test_no_answer_tells_of_the_inside(system, unique, tally):
    """Neither a traceback nor a query, a file, a module or a library."""
    answers = asked(system, unique)
    tally.tried(len(answers))
    assert [(answer.status, inside(answer.text())) for answer in answers if inside(answer.text())] == []
    assert [answer.status for answer in answers if answer.broken] == []


def test_every_refusal_has_the_same_shape_and_nothing_more(system, unique, tally):
    refusals = [answer for answer in asked(system, unique) if answer.status >= 400]
    tally.tried(len(refusals))
    assert len(refusals) > 30
    assert {tuple(answer.json()) for answer in refusals} == {("error",)}
    assert {tuple(answer.json()["error"]) for answer in refusals} == {("code", "message", "field")}


@pytest.mark.parametrize("part", PARTS)
def test_no_face_tells_what_it_is_made_of(part, system, tally):
    """Names and versions of libraries tell an attacker where to look."""
    heads = [f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
             for method in ("GET", "POST") for path in ("/healthz", "/nowhere", "/ws", "/ticks", "/%zz")]  # fmt: skip
    heads += [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    tally.tried(len(heads))
    for answered, _ in said_to_all(system.port(part), heads):
        told = NO_VERSIONS.sub("", answered.decode("latin-1"))
        assert VERSION.search(told) is None
        assert inside(told) is None
        assert "\nserver:" not in told.lower()
        assert "x-powered-by" not in told.lower()


def test_an_upgrade_does_not_tell_what_it_is_made_of(system, unique, tally):
    for part, path in (("broadcast", "/ws"), ("ingest", "/ticks"), ("exchange", "/ticks"), ("exchange", "/stream")):
        tally.tried()
        with Talk(system.port(part), path) as talk:
            assert talk.status == 101
            assert "\nserver:" not in talk.head.lower()


def test_the_reason_of_a_close_tells_of_the_frame_only(system, unique, tally):
    for data in (b"{", b'{"type":"ack","number":"x"}', b'{"type":1}', b"\xff"):
        with Talk(system.port("broadcast"), token=token(unique)) as talk:
            talk.send_text(data)
            message = talk.hear("error")
        tally.tried()
        assert tally.leaks(str(message)) == []
        assert inside(message["reason"]) is None


def test_the_document_of_the_api_holds_no_address_and_no_name_of_ours(anybody, system, tally):
    text = anybody.get("/openapi.json").text()
    tally.tried()
    assert tally.leaks(text) == []
    for private in ("127.0.0.1", system.database.schema, system.prefix, "postgres", "redis", "@"):
        assert private not in text


def test_the_command_line_and_the_names_of_threads_hold_no_secret(system, tally):
    """Every user of the machine may read them; the environment only its owner."""
    process = Path(f"/proc/{system.service.pid}")
    if not process.is_dir():
        assert sys.platform != "linux"
        return
    tally.tried()
    told = (process / "cmdline").read_text() + "".join(path.read_text() for path in process.glob("task/*/comm"))
    assert "tickstream" in told
    assert tally.leaks(told) == []


def test_a_broken_request_line_is_not_given_back(system, tally):
    tally.tried()
    answered, _ = said(system.port("api"), b"<script>canary-9</script> / HTTP/1.1\r\n\r\n")
    assert b"canary-9" not in answered
