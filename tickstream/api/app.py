"""A request's way: found, let in, checked, answered, counted. Whatever goes wrong on it becomes an answer here.

The order of checks is the same for every operation: path, method, token, rate, given up, scope, parameters, body. So
somebody without a token learns nothing of what is there, and one who asks too much costs next to nothing.
"""

import time
import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from tickstream import log
from tickstream.api import answers, body, errors, parameters
from tickstream.api.access import Access
from tickstream.api.cache import Cache
from tickstream.api.counts import Counts
from tickstream.api.database import DatabaseAway
from tickstream.api.errors import Refusal
from tickstream.api.limiter import Limiter
from tickstream.api.operation import Call, Operation
from tickstream.faults import Faults
from tickstream.tokens import Identity

_SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
_NOWHERE: Final = "none"  # the route in logs and counts when there is no such path


class Place:
    """A path, and the operations there by their methods."""

    def __init__(self, path: str, operations: Sequence[Operation]) -> None:
        # A symbol or a file's name may hold slashes; whether there is such a one is its operation's to say.
        pattern = path.replace("{symbol}", "{symbol:path}").replace("{path}", "{path:path}")
        self.path = path
        self._route = Route(pattern, endpoint=_never)
        self._operations = {operation.method: operation for operation in operations}
        if "GET" in self._operations:
            self._operations["HEAD"] = self._operations["GET"]

    def match(self, scope: Scope) -> Mapping[str, str] | None:
        """What stands in the path for its parameters, None if it is another path."""
        match, found = self._route.matches(scope)
        return None if match is Match.NONE else found["path_params"]

    def operation(self, method: str) -> Operation:
        operation = self._operations.get(method)
        if operation is None:
            raise errors.not_allowed(", ".join(sorted(self._operations)))
        return operation


