"""What a request that is not granted hears: one shape for all, the reason for a person, a code for a program.

A refusal tells what is allowed and nothing of ours: no names of tables, servers or files, and for a token that is not
accepted always the same text, whatever is wrong with it.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec


class Refusal(Exception):
    """Ends a request with an error as its answer."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = headers or {}


class Problem(msgspec.Struct, frozen=True):
    """`code` is for programs and stays as it is; `field` names the parameter or the place in the body."""

    code: str
    message: str
    field: str | None = None


class ErrorBody(msgspec.Struct, frozen=True):
    error: Problem


def body(refusal: Refusal, *, details: str | None = None) -> bytes:
    document: dict[str, Any] = msgspec.to_builtins(
        ErrorBody(Problem(refusal.code, refusal.message, refusal.field)),
    )
    if details is not None:
        document["error"]["details"] = details
    return msgspec.json.encode(document) + b"\n"


def bad_parameter(name: str, message: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, "bad_parameter", f"{name}: {message}", field=name)


def two_ends() -> Refusal:
    message = "allowed is Content-Length or Transfer-Encoding, not both"
    return Refusal(HTTPStatus.BAD_REQUEST, "two_ends", message, headers={"Connection": "close"})


def unauthorised() -> Refusal:
    return Refusal(
        HTTPStatus.UNAUTHORIZED,
        "unauthorised",
        "a valid token is needed, as `Authorization: Bearer <token>`",
        headers={"WWW-Authenticate": 'Bearer realm="tickstream"'},
    )


def missing_scope(scope: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, "missing_scope", f"this needs a token with the scope {scope}")


def not_found() -> Refusal:
    return Refusal(HTTPStatus.NOT_FOUND, "not_found", "there is nothing here")


def not_allowed(methods: str) -> Refusal:
    message = f"allowed: {methods}"
    return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", message, headers={"Allow": methods})


def too_many_requests(wait_s: int | None) -> Refusal:
    headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too_many_requests", "too many requests; come again", headers=headers)


def unavailable() -> Refusal:
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "unavailable",
        "what this needs is away for the moment; come again",
        headers={"Retry-After": "1"},
    )


def internal() -> Refusal:
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "something broke here; it has been noted")
