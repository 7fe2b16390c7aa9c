"""Secrets out of everything that is kept.

Owns what counts as a secret: the values of secret-named environment variables in every form in which logs, XML, JSON
and headers carry them, and the well-known shapes of tokens and keys. Promises the same replacement in every channel, so
that names still match, that redacting twice changes nothing, and that verdict words and everyday words stay. No
redaction finds everything; it is the last net, not the first. Rewriting files is left to `gate.store`.
"""

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from gate.model import CaseResult, Decision, Severity, Status

REPLACEMENT: Final = "[redacted]"
LONGEST_BYTES: Final = 1 << 16  # no secret is longer; what is read in parts must overlap by this much
_SHORTEST: Final = 8
_EVERYDAY: Final = (
    "[redacted] redacted localhost 127.0.0.1 true false null none disabled enabled undefined production development "
    "staging testing database postgres postgresql username password changeme anonymous required optional unlimited "
    "unavailable example example.com pytest tickstream"
)
_PLAIN: Final = frozenset(_EVERYDAY.split()).union(
    word.value.lower() for words in (Status, Severity, Decision, CaseResult) for word in words
)
_SECRET_NAME: Final = re.compile(
    r"TOKEN|SECRET|PASSW(?:OR)?D|PASSPHRASE|CREDENTIAL|API_?KEY|KEYS?$|(?:^|_)(?:KEY|PASS|PWD|DSN)(?:_|$)",
    re.IGNORECASE,
)
_NEVER_SECRET: Final = re.compile(r"(?:OLD)?PWD|.*_(?:PATH|FILE|DIR|HOME|NAME|URL|ENDPOINT)", re.IGNORECASE)

