"""What the API offers, in one shape: an operation, and the call of one that has passed every check.

The table of operations is the only place where routes, scopes and parameters are said; the server, the checks and the
OpenAPI document are all made from it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from tickstream.api.parameters import Parameter, Value
from tickstream.tokens import Identity

_PAGING = ("limit", "cursor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was let in. `values` holds every parameter of its operation, `body` what was sent, decoded."""

    request: Request
    identity: Identity | None
    values: Mapping[str, Value]
    body: Any = None

    @property
    def user(self) -> str:
        """Whose token it came with; only for operations that are private."""
        return self.known.user

    @property
    def known(self) -> Identity:
        if self.identity is None:
            raise LookupError("an operation that is open to all has no user")
        return self.identity

    @property
    def limit(self) -> int:
        return int(str(self.values["limit"]))

    @property
    def cursor(self) -> str | None:
        cursor = self.values["cursor"]
        return None if cursor is None else str(cursor)

    def filters(self) -> dict[str, Value]:
        """The parameters that say which things are meant, not how many or where to go on."""
        return {name: value for name, value in self.values.items() if name not in _PAGING}


Answer = Struct | Response | None
Answering = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path. Without `private` no token is asked for; `scope` is what the token must allow besides.

    A `cached` operation answers everybody alike. `open_by_defect` is where the fault skip_auth leaves the door open.
    """

    method: str
    path: str
    name: str
    summary: str
    answer: Answering
    private: bool = True
    scope: str = ""
    in_path: tuple[Parameter, ...] = ()
    in_query: tuple[Parameter, ...] = ()
    takes: type[Struct] | None = None
    gives: type[Struct] | None = None
    content_type: str = "application/json"
    status: HTTPStatus = HTTPStatus.OK
    cached: bool = False
    refusals: tuple[HTTPStatus, ...] = ()
    open_by_defect: bool = False
    query: Mapping[str, Parameter] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "query", {parameter.name: parameter for parameter in self.in_query})

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    def question(self, values: Mapping[str, Value]) -> str:
        """What is asked, written the same way however it was asked."""
        given = sorted((name, str(value)) for name, value in values.items() if value is not None)
        return f"{self.path}?{urlencode(given)}"
