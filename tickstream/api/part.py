"""The pattern API as a part: REST for patterns, bars and watchlists.

It listens before any server behind it is there. Without the database it is down: it answers 503 to everything that is
not in the cache, and knows by itself when the database is back. Without Redis it is degraded: slower, and nothing that
needs to know of tokens given up can be changed. Asked to stop, it finishes what it was asked and tells clients to go
elsewhere.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

from tickstream.api import openapi, routes
from tickstream.api.access import Access
from tickstream.api.app import App
from tickstream.api.cache import Cache
from tickstream.api.counts import Counts
from tickstream.api.cursor import Cursors
from tickstream.api.database import Database
from tickstream.api.endpoints import Endpoints
from tickstream.api.limiter import Limiter
from tickstream.api.page import Pages
from tickstream.api.redis_line import RedisLine
from tickstream.api.server import Server
from tickstream.api.watchlists import Watchlists
from tickstream.breaker import Breaker
from tickstream.faults import Faults
from tickstream.messaging.messages import Names
from tickstream.observation import Observation
from tickstream.part import Health, Listening, State
from tickstream.settings import Settings

_PAUSE_S: Final = 0.2
_FAREWELL_S: Final = 0.1  # for clients between two requests, to hear that this connection ends
_FINISH_S: Final = 2.8


class ApiPart:
    name = "api"
    url = ""

    def __init__(self, settings: Settings, app: App, database: Database, redis: RedisLine | None) -> None:
        self._settings = settings
        self._app = app
        self._server = Server(app)
        self._database = database
        self._redis = redis
        self._working = False

    async def run(self, listening: Listening) -> None:
        port = self._server.open(self._settings.host, self._settings.api_port)
        listening(self._settings.host, port)
        self._working = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._server.run())
                group.create_task(self._database.watch())
                if self._redis:
                    group.create_task(self._redis.watch())
        finally:
            self._working = False

    async def stop(self) -> None:
        self._app.closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_FINISH_S):
                await asyncio.sleep(_FAREWELL_S)
                await self._server.stop()

    def health(self) -> Health:
        if not self._working or not self._database.connected:
            state = State.DOWN
        elif self._redis is not None and not self._redis.connected:
            state = State.DEGRADED
        else:
            state = State.OK
        return Health(state=state, facts=self._facts())

    def _facts(self) -> dict[str, Any]:
        return {
            "database": _told(self._database.connected),
            "database_breaker": self._database.breaker,
            "redis": "not used" if self._redis is None else _told(self._redis.connected),
            "redis_breaker": "not used" if self._redis is None else self._redis.breaker,
        }


async def build(settings: Settings, faults: Faults, observation: Observation, stack: AsyncExitStack) -> ApiPart:
    names = Names(settings.prefix)
    redis = None
    if settings.redis_url:
        redis = RedisLine(settings.redis_url, Breaker(failures=1, pause_s=_PAUSE_S, faults=faults), faults)
        stack.push_async_callback(redis.close)
    breaker = Breaker(failures=3, pause_s=_PAUSE_S, faults=faults)
    database = Database(settings.postgres_url, settings.schema, breaker, faults)
    await database.open()
    stack.push_async_callback(database.close)
    access = Access(settings.token_secret, redis, names, faults)
    endpoints = Endpoints(database, access, Cursors(settings.token_secret), faults)
    watchlists = Watchlists(database, faults)
    pages = Pages(watchlists, observation, faults)
    operations = routes.operations(endpoints, watchlists, pages)
    pages.openapi = openapi.document(operations)
    app = App(
        operations,
        access=access,
        limiter=Limiter(settings.rate_limit_per_s),
        cache=Cache(redis, names, settings.cache_s, faults),
        counts=Counts(observation.registry),
        faults=faults,
    )
    return ApiPart(settings, app, database, redis)


def _told(connected: bool) -> str:
    return "connected" if connected else "away"
