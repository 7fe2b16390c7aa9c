"""The tables: bars, how far each source has been applied, the patterns found, and users' watchlists.

`ohlcv_1min` refuses what no set of ticks can give, so that a fault in the writer stops at the database.
`tick_source.applied` moves in the same transaction as the bars; it is what makes a repeated batch harmless. Patterns
are numbered from 1 without gaps, in the order in which they are told; `pattern_told` is how far that has come, and
`pattern_seen` up to which minute a symbol's bars have been looked at for patterns.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

TABLES: Final = """
CREATE TABLE IF NOT EXISTS ohlcv_1min (
    symbol          text           NOT NULL CHECK (length(symbol) BETWEEN 1 AND 64),
    minute          timestamptz    NOT NULL CHECK (date_trunc('minute', minute, 'UTC') = minute),
    open            numeric(18, 6) NOT NULL CHECK (open > 0),
    high            numeric(18, 6) NOT NULL,
    low             numeric(18, 6) NOT NULL CHECK (low > 0),
    close           numeric(18, 6) NOT NULL CHECK (close > 0),
    volume          bigint         NOT NULL CHECK (volume >= trades),
    trades          bigint         NOT NULL CHECK (trades > 0),
    first_us        bigint         NOT NULL,
    first_sequence  bigint         NOT NULL,
    last_us         bigint         NOT NULL,
    last_sequence   bigint         NOT NULL,
    PRIMARY KEY (symbol, minute),
    CONSTRAINT ohlcv_1min_high CHECK (high >= greatest(open, close, low) AND high < 'NaN'),
    CONSTRAINT ohlcv_1min_low CHECK (low <= least(open, close, high)),
    CONSTRAINT ohlcv_1min_span CHECK ((first_us, first_sequence) <= (last_us, last_sequence))
);
CREATE TABLE IF NOT EXISTS tick_source (
    source   text   PRIMARY KEY,
    applied  bigint NOT NULL DEFAULT 0 CHECK (applied >= 0)
);
CREATE TABLE IF NOT EXISTS pattern (
    number     bigint         PRIMARY KEY CHECK (number > 0),
    kind       text           NOT NULL CHECK (kind IN ('breakout', 'gap', 'volume_spike', 'engulfing')),
    symbol     text           NOT NULL CHECK (length(symbol) BETWEEN 1 AND 64),
    minute     timestamptz    NOT NULL,
    direction  text           NOT NULL CHECK (direction IN ('up', 'down')),
    price      numeric(18, 6) NOT NULL CHECK (price > 0),
    strength   smallint       NOT NULL CHECK (strength BETWEEN 1 AND 100),
    UNIQUE (symbol, minute, kind)
);
CREATE INDEX IF NOT EXISTS pattern_by_kind ON pattern (kind, number);
CREATE TABLE IF NOT EXISTS pattern_told (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    number  bigint  NOT NULL DEFAULT 0
);
INSERT INTO pattern_told DEFAULT VALUES ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS pattern_seen (
    symbol  text        PRIMARY KEY,
    minute  timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS watchlist (
    id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    owner         text        NOT NULL CHECK (length(owner) BETWEEN 1 AND 64),
    name          text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    symbols       text[]      NOT NULL,
    kinds         text[]      NOT NULL,
    min_strength  smallint    NOT NULL DEFAULT 1 CHECK (min_strength BETWEEN 1 AND 100),
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS watchlist_by_owner ON watchlist (owner, created_at, id);
"""

# Any number does, as long as every process takes the same one: two that start at once must not create in turns.
_LOCK: Final = 0x7469636B


@asynccontextmanager
async def transaction(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """A transaction that an error leaves open: whoever gets one ends the connection, and with it the transaction.

    Asking the server to roll back would be waiting for a server that may be silent, also for a task that was cancelled.
    """
    await connection.execute("BEGIN")
    yield
    await connection.execute("COMMIT")


async def create(connection: asyncpg.Connection, schema: str) -> None:
    """Create `schema` and the tables where they are missing; safe to call from many processes at once.

    After an error the connection has to be ended.
    """
    async with transaction(connection):
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        quoted = schema.replace('"', '""')
        if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", f'"{quoted}"'):
            await connection.execute(f'CREATE SCHEMA "{quoted}"')
        if not await connection.fetchval("SELECT to_regclass('watchlist') IS NOT NULL"):
            await connection.execute(TABLES)
