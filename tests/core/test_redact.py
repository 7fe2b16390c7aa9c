"""Secrets go, verdicts and everyday words stay, in every channel alike."""

import base64
import html
import json
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gate.model import CaseResult, Decision, Severity, Status
from gate.redact import REPLACEMENT, Redactor

SECRET = "p4ss\"w<o>r&d'ä/+ \\end"


def redactor(**env):
    return Redactor.from_environment(env)


@pytest.mark.parametrize(
    "name",
    [
        *("API_TOKEN", "token", "DB_PASSWORD", "PGPASSWORD", "MYSQL_PWD", "SECRET", "AWS_SECRET_ACCESS_KEY"),
        *("APIKEY", "SENTRY_DSN", "GOOGLE_CREDENTIALS", "SSH_PASSPHRASE", "FTP_PASS", "KEY", "ENCRYPTION_KEYS"),
    ],
)
def test_the_value_of_a_secret_named_variable_goes(name):
    assert redactor(**{name: "correct-horse"}).redact_text("a correct-horse b") == "a [redacted] b"


@pytest.mark.parametrize(
    "name", ["PWD", "OLDPWD", "HOME", "GATE_NONCE", "RUN_ID", "KEYBOARD", "SSL_KEY_FILE", "TOKEN_URL", "GIT_ASKPASS"]
)
def test_the_value_of_any_other_variable_stays(name):
    assert redactor(**{name: "correct-horse"}).redact_text("a correct-horse b") == "a correct-horse b"