_QUOTE: Final = r"""(?:\\*["']|&(?:quot|apos|#34|#39|#x27);)"""
_KEY: Final = (
    r"(?i:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key)"
)
_KEY_WORDS: Final = (
    *("passw", "passphrase", "pwd", "secret", "token", "api_key", "api-key", "apikey"),
    *("access_key", "access-key", "accesskey", "private_key", "private-key", "privatekey"),
)
_NOT_PLAIN: Final = rf"(?!(?i:{'|'.join(sorted(map(re.escape, _PLAIN), key=len, reverse=True))})(?![\w-]))"
# Only characters that XML, JSON and plain text write in the same way, so that every channel loses the same part.
_ENDS_VALUE: Final = r"""\x00-\x1f"'<>&,;()\[\]{}\\\x7f-\xff"""
_VALUE: Final = rf"""(?P<s>(?<=["';])[^{_ENDS_VALUE}]{{4,1000}}|[^ {_ENDS_VALUE}]{{4,1000}})"""  # in quotes with spaces
_KEY_VALUE: Final = (
    # After a quoted key only a quoted value: the numbers of a JSON file must stay numbers.
    rf"{_KEY}(?:{_QUOTE} {{0,3}}[:=] {{0,3}}{_QUOTE}| {{0,3}}[:=] {{0,3}}{_QUOTE}?){_NOT_PLAIN}{_VALUE}"
)
_IN_URL: Final = r"""(?:[^\s/@"'<>&]|&(?!quot;|apos;|lt;|gt;|#))"""
_AUTHORIZATION: Final = (
    rf"(?i:authorization){_QUOTE}? {{0,3}}[:=] {{0,3}}{_QUOTE}?(?i:(?:basic|bearer|token|digest|negotiate) {{1,3}})?"
    r"(?P<s>[A-Za-z0-9._~+/=-]{8,16000})"
)
_PRIVATE_KEY: Final = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?P<s>(?:(?!-----)[A-Za-z0-9+/=\s\\:,#;&.-]){16,32000})"
)

# Shapes of secrets: how they begin, in lower case, then the whole pattern; its group `s` is what is replaced.
_SHAPES: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("akia", "asia"), r"(?<![A-Z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Z0-9])"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"gh[pousr]_[A-Za-z0-9]{30,255}"),
    (("github_pat_",), r"github_pat_[A-Za-z0-9_]{22,255}"),
    (("glpat-", "gldt-", "glrt-"), r"gl(?:pat|dt|rt)-[A-Za-z0-9_-]{20,255}"),
    (("xox",), r"xox[abeoprs]-[A-Za-z0-9-]{10,255}"),
    (("hooks.slack.com/",), r"hooks\.slack\.com/(?:services|workflows)/(?P<s>[A-Za-z0-9/]{20,255})"),
    (("aiza",), r"AIza[0-9A-Za-z_-]{35}"),
    (("sk_live_", "rk_live_"), r"[rs]k_live_[0-9A-Za-z]{16,255}"),
    (("pypi-",), r"pypi-[A-Za-z0-9_-]{50,1000}"),
    (("npm_",), r"npm_[A-Za-z0-9]{36}"),
    (("eyj",), r"eyJ[A-Za-z0-9_-]{8,500}+\.[A-Za-z0-9_-]{8,16000}+\.[A-Za-z0-9_-]{0,4000}"),
    (("-----begin ",), _PRIVATE_KEY),
    (("authorization",), _AUTHORIZATION),
    (("bearer ",), r"(?i:bearer) {1,3}(?P<s>[A-Za-z0-9._~+/=-]{16,16000})"),
    (("://",), rf"""://(?:(?!:){_IN_URL}){{0,200}}:(?P<s>(?!\[redacted\]@){_IN_URL}{{1,500}})@"""),
    (("://",), r"://(?P<s>[A-Za-z0-9_-]{20,500})@"),
    (_KEY_WORDS, _KEY_VALUE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One secret at `start`…`end` of a text; what identified it began at `context`."""

    context: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    starts: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    group: str | int

    def found(self, data: bytes, lowered: bytes, start: bytes) -> Iterable[Span]:
        """Substring search first and the pattern only there: a log without secrets costs next to nothing."""
        at = lowered.find(start)
        while at >= 0:
            if match := self.pattern.match(data, at):
                yield Span(context=at, start=match.start(self.group), end=match.end(self.group))
            at = lowered.find(start, at + 1)


class Redactor:
    """Replaces secrets. Immutable; costs a few substring searches per text that holds none."""

    __slots__ = ("_pattern", "_shapes", "_values")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets` are further values to remove; those that are short or everyday words are ignored."""
        values = {form for secret in secrets if _is_secret(secret) for form in _forms(secret)}
        self._values = tuple(sorted(values, key=lambda value: (-len(value), value)))
        self._pattern = re.compile(b"|".join(map(_value_pattern, self._values))) if values else None
        self._shapes = _compiled()

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "Redactor":
        """A redactor for the values of secret-named variables and the passwords in URLs of `env`."""
        return cls(value for name, text in env.items() for value in _values_of(name, text))

    def redact_text(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        redacted = self.redact_bytes(data)
        return text if redacted is data else redacted.decode("utf-8", "surrogatepass")

    def redact_bytes(self, data: bytes) -> bytes:
        """`data` without secrets; the very same object when there are none."""
        return replace(data, self.spans(data))

    def spans(self, data: bytes) -> tuple[Span, ...]:
        """Where the secrets are, in order and without overlap."""
        found: list[Span] = []
        if self._pattern is not None and any(value in data for value in self._values):
            found += [Span(context=m.start(), start=m.start(), end=m.end()) for m in self._pattern.finditer(data)]
        lowered = data.lower()
        for shape in self._shapes:
            for start in shape.starts:
                found += shape.found(data, lowered, start)
        return _merged(found) if found else ()


def replace(data: bytes, spans: Iterable[Span]) -> bytes:
    """`data` with each of `spans` (in order, without overlap) replaced."""
    parts, at = [], 0
    for span in spans:
        parts += [data[at : span.start], REPLACEMENT.encode()]
        at = span.end
    return b"".join([*parts, data[at:]]) if parts else data


def _merged(spans: list[Span]) -> tuple[Span, ...]:
    spans.sort(key=lambda span: (span.start, -span.end))
    merged = [spans[0]]
    for span in spans[1:]:
        last = merged[-1]
        if span.start < last.end:
            context = min(last.context, span.context)
            merged[-1] = Span(context=context, start=last.start, end=max(last.end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def _compiled() -> tuple[_Shape, ...]:
    shapes = []
    for starts, text in _SHAPES:
        pattern = re.compile(text.encode())
        group: str | int = "s" if "s" in pattern.groupindex else 0
        shapes.append(_Shape(starts=tuple(map(str.encode, starts)), pattern=pattern, group=group))
    return tuple(shapes)


def _values_of(name: str, text: str) -> Iterable[str]:
    if _SECRET_NAME.search(name) and not _NEVER_SECRET.fullmatch(name):
        yield text
        yield text.strip()
        yield from (line.strip() for line in text.splitlines() if len(line.strip()) >= 2 * _SHORTEST)
    if "://" in text:
        try:
            password = urlsplit(text).password
        except ValueError:
            return
        if password:
            yield password
            yield unquote(password)


def _is_secret(value: str) -> bool:
    if len(value) < _SHORTEST or value.strip().lower() in _PLAIN:
        return False
    return value not in REPLACEMENT and len(value) <= LONGEST_BYTES // 8


def _forms(secret: str) -> Iterable[bytes]:
    """The ways in which `secret` is written in logs, JSON, XML, URLs, headers and Python's own `repr`."""
    texts = {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        html.escape(secret, quote=False),
        html.escape(secret),
        html.escape(secret, quote=False).replace('"', "&quot;"),
        html.escape(secret, quote=False).replace('"', "&quot;").replace("'", "&apos;"),
    }
    raw = secret.encode("utf-8", "surrogatepass")
    for quoted in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        texts |= {quoted, re.sub("%..", lambda match: match.group().lower(), quoted)}
    yield from (text.encode("utf-8", "surrogatepass") for text in texts)
    for offset in range(3):
        first, last = (0, 2, 3)[offset], (offset + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(offset) + raw)[first:last]


def _value_pattern(value: bytes) -> bytes:
    escaped = re.escape(value)
    # A number that is a secret must not be cut out of a longer number.
    return rb"(?<![\d.])" + escaped + rb"(?![\d.])" if value.isdigit() else escaped
