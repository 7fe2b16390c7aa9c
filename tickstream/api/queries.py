"""What the API asks of the database. Every value is a parameter; nothing of a request becomes part of a query."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tickstream.api.parameters import Value
from tickstream.faults import Faults

Query = tuple[str, Sequence[Any]]

PATTERN: Final = "SELECT number, kind, symbol, minute, direction, price, strength FROM pattern WHERE number = $1"
SYMBOLS: Final = """
SELECT s.symbol, b.minute, b.close FROM
    (WITH RECURSIVE s(symbol) AS (
        (SELECT symbol FROM ohlcv_1min ORDER BY symbol LIMIT 1)
        UNION ALL
        SELECT (SELECT symbol FROM ohlcv_1min WHERE symbol > s.symbol ORDER BY symbol LIMIT 1) FROM s
        WHERE s.symbol IS NOT NULL)
     SELECT symbol FROM s WHERE symbol IS NOT NULL LIMIT $1) s,
    LATERAL (SELECT minute, close FROM ohlcv_1min o WHERE o.symbol = s.symbol ORDER BY minute DESC LIMIT 1) b
ORDER BY s.symbol
"""

# Of watchlists: $1 is the owner in each of them, $2 the watchlist where one is meant, then comes what it holds.
WATCHLISTS: Final = """
SELECT id, name, symbols, kinds, min_strength, created_at FROM watchlist WHERE owner = $1 ORDER BY created_at, id
"""
WATCHLIST: Final = """
SELECT id, name, symbols, kinds, min_strength, created_at FROM watchlist WHERE owner = $1 AND id = $2
"""
REPLACE_WATCHLIST: Final = """
UPDATE watchlist SET name = $3, symbols = $4, kinds = $5, min_strength = $6 WHERE owner = $1 AND id = $2
RETURNING id, name, symbols, kinds, min_strength, created_at
"""
REMOVE_WATCHLIST: Final = """
DELETE FROM watchlist WHERE owner = $1 AND id = $2 RETURNING id, name, symbols, kinds, min_strength, created_at
"""
ADD_WATCHLIST: Final = """
INSERT INTO watchlist (owner, name, symbols, kinds, min_strength) VALUES ($1, $2, $3, $4, $5)
RETURNING id, name, symbols, kinds, min_strength, created_at
"""
COUNT_WATCHLISTS: Final = "SELECT count(*) FROM watchlist WHERE owner = $1"
WATCHLIST_EXISTS: Final = "SELECT FROM watchlist WHERE id = $1"
LOCK_OWNER: Final = "SELECT pg_advisory_xact_lock(hashtextextended('watchlist ' || $1, 0))"

_PATTERNS: Final = """
SELECT number, kind, symbol, minute, direction, price, strength FROM pattern
WHERE {conditions} ORDER BY number DESC LIMIT {limit}
"""
_BARS: Final = """
SELECT minute, open, high, low, close, volume, trades FROM ohlcv_1min
WHERE {conditions} ORDER BY minute DESC LIMIT {limit}
"""
_FILTERS: Final = {
    # what a parameter asks of a row
    "symbol": "symbol = {}",
    "kind": "kind = {}",
    "direction": "direction = {}",
    "min_strength": "strength >= {}",
    "since": "minute >= {}",
    "until": "minute < {}",
    "from": "minute >= {}",
}


def owned(query: str, faults: Faults) -> str:
    """`query`, which asks for an owner's things; with the defect for everybody's."""
    return query.replace("owner = $1", "$1::text IS NOT NULL") if faults.on("ignore_owner") else query


def patterns(filters: dict[str, Value], before: int | None, limit: int, faults: Faults) -> Query:
    """Newest first: those with a number below `before`."""
    bound = "number <= {}" if faults.on("broken_pages") else "number < {}"
    if faults.on("concatenated_sql"):
        return _concatenated(filters, before, limit), ()
    return _select(_PATTERNS, filters, (bound, before), limit)


def bars(filters: dict[str, Value], before: int | None, limit: int, faults: Faults) -> Query:
    """Newest first: those of minutes before `before`, in seconds since 1970."""
    bound = "minute <= {}" if faults.on("broken_pages") else "minute < {}"
    at = None if before is None else datetime.fromtimestamp(before, UTC)
    return _select(_BARS, filters, (bound, at), limit)


def _select(text: str, filters: dict[str, Value], bound: tuple[str, Value], limit: int) -> Query:
    wanted: list[tuple[str, Value]] = [(_FILTERS[name], value) for name, value in filters.items() if value is not None]
    if bound[1] is not None:
        wanted.append(bound)
    conditions = [condition.format(f"${place}") for place, (condition, _) in enumerate(wanted, 1)]
    query = text.format(conditions=" AND ".join(conditions) or "true", limit=f"${len(wanted) + 1}")
    return query, [*(value for _, value in wanted), limit]


def _concatenated(filters: dict[str, Value], before: int | None, limit: int) -> str:
    """The defect: what the request says stands in the query as it is."""
    conditions = [_FILTERS[name].format(f"'{value}'") for name, value in filters.items() if value is not None]
    if before is not None:
        conditions.append(f"number < {before}")
    return _PATTERNS.format(conditions=" AND ".join(conditions) or "true", limit=limit)
