"""A place of one's own in the PostgreSQL server that the environment names: a schema that nobody else uses."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import asyncpg
import pytest

from suites.oracle import Ohlcv
from suites.waiting import until

_BARS = "SELECT symbol, minute, open, high, low, close, volume, trades FROM ohlcv_1min"
_APPLIED = "SELECT coalesce(max(applied), 0) FROM tick_source WHERE source = $1"


@dataclass(frozen=True, slots=True)
class Database:
    url: str
    schema: str

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection that is not the system's, with this schema as its search path."""
        connection = await asyncpg.connect(self.url, server_settings={"search_path": self.schema})
        try:
            yield connection
        finally:
            await connection.close()

    async def bars(self, symbol_prefix: str = "") -> dict[tuple[str, object], Ohlcv]:
        """Every bar whose symbol begins so, in the shape in which the oracle gives them."""
        async with self.connect() as connection:
            rows = await connection.fetch(_BARS + " WHERE starts_with(symbol, $1)", symbol_prefix)
        return {(row[0], row[1]): Ohlcv(*row[2:]) for row in rows}

    async def applied(self, source: str) -> int:
        """Up to which sequence the ticks of `source` are in their bars now."""
        async with self.connect() as connection:
            return int(await connection.fetchval(_APPLIED, source))

    async def settled(self, source: str, sequence: int) -> None:
        """Return when the ticks of `source` up to `sequence` are in their bars."""
        async with self.connect() as connection:

            async def settled() -> bool:
                return bool(await connection.fetchval(_APPLIED, source) >= sequence)

            await until(settled)

    async def end_connections(self) -> int:
        """End the system's connections from the server's side and wait until they are gone; how many there were."""
        query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1"
        async with self.connect() as connection:
            return len(await connection.fetch(query, f"tickstream/{self.schema}"))


@contextmanager
def private_database(url: str) -> Iterator[Database]:
    database = Database(url, f"suite_{secrets.token_hex(6)}")
    asyncio.run(_execute(url, f"CREATE SCHEMA {database.schema}"))
    try:
        yield database
    finally:
        asyncio.run(_execute(url, f"DROP SCHEMA {database.schema} CASCADE"))


def required_url(variable: str, example: str) -> str:
    """The URL in the environment. Raises pytest.UsageError where there is none."""
    url = os.environ.get(variable, "")
    if not url:
        raise pytest.UsageError(
            f"{variable} is not set: this suite tests against a real server. Run it with `gate run`, which brings one, "
            f"or name yours: {variable}={example}"
        )
    return url


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
