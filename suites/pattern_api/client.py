"""How the tests talk to the API: plain HTTP, with what came back kept whole."""

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from suites.system import Service, token
from suites.waiting import until


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def items(self) -> list[Any]:
        assert self.status == 200, (self.status, self.body)
        return list(self.json["items"])

    @property
    def error(self) -> dict[str, Any]:
        """What the refusal says; every refusal has this shape."""
        assert set(self.json) == {"error"}, self.body
        error = self.json["error"]
        assert {"code", "message", "field"} == set(error), error
        return dict(error)

    @property
    def from_cache(self) -> bool:
        return self.headers["X-Cache"] == "hit"


class Client:
    """A user of the API. Use as `async with Client(service) as ada`; without a token with `token_text=""`."""

    def __init__(self, service: Service, user: str = "ada", *scopes: str, token_text: str | None = None) -> None:
        self._url = service.url("api")
        self.token = token(user, *scopes) if token_text is None else token_text

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector, headers=headers, auto_decompress=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str, **query: Any) -> Answer:
        """`from_` stands for the parameter `from`."""
        named = {name.rstrip("_"): str(value) for name, value in query.items() if value is not None}
        return await self.send("GET", str(URL(path, encoded=True).with_query(named)) if named else path)

    async def send(self, method: str, path: str, **options: Any) -> Answer:
        """Exactly this path, not tidied up in any way."""
        options.setdefault("allow_redirects", False)
        async with self._session.request(method, URL(self._url + path, encoded=True), **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def pages(self, path: str, **query: Any) -> list[list[Any]]:
        """Every page, to the last."""
        pages, cursor = [], None
        while True:
            answer = await self.get(path, cursor=cursor, **query)
            pages.append(answer.items)
            cursor = answer.json["next"]
            if cursor is None:
                return pages

    async def metric(self, sample: str) -> float:
        """The value of one sample in /metrics, 0 when it is not there."""
        for line in (await self.send("GET", "/metrics")).body.decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return 0.0

    async def healthy(self, status: str = "ok") -> None:
        """Return when the process says so of itself."""

        async def says_so() -> bool:
            return bool((await self.send("GET", "/healthz")).json["status"] == status)

        await until(says_so)
