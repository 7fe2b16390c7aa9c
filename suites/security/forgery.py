"""Tokens that must not be accepted, each made from a good one: forged, altered, confused about their algorithm, dead.

Some need the secret: those that only a mistaken issuer could make, and those that show which rule refuses them.
"""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from suites.system import TOKEN_SECRET, token

_HS256 = {"alg": "HS256", "typ": "JWT"}
_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_SECRET = TOKEN_SECRET.encode()


def refused(user: str) -> dict[str, str]:
    """By what is wrong with it."""
    good = token(user)
    return {**_texts(good), **_altered(good), **_unsigned(good), **_confused(good), **_dead(good), **_odd_claims(good)}


def signed(header: dict[str, Any], claims: Any, key: bytes = _SECRET, digest: str = "HS256") -> str:
    """A token put together by hand; nothing in it is checked."""
    text = f"{_encode(header)}.{_encode(claims)}"
    return f"{text}.{_b64(hmac.digest(key, text.encode(), _DIGESTS[digest]))}"


def claims_of(good: str) -> dict[str, Any]:
    middle = good.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))


def _texts(good: str) -> dict[str, str]:
    """What is no token at all."""
    return {
        "blank": " ",
        "word": "undefined",
        "dots": "..",
        "one_part": good.split(".", maxsplit=1)[0],
        "two_parts": good.rpartition(".")[0],
        "four_parts": good + ".x",
        "five_parts": good + "..",
        "not_base64": "!!!.###.%%%",
        "not_json": f"{_b64(b'{')}.{_b64(b'{')}.{_b64(b'x')}",
        "header_no_object": f"{_encode([1])}.{good.split('.', 1)[1]}",
        "claims_no_object": signed(_HS256, ["sub", user_of(good)]),
        "claims_null": signed(_HS256, None),
        "quoted": f'"{good}"',
        "twice": f"{good},{good}",
        "with_remark": f"{good} admin",
        "json": json.dumps({"token": good}),
        "sql": "' OR '1'='1' --",
        "five_kilobytes": good + "A" * 5000,
    }


def user_of(good: str) -> str:
    return str(claims_of(good)["sub"])


def _altered(good: str) -> dict[str, str]:
    header, payload, signature = good.split(".")
    claims = claims_of(good)
    other_signature = token("somebody-else").split(".")[2]
    return {
        "user_changed": f"{header}.{_encode({**claims, 'sub': 'admin'})}.{signature}",
        "scope_added": f"{header}.{_encode({**claims, 'scope': claims['scope'] + ' admin'})}.{signature}",
        "life_prolonged": f"{header}.{_encode({**claims, 'exp': claims['exp'] + 86_400})}.{signature}",
        "signature_cut": f"{header}.{payload}.{signature[:-4]}",
        "signature_of_another": f"{header}.{payload}.{other_signature}",
        "signature_zero": f"{header}.{payload}.{_b64(bytes(32))}",
        "wrong_key": token(user_of(good), secret="y" * 40),
        "empty_key": signed(_HS256, claims, b""),
        "key_of_zero": signed(_HS256, claims, b"\0"),
        "key_cut": signed(_HS256, claims, _SECRET[:-1]),
        "key_padded": signed(_HS256, claims, _SECRET + b"\n"),
        "key_is_user": signed(_HS256, claims, user_of(good).encode()),
    }


def _unsigned(good: str) -> dict[str, str]:
    """The algorithm `none`, in the spellings that have been taken somewhere."""
    _, payload, signature = good.split(".")
    spellings = ("none", "None", "NONE", "nOnE", "none ", "", "null")
    bare = {f"unsigned_{n}_{name.strip()}": f"{_encode({'alg': name})}.{payload}." for n, name in enumerate(spellings)}
    return {
        **bare,
        "unsigned_with_signature": f"{_encode({'alg': 'none'})}.{payload}.{signature}",
        "unsigned_with_typ": f"{_encode({'alg': 'none', 'typ': 'JWT'})}.{payload}.",
        "signature_missing": good.rpartition(".")[0] + ".",
    }


