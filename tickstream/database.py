"""The database as every part sees it: where it is, and what it raises when it is not there."""

from dataclasses import dataclass
from typing import Final

import asyncpg

# What an attempt may raise when the database is not there, not willing, or not answering. InternalClientError is what
# the driver raises when the server's farewell crosses the next command.
DATABASE_ERRORS: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the tables are: a PostgreSQL URL and the schema in it."""

    url: str
    schema: str = "public"
