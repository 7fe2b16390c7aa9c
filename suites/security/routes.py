"""What the API offers and to whom, said here a second time: a route that is new or has lost its lock is noticed."""

from collections.abc import Mapping
from dataclasses import dataclass

from suites.security.client import Client

# Whoever asks is answered here; nothing in these answers is anybody's.
PUBLIC = {("GET", "/healthz"), ("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/static/{path}")}
SCOPES = {
    ("GET", "/api/v1/patterns"): "patterns:read",
    ("GET", "/api/v1/patterns/{number}"): "patterns:read",
    ("GET", "/api/v1/bars/{symbol}"): "bars:read",
    ("GET", "/api/v1/symbols"): "bars:read",
    ("GET", "/api/v1/watchlists"): "watchlists:read",
    ("POST", "/api/v1/watchlists"): "watchlists:write",
    ("GET", "/api/v1/watchlists/{id}"): "watchlists:read",
    ("PUT", "/api/v1/watchlists/{id}"): "watchlists:write",
    ("DELETE", "/api/v1/watchlists/{id}"): "watchlists:write",
    ("GET", "/watchlists"): "watchlists:read",
}
ANY_TOKEN = {("DELETE", "/api/v1/token")}

NOWHERE = "00000000-0000-4000-8000-000000000000"
_PLACES = {"{number}": "1", "{symbol}": "AAPL", "{id}": NOWHERE, "{path}": "watchlists.css"}
WATCHLIST = {"name": "mine", "symbols": ["AAPL"], "kinds": ["gap"], "min_strength": 5}


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    parameters: tuple[tuple[str, str], ...]  # where (path or query), and the name

    @property
    def key(self) -> tuple[str, str]:
        return self.method, self.path

    @property
    def target(self) -> str:
        """The path with something harmless for each of its parameters."""
        return filled(self.path)


def offered(client: Client) -> list[Route]:
    """Every route of the API's own document."""
    document = client.get("/openapi.json").json()
    return [
        Route(method.upper(), path, tuple((each["in"], each["name"]) for each in operation.get("parameters", ())))
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def filled(path: str, values: Mapping[str, str] | None = None) -> str:
    for place, harmless in _PLACES.items():
        path = path.replace(place, (values or {}).get(place.strip("{}"), harmless))
    return path


def body_for(method: str) -> dict[str, object] | None:
    return WATCHLIST if method in {"POST", "PUT", "PATCH"} else None
