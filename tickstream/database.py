"""The database as every part sees it: where it is, what it raises when it is away, and a connection that is kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from tickstream import schema
from tickstream.faults import Faults

# What an attempt may raise when the database is not there, not willing, or not answering. InternalClientError is what
# the driver raises when the server's farewell crosses the next command.
DATABASE_ERRORS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

_CONNECT_S: Final = 2.0
_COMMAND_S: Final = 30.0  # far above any batch; a limit that a slow batch could meet would keep it from ever passing
_CLOSE_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the tables are: a PostgreSQL URL and the schema in it."""

    url: str
    schema: str = "public"


class Connection:
    """Opened when needed, with the tables made, and dropped at the first error. `purpose` is how the server sees it."""

    def __init__(self, target: Target, faults: Faults, *, purpose: str = "") -> None:
        self._target = target
        self._faults = faults
        self._name = f"tickstream/{target.schema}" + (f"/{purpose}" if purpose else "")
        self._connection: asyncpg.Connection | None = None
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """The connection, for one task at a time. After any error it is not trusted again. Raises DATABASE_ERRORS."""
        async with self._lock:
            connection = await self._connected()
            try:
                yield connection
            except BaseException:
                self._connection = None
                connection.terminate()
                raise

    async def close(self) -> None:
        async with self._lock:
            connection, self._connection = self._connection, None
            if connection is None or connection.is_closed():
                return
            try:
                await connection.close(timeout=_CLOSE_S)
            except DATABASE_ERRORS:
                connection.terminate()

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        await self._faults.before_connect(self)
        connection = await asyncpg.connect(
            self._target.url,
            timeout=_CONNECT_S,
            command_timeout=_COMMAND_S,
            server_settings={"search_path": f'"{self._target.schema}"', "application_name": self._name},
        )
        try:
            await schema.create(connection, self._target.schema)
        except BaseException:
            connection.terminate()
            raise
        self._connection = connection
        return connection
