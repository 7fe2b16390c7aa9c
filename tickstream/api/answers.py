"""What the API answers, as it is written in JSON. Times are ISO 8601 in UTC, prices decimal text, newest first."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from tickstream.model import Pattern


class PatternPage(Struct, frozen=True):
    """`next` is the cursor of the page behind this one; null when there is none."""

    items: list[Pattern]
    next: str | None


class ApiBar(Struct, frozen=True):
    """One minute of one symbol."""

    minute: str
    open: str
    high: str
    low: str
    close: str
    volume: int
    trades: int


class BarPage(Struct, frozen=True):
    """`next` is the cursor of the page behind this one; null when there is none."""

    symbol: str
    items: list[ApiBar]
    next: str | None


class LatestPrice(Struct, frozen=True):
    """A symbol that has bars, with the newest of them."""

    symbol: str
    minute: str
    price: str


class SymbolList(Struct, frozen=True):
    items: list[LatestPrice]


class Watchlist(Struct, frozen=True):
    """What one user wants to see. Empty lists mean every symbol, every kind."""

    id: str
    name: str
    symbols: list[str]
    kinds: list[str]
    min_strength: int
    created_at: str


class WatchlistList(Struct, frozen=True):
    items: list[Watchlist]


def encode(answer: Struct | None) -> bytes:
    """JSON; nothing for nothing."""
    return b"" if answer is None else msgspec.json.encode(answer)


def pattern(row: Any) -> Pattern:
    return Pattern(
        number=row["number"],
        kind=row["kind"],
        symbol=row["symbol"],
        minute=iso(row["minute"]),
        direction=row["direction"],
        price=str(row["price"]),
        strength=row["strength"],
    )


def bar(row: Any) -> ApiBar:
    return ApiBar(
        minute=iso(row["minute"]),
        open=str(row["open"]),
        high=str(row["high"]),
        low=str(row["low"]),
        close=str(row["close"]),
        volume=row["volume"],
        trades=row["trades"],
    )


def watchlist(row: Any) -> Watchlist:
    return Watchlist(
        id=str(row["id"]),
        name=row["name"],
        symbols=row["symbols"],
        kinds=row["kinds"],
        min_strength=row["min_strength"],
        created_at=iso(row["created_at"]),
    )


def iso(at: datetime) -> str:
    return at.isoformat()