FORMS = {
    "raw": lambda s: s,
    "JSON": json.dumps,
    "JSON not ASCII": lambda s: json.dumps(s, ensure_ascii=False),
    "repr": repr,
    "XML text": escape,
    "XML attribute": quoteattr,
    "HTML": html.escape,
    "quoted": lambda s: quote(s, safe=""),
    "quoted path": quote,
    "quoted form": quote_plus,
    "quoted lower": lambda s: quote(s, safe="").lower() if s.islower() else quote(s, safe=""),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 after one": lambda s: base64.b64encode(b"x" + s.encode()).decode(),
    "base64 after two": lambda s: base64.b64encode(b"u:" + s.encode()).decode(),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(b"\xff\xfe" + s.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_secret_goes_in_every_form_it_is_written_in(form):
    written = form(SECRET)
    redacted = redactor(MY_TOKEN=SECRET).redact_text(f"before {written} after")
    assert REPLACEMENT in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    remains = redacted.removeprefix("before ").removesuffix(" after").replace(REPLACEMENT, "")
    assert len(remains) <= 6  # quotes, or the characters that base64 shares with the neighbours


@given(st.text(min_size=8, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_a_secret_never_survives(secret, before, after):
    assume(not secret.isdigit())
    remover = Redactor([secret])
    if remover.redact_text(secret) == REPLACEMENT:
        redacted = remover.redact_text(before + secret + after)
        assert secret not in redacted.replace(REPLACEMENT, "\0")


@given(st.text(alphabet="abc12 =:\"'@/\\&;[]passwordtokenredacted.-_\n", max_size=60))
def test_redacting_twice_changes_nothing_more(text):
    remover = redactor(A_TOKEN="abcabcabc", B_TOKEN="12 abc12")
    once = remover.redact_text(text)
    assert remover.redact_text(once) == once


@pytest.mark.parametrize("word", [w.value for e in (Status, Decision, Severity, CaseResult) for w in e])
def test_a_verdict_word_is_never_a_secret(word):
    remover = redactor(API_TOKEN=word, PASSWORD=word.lower())
    for text in (word, f"token={word}", f'"password": "{word}"', f"status {word.lower()}"):
        assert remover.redact_text(text) == text


@pytest.mark.parametrize(
    "value", ["short", "1234567", "true", "localhost", "127.0.0.1", "database", "[redacted]", "redacted"]
)
def test_short_and_everyday_values_stay(value):
    text = f"x {value} y"
    assert redactor(API_TOKEN=value).redact_text(text) == text


def test_a_numeric_secret_is_not_cut_out_of_a_longer_number():
    remover = redactor(PIN_TOKEN="12345678")
    assert remover.redact_text("12345678 912345678 12345678.5 0.12345678") == (
        "[redacted] 912345678 12345678.5 0.12345678"
    )


def test_the_password_of_a_url_in_any_variable_goes():
    remover = redactor(POSTGRES_URL="postgresql://user:pa%24%24word@host/db")
    assert remover.redact_text("pa%24%24word or pa$$word") == "[redacted] or [redacted]"


def test_the_lines_of_a_secret_of_many_lines_go_one_by_one():
    key = "first line of the key\nsecond line of the key"
    assert redactor(SIGNING_KEY=key).redact_text("> second line of the key") == "> [redacted]"


SHAPES = {
    "AKIAIOSFODNN7EXAMPLE": "[redacted]",
    "ghp_" + "a1" * 18: "[redacted]",
    "github_pat_" + "a1_" * 10: "[redacted]",
    "glpat-" + "a1" * 10: "[redacted]",
    "xoxb-123456789012-abcdef": "[redacted]",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc_-1": "[redacted]",
    "Authorization: Basic dXNlcjpwYXNz": "Authorization: Basic [redacted]",
    "authorization=abcdefgh": "authorization=[redacted]",
    "'Authorization': 'Bearer abcdefgh.ijkl'": "'Authorization': 'Bearer [redacted]'",
    "Bearer abcdefghijklmnop": "Bearer [redacted]",
    "redis://:pw@host:6379/0": "redis://:[redacted]@host:6379/0",
    "https://user:p:a?s#s@host": "https://user:[redacted]@host",
    "https://abcdefghij0123456789@github.com": "https://[redacted]@github.com",
    "password=hunter2": "password=[redacted]",
    "DB_PASSWORD: hunter2, x": "DB_PASSWORD: [redacted], x",
    "?access_token=abcdef&page=2": "?access_token=[redacted]&page=2",
    'password="two words"': 'password="[redacted]"',
    r"{\"api_key\": \"abcdef\"}": r"{\"api_key\": \"[redacted]\"}",
    "secret=&quot;abcdef&quot;": "secret=&quot;[redacted]&quot;",
    '{"token": "12345678"}': '{"token": "[redacted]"}',
    "test_login[password=hunter2]": "test_login[password=[redacted]]",
    "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIabcdefgh\n-----END EC PRIVATE KEY-----": (
        "-----BEGIN EC PRIVATE KEY-----[redacted]-----END EC PRIVATE KEY-----"
    ),
    '"-----BEGIN PRIVATE KEY-----\\nMHcCAQEEIabcdefgh\\n': '"-----BEGIN PRIVATE KEY-----[redacted]',
}


@pytest.mark.parametrize(("text", "expected"), SHAPES.items(), ids=range(len(SHAPES)))
def test_the_known_shapes_of_secrets_go(text, expected):
    remover = Redactor()
    assert remover.redact_text(f"a {text} b").strip(" b") == f"a {expected} b".strip(" b")
    assert remover.redact_text(remover.redact_text(text)) == remover.redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "wrong password",
        "password: ",
        "basic functionality of the bearer market",
        '{"token": 12345678, "secret": true}',
        "max_tokens=4096",
        "https://example.com:8080/path?x=1",
        "http://localhost:1/a@b",
        "tests/test_token.py::test_secret[x]",
        "0123456789abcdef0123456789abcdef",
        "20260131T120000Z-1a2b3c",
        "asian markets, keynote, monkey",
    ],
)
def test_what_only_looks_like_a_secret_stays(text):
    assert Redactor().redact_text(text) == text


VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r", exclude_categories=("Cc", "Cs")), max_size=20)


@given(VALUES, st.sampled_from(["password=", "token: ", 'secret="', "https://u:", "Authorization: Bearer "]))
def test_xml_and_json_of_the_same_text_lose_the_same(value, prefix):
    text, remover = f"id[{prefix}{value}@x]", Redactor()
    from_xml = html.unescape(remover.redact_text(escape(text, {'"': "&quot;"})))
    from_json = json.loads(remover.redact_text(json.dumps(text)))
    assert from_xml == from_json


def test_text_without_secrets_is_returned_as_it_came():
    data = b"nothing to see" * 1000
    assert redactor(API_TOKEN="correct-horse").redact_bytes(data) is data


def test_bytes_that_are_no_text_pass_through():
    data = bytes(range(256))
    remover = redactor(API_TOKEN="correct-horse")
    assert remover.redact_bytes(data + b"correct-horse" + data) == data + b"[redacted]" + data
    assert remover.redact_text("\ud800 correct-horse") == "\ud800 [redacted]"


def test_overlapping_secrets_go_as_one():
    assert Redactor(["abcdefghij", "ghijklmnop"]).redact_text("abcdefghijklmnop") in {REPLACEMENT, "[redacted]klmnop"}
    assert Redactor(["abcdefgh", "abcdefghij"]).redact_text("abcdefghij") == REPLACEMENT