def _confused(good: str) -> dict[str, str]:
    """Headers that try to choose how they are checked."""
    claims = claims_of(good)
    mine = b"a key of my own, as long as is asked for"
    jwk = {"kty": "oct", "k": _b64(mine), "alg": "HS256"}
    local = "http://127.0.0.1:9/keys.json"
    return {
        "hs384": signed({"alg": "HS384"}, claims, digest="HS384"),
        "hs512": signed({"alg": "HS512"}, claims, digest="HS512"),
        "rs256_with_secret": signed({"alg": "RS256"}, claims),
        "es256_with_secret": signed({"alg": "ES256"}, claims),
        "eddsa_with_secret": signed({"alg": "EdDSA"}, claims),
        "hs256_small": signed({"alg": "hs256"}, claims),
        "no_algorithm": signed({"typ": "JWT"}, claims),
        "algorithm_null": signed({"alg": None}, claims),
        "algorithm_number": signed({"alg": 256}, claims),
        "algorithm_list": signed({"alg": ["HS256"]}, claims),
        "kid_file": signed({**_HS256, "kid": "../../../../dev/null"}, claims, b""),
        "kid_sql": signed({**_HS256, "kid": "x' UNION SELECT 'mine"}, claims, b"mine"),
        "kid_list": signed({**_HS256, "kid": ["x"]}, claims),
        "jku": signed({**_HS256, "jku": local}, claims, mine),
        "x5u": signed({**_HS256, "x5u": local}, claims, mine),
        "jwk": signed({**_HS256, "jwk": jwk}, claims, mine),
        "critical_unknown": signed({**_HS256, "crit": ["policy"], "policy": "all"}, claims),
        "critical_empty": signed({**_HS256, "crit": []}, claims),
        "payload_not_encoded": signed({**_HS256, "b64": False, "crit": ["b64"]}, claims),
    }


def _dead(good: str) -> dict[str, str]:
    claims, now = claims_of(good), time.time()
    user = user_of(good)
    return {
        "expired": token(user, lifetime_s=-1.0),
        "expired_long_ago": token(user, lifetime_s=-86_400.0),
        "expired_at_zero": signed(_HS256, {**claims, "exp": 0}),
        "expired_before_zero": signed(_HS256, {**claims, "exp": -1}),
        "not_yet": signed(_HS256, {**claims, "nbf": now + 3600}),
        "from_tomorrow": signed(_HS256, {**claims, "iat": now + 86_400, "exp": now + 90_000}),
    }


def _odd_claims(good: str) -> dict[str, str]:
    """Rightly signed, and not a token of ours all the same."""
    claims = claims_of(good)
    changes: dict[str, dict[str, Any]] = {
        "issuer_other": {"iss": "elsewhere"},
        "issuer_list": {"iss": ["tickstream", "elsewhere"]},
        "audience_other": {"aud": "another-service"},
        "end_null": {"exp": None},
        "end_text": {"exp": "tomorrow"},
        "end_not_a_number": {"exp": float("nan")},
        "end_infinite": {"exp": float("inf")},
        "end_beyond_numbers": {"exp": 10**400},
        "end_list": {"exp": [claims["exp"]]},
        "user_empty": {"sub": ""},
        "user_number": {"sub": 7},
        "user_null": {"sub": None},
        "user_object": {"sub": {"name": "admin"}},
        "user_too_long": {"sub": "a" * 65},
        "user_with_line": {"sub": "ada\r\nX-Admin: 1"},
        "user_with_nul": {"sub": "ada\0"},
        "user_half_a_pair": {"sub": "\ud800"},
        "scope_list": {"scope": claims["scope"].split()},
        "scope_number": {"scope": 1},
        "scope_object": {"scope": {"patterns:read": True}},
        "id_number": {"jti": 1},
        "id_list": {"jti": ["x"]},
    }
    missing = {f"without_{name}": name for name in ("iss", "exp", "iat", "sub", "jti", "scope")}
    return {
        **{what: signed(_HS256, {**claims, **change}) for what, change in changes.items()},
        **{what: signed(_HS256, {k: v for k, v in claims.items() if k != name}) for what, name in missing.items()},
    }


def _encode(value: Any) -> str:
    return _b64(json.dumps(value).encode())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
