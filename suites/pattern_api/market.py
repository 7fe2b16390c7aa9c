"""What the tests put into the tables, and what the API must answer for it, worked out the slow and obvious way."""

import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from suites.database import Database

KINDS: Final = ("breakout", "gap", "volume_spike", "engulfing")
# Names of instruments are texts like any other: with a slash, a quote, a percent sign, beyond ASCII.
SYMBOLS: Final = ("AAPL", "MSFT", "BRK/B", "O'REILLY", "50%", "東京-7203")
BEGIN: Final = datetime(2024, 2, 29, 14, 30, tzinfo=UTC)
PATTERNS: Final = 240
BARS_EACH: Final = 60

Row = Mapping[str, Any]


def patterns(first: int = 1, count: int = PATTERNS, *, symbols: Iterable[str] = SYMBOLS, seed: int = 1) -> list[Row]:
    """Patterns as the API writes them, in the order in which they were told."""
    chosen, names = random.Random(seed), list(symbols)
    return [
        {
            "number": number,
            "kind": chosen.choice(KINDS),
            "symbol": chosen.choice(names),
            "minute": (BEGIN + timedelta(minutes=number)).isoformat(),
            "direction": chosen.choice(("up", "down")),
            "price": str(Decimal(chosen.randrange(1, 10**9)) / 10**6 + Decimal("0.000000")),
            "strength": chosen.randint(1, 100),
        }
        for number in range(first, first + count)
    ]


def bars(symbol: str, count: int = BARS_EACH, *, seed: int = 1) -> list[Row]:
    """Bars of one symbol as the API writes them, in their order."""
    chosen = random.Random(f"{symbol}{seed}")
    rows = []
    for number in range(count):
        low, open_, close, high = sorted(chosen.randrange(10**6, 10**9) for _ in range(4))
        prices = {"open": open_, "high": high, "low": low, "close": close}
        decimals = {name: f"{Decimal(micros) / 10**6:.6f}" for name, micros in prices.items()}
        minute = (BEGIN + timedelta(minutes=number)).isoformat()
        rows.append({"minute": minute, **decimals, "volume": chosen.randrange(50, 10**6), "trades": 50})
    return rows


def wanted(rows: Iterable[Row], **query: Any) -> list[Row]:
    """Those of `rows` that `query` asks for, newest first."""
    return [row for row in reversed(list(rows)) if all(_fits(row, *asked) for asked in query.items())]


async def insert_patterns(database: Database, rows: Iterable[Row]) -> None:
    columns = ("number", "kind", "symbol", "minute", "direction", "price", "strength")
    records = [
        tuple(
            {**row, "minute": datetime.fromisoformat(row["minute"]), "price": Decimal(row["price"])}[c] for c in columns
        )
        for row in rows
    ]
    async with database.connect() as connection:
        await connection.copy_records_to_table("pattern", records=records, columns=columns, schema_name=database.schema)


async def insert_bars(database: Database, symbol: str, rows: Iterable[Row]) -> None:
    query = "INSERT INTO ohlcv_1min VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, 1, 2, 2)"
    values = [
        (
            symbol,
            datetime.fromisoformat(row["minute"]),
            *(Decimal(row[price]) for price in ("open", "high", "low", "close")),
            row["volume"],
            row["trades"],
        )
        for row in rows
    ]
    async with database.connect() as connection:
        await connection.executemany(query, values)


def _fits(row: Row, name: str, value: Any) -> bool:
    at = datetime.fromisoformat(row["minute"])
    match name:
        case "min_strength":
            return bool(row["strength"] >= int(value))
        case "since" | "from_":
            return at >= datetime.fromisoformat(value)
        case "until":
            return at < datetime.fromisoformat(value)
        case _:
            return bool(row[name] == value)
