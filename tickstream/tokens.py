"""Tokens: who somebody is and what they may do, signed, with an end, and given up when the user says so.

A token is a JWT signed with HS256 and nothing else; the algorithm is ours to choose, never the token's. Whether one has
been given up is known to Redis, see `given_up` for the names there; the parts look it up themselves.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

import jwt

from tickstream.faults import Faults

SECRET_BYTES: Final = 32
MAX_TOKEN_BYTES: Final = 4096
SCOPES: Final = ("patterns:read", "bars:read", "watchlists:read", "watchlists:write", "alerts:listen")
# The channel on which the id of a token is told when it is given up, so that open connections end with it.
GIVEN_UP: Final = "tokens:given-up"

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "tickstream"
_USER_CHARACTERS: Final = 64


class TokenError(Exception):
    """The token is not accepted. The message is for the log; what a client hears is the same for every reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a token stands for. `expires_at` is in seconds since 1970."""

    user: str
    scopes: frozenset[str]
    token_id: str
    expires_at: float

    def may(self, scope: str) -> bool:
        return scope in self.scopes


def issue(secret: str, user: str, scopes: tuple[str, ...] = SCOPES, *, lifetime_s: float = 3600.0) -> str:
    """A token for `user`. Raises ValueError for a scope that does not exist or a user without a proper name."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise ValueError(f"no scope {', '.join(unknown)}; allowed: {', '.join(SCOPES)}")
    if not _is_user(user):
        raise ValueError(f"user {user!r}: 1 to {_USER_CHARACTERS} printable characters are allowed")
    now = time.time()
    claims = {
        "iss": _ISSUER,
        "sub": user,
        "scope": " ".join(scopes),
        "jti": secrets.token_hex(16),
        "iat": int(now),
        "exp": now + lifetime_s,
    }
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def verify(token: str, secret: str, faults: Faults) -> Identity:
    """Whom `token` stands for. Raises TokenError for everything but a whole, valid, living token of ours."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenError("too long")
    try:
        claims = _decode(token, secret, faults)
        identity = Identity(
            user=claims["sub"],
            scopes=frozenset(claims["scope"].split()),
            token_id=claims["jti"],
            expires_at=float(claims["exp"]),
        )
    except (jwt.InvalidTokenError, KeyError, AttributeError, ValueError, TypeError, OverflowError) as error:
        raise TokenError(f"{type(error).__name__}: {error}") from error
    if not _is_user(identity.user) or not isinstance(identity.token_id, str):
        raise TokenError("not a token of ours")
    return identity


def given_up(token_id: str) -> str:
    """The key in Redis, after the installation's prefix, that exists while a given-up token could still be used."""
    return f"given-up:{token_id}"


def _decode(token: str, secret: str, faults: Faults) -> dict[str, Any]:
    unsigned = faults.on("accept_unsigned") and jwt.get_unverified_header(token).get("alg") == "none"
    claims: dict[str, Any] = jwt.decode(
        token,
        secret,
        algorithms=[_ALGORITHM],
        issuer=_ISSUER,
        options={
            "require": ["exp", "iat", "sub", "jti", "scope"],
            "verify_signature": not (unsigned or faults.on("accept_forged")),
            "verify_exp": not faults.on("accept_expired"),
        },
    )
    return claims


def _is_user(user: object) -> bool:
    return isinstance(user, str) and 0 < len(user) <= _USER_CHARACTERS and user.isprintable()