class App:
    """The ASGI application. `closing` tells clients to come again on another connection."""

    def __init__(
        self,
        operations: Sequence[Operation],
        *,
        access: Access,
        limiter: Limiter,
        cache: Cache,
        counts: Counts,
        faults: Faults,
    ) -> None:
        paths = dict.fromkeys(operation.path for operation in operations)
        self._places = [Place(path, [each for each in operations if each.path == path]) for path in paths]
        self._access = access
        self._limiter = limiter
        self._cache = cache
        self._counts = counts
        self._faults = faults
        self.closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        began = time.perf_counter()
        request = Request(scope, receive)
        place, found = self._find(scope)
        try:
            response = await self._respond(request, place, found)
        except ClientDisconnect:
            return
        for name, value in _SECURITY.items():
            response.headers.setdefault(name, value)
        if self.closing:
            response.headers["Connection"] = "close"
        await response(scope, receive, send)
        self._note(request.method, place.path if place else _NOWHERE, response, time.perf_counter() - began)

    def _find(self, scope: Scope) -> tuple[Place | None, Mapping[str, str]]:
        for place in self._places:
            found = place.match(scope)
            if found is not None:
                return place, found
        return None, {}

    async def _respond(self, request: Request, place: Place | None, found: Mapping[str, str]) -> Response:
        try:
            _check_end(request)
            if place is None:
                return self._elsewhere(request)
            _check_path(request)
            return await self._perform(request, place.operation(request.method), found)
        except Refusal as refusal:
            return self._refuse(refusal, refusal)
        except DatabaseAway as error:
            return self._refuse(errors.unavailable(), error)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  # the one place where a defect of ours becomes an answer
            where = traceback.extract_tb(error.__traceback__)[-1]
            # Without its text, which may hold what the client has sent.
            log.error("request_failed", reason=type(error).__name__, at=f"{where.filename}:{where.lineno}")
            return self._refuse(errors.internal(), error)

    async def _perform(self, request: Request, operation: Operation, found: Mapping[str, str]) -> Response:
        identity = await self._let_in(request, operation)
        checked = not self._faults.on("skip_validation")
        values = parameters.read_query(operation.query, request.scope["query_string"], checked=checked)
        for parameter in operation.in_path:
            values[parameter.name] = parameter.read(found[parameter.name], checked=checked)
        taken = await body.read(request, operation.takes, self._faults) if operation.takes else None
        if operation.private:
            await self._faults.wait("slow_api")
        return await self._answer(Call(request=request, identity=identity, values=values, body=taken), operation)

    async def _let_in(self, request: Request, operation: Operation) -> Identity | None:
        if not operation.private:
            return None
        identity = self._access.identify(request, open_by_defect=operation.open_by_defect)
        wait_s = self._limiter.wait_s(identity.user, time.monotonic())
        if wait_s and not self._faults.on("no_rate_limit"):
            self._counts.limited.inc()
            raise errors.too_many_requests(None if self._faults.on("no_retry_after") else wait_s)
        await self._access.check_living(identity, changes=operation.changes)
        self._access.check_scope(identity, operation.scope)
        return identity

    async def _answer(self, call: Call, operation: Operation) -> Response:
        if operation.cached:
            kept = await self._cache.answer(operation.question(call.values), lambda: _worked_out(call, operation))
            self._counts.looked_up(hit=kept.hit)
            return _json(kept.body, operation.status, {"X-Cache": "hit" if kept.hit else "miss"})
        answer = await operation.answer(call)
        return answer if isinstance(answer, Response) else _json(answers.encode(answer), operation.status)

    def _elsewhere(self, request: Request) -> Response:
        """A path with a slash too many leads to the one without; any other unknown path to nothing."""
        scope = request.scope
        shorter = {**scope, "path": scope["path"].rstrip("/")}
        if not scope["path"].endswith("/") or self._find(shorter)[0] is None:
            raise errors.not_found()
        location = scope["raw_path"].rstrip(b"/").decode("ascii")
        response = Response(status_code=HTTPStatus.PERMANENT_REDIRECT, headers={"Location": location})
        if self._faults.on("header_injection"):
            response.raw_headers = _as_it_is("location", shorter["path"])
        return response

    def _refuse(self, refusal: Refusal, cause: Exception) -> Response:
        details = None
        if self._faults.on("error_details"):
            details = "".join(traceback.format_exception(cause))
        return _json(errors.body(refusal, details=details), refusal.status, refusal.headers)

    def _note(self, method: str, route: str, response: Response, seconds: float) -> None:
        self._counts.answered(method if method in _METHODS else "other", route, response.status_code, seconds)
        log.debug("request", method=method, route=route, status=response.status_code, ms=round(seconds * 1000, 3))


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


async def _worked_out(call: Call, operation: Operation) -> bytes:
    answer = await operation.answer(call)
    if isinstance(answer, Response):
        raise TypeError(f"{operation.name}: only what is written as JSON can be cached")
    return answers.encode(answer)


def _check_end(request: Request) -> None:
    """Raises Refusal for a request that tells twice where it ends: a proxy before us may have read it otherwise."""
    if "transfer-encoding" in request.headers and "content-length" in request.headers:
        raise errors.two_ends()


def _check_path(request: Request) -> None:
    """Raises Refusal for a path that is not UTF-8 when it is decoded; the server has put other characters there."""
    raw = request.scope["raw_path"]
    if b"%" in raw:
        try:
            unquote(raw.decode("ascii"), errors="strict")
        except UnicodeDecodeError as error:
            raise errors.bad_parameter("path", "allowed is percent-encoded UTF-8") from error


def _json(content: bytes, status: int, headers: Mapping[str, str] | None = None) -> Response:
    media_type = "application/json" if content else None
    return Response(content, status_code=status, headers=dict(headers or {}), media_type=media_type)


def _as_it_is(name: str, text: str) -> list[tuple[bytes, bytes]]:
    """The defect: the text goes out as it is, so that line breaks in it begin headers of their own."""
    first, *others = text.replace("\r\n", "\n").split("\n")
    pairs = [(name, first), *(tuple(other.partition(":")[::2]) for other in others if ":" in other)]
    return [(key.strip().lower().encode("latin-1"), value.strip().encode("latin-1")) for key, value in pairs]


async def _never(_: Request) -> Response:
    raise AssertionError("a place's route only matches")
