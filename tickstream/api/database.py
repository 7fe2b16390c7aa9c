"""The API's way to PostgreSQL: a few connections, opened when they are needed, none of them waited for for long.

While the database is away requests are refused at once, once the breaker has seen enough. A connection on which
something was not answered is not used again. Values travel beside the query, never in it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from tickstream import log, schema
from tickstream.breaker import Breaker, BreakerState
from tickstream.faults import Faults

# What says that the database cannot serve now; every other error of PostgreSQL says that a query of ours is wrong.
AWAY: Final = (
    OSError,  # TimeoutError included
    asyncpg.InterfaceError,  # the connection broke while it was being handed out
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ReadOnlySQLTransactionError,
)

_CONNECTIONS: Final = 8
_CONNECT_S: Final = 2.0
_STATEMENT_MS: Final = 1500
_ANSWER_S: Final = 2.0  # the server gives up first, unless it is silent
_CLOSE_S: Final = 0.5
_LOOK_S: Final = 0.5
_KNOCK_S: Final = 0.1


class DatabaseAway(Exception):
    """The database does not serve now. The message is for the log."""


class Database:
    """A pool that opens by itself after `open`. Use `session` for what belongs together, `fetch` for one query."""

    def __init__(self, url: str, schema_name: str, breaker: Breaker, faults: Faults) -> None:
        self._breaker = breaker
        self._faults = faults
        self._schema = schema_name
        self._created = False
        self._pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=_CONNECTIONS,
            connect=self._connect,
            reset=_leave_as_it_is,
            timeout=_CONNECT_S,
            command_timeout=_ANSWER_S,
            server_settings={
                "search_path": f'"{schema_name}"',
                "application_name": f"tickstream/{schema_name}",
                "statement_timeout": str(_STATEMENT_MS),
            },
        )
        self._answered = False

    async def open(self) -> None:
        """Needs no database: connections are made when they are asked for."""
        await self._pool

    async def fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """Raises DatabaseAway, and asyncpg.PostgresError for a query that the database does not take."""
        async with self.session() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *values)
        return rows

    @asynccontextmanager
    async def session(self, *, probe: bool = False) -> AsyncIterator[asyncpg.Connection]:
        """A connection to one's self. Raises DatabaseAway, at once while the breaker is not closed.

        A `probe` is let through by a half-open breaker: no request has to find out whether the database is back.
        """
        if not (self._breaker.allow() if probe else self._breaker.state is BreakerState.CLOSED):
            raise DatabaseAway("the breaker is open")
        try:
            async with self._pool.acquire(timeout=_ANSWER_S) as connection, _trusted(connection):
                yield connection
        except AWAY as error:
            if isinstance(error, ValueError):  # the driver's word for a value that fits no parameter
                self._note_there()
                raise
            self._note_away(error)
            raise DatabaseAway(f"{type(error).__name__}: {error}") from error
        except Exception:
            self._note_there()  # it has answered, though not as was hoped
            raise
        self._note_there()

    @property
    def connected(self) -> bool:
        """Whether a request would be answered now, as far as is known."""
        return self._answered and self._breaker.state is BreakerState.CLOSED

    @property
    def breaker(self) -> str:
        return self._breaker.state

    async def watch(self) -> None:
        """See to it, until cancelled, that a database that went or came back is noticed without any request."""
        while True:
            with suppress(DatabaseAway):
                async with self.session(probe=True) as connection:
                    await connection.fetch("SELECT 1")
            await asyncio.sleep(_LOOK_S if self.connected else _KNOCK_S)

    async def close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def _connect(self, *arguments: Any, **options: Any) -> asyncpg.Connection:
        await self._faults.before_connect(self)
        connection = await asyncpg.connect(*arguments, **options)
        if not self._created:
            try:
                await schema.create(connection, self._schema)
            except BaseException:
                connection.terminate()
                raise
            self._created = True
        return connection

    def _note_away(self, error: Exception) -> None:
        self._breaker.failed()
        if self._answered:
            log.warning("database_lost", part="api", reason=type(error).__name__)
        self._answered = False

    def _note_there(self) -> None:
        self._breaker.succeeded()
        if not self._answered:
            log.info("database_connected", part="api")
        self._answered = True


@asynccontextmanager
async def _trusted(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Ends a connection on which something was left without an answer, before the pool waits for it."""
    try:
        yield
    except asyncpg.PostgresError:
        raise
    except BaseException:
        connection.terminate()
        raise


async def _leave_as_it_is(_: asyncpg.Connection) -> None:
    """No request changes anything about its connection; the driver's own clean-up would cost a round trip."""
