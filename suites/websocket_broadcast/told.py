"""Patterns as they are told, and what each subscriber should get of them, worked out slowly and obviously."""

import asyncio
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from suites.system import Names, Publisher, declared_faults

KINDS = ("breakout", "gap", "volume_spike", "engulfing")

Pattern = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """A filter as a user means it."""

    symbols: Sequence[str] | str = "*"
    kinds: Sequence[str] | str = "*"
    min_strength: int = 1

    def frame(self) -> dict[str, Any]:
        return {"symbols": self.symbols, "kinds": self.kinds, "min_strength": self.min_strength}


def wanted(wish: Wish, pattern: Pattern) -> bool:
    right_symbol = wish.symbols == "*" or any(symbol == pattern["symbol"] for symbol in wish.symbols)
    right_kind = wish.kinds == "*" or any(kind == pattern["kind"] for kind in wish.kinds)
    return bool(right_symbol and right_kind and pattern["strength"] >= wish.min_strength)


def expected(wish: Wish, told: dict[int, Pattern], after: int = 0) -> list[int]:
    """The numbers that this user should get, in order."""
    return [number for number in sorted(told) if number > after and wanted(wish, told[number])]


def a_pattern(symbol: str = "AAPL", kind: str = "gap", strength: int = 50, number: int = 1) -> Pattern:
    return {
        "number": number,
        "kind": kind,
        "symbol": symbol,
        "minute": "2024-05-06T14:30:00+00:00",
        "direction": "up",
        "price": "187.250000",
        "strength": strength,
    }


def patterns(count: int, symbols: Sequence[str], seed: int = 1) -> list[Pattern]:
    rng = random.Random(seed)
    return [
        a_pattern(rng.choice(symbols), rng.choice(KINDS), rng.randint(1, 100), number) for number in range(1, count + 1)
    ]


class Teller:
    """Tells patterns as the system does: each on its symbol's channel, and kept. `told` has them by number."""

    def __init__(self, url: str, names: Names, *, stream_length: int = 10_000) -> None:
        self._publisher = Publisher(url, names=names, stream_length=stream_length, faults=declared_faults())
        self.told: dict[int, Pattern] = {}

    async def __aenter__(self) -> Self:
        await self._publisher.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._publisher.__aexit__(*error)

    async def tell(self, pattern: Pattern) -> int:
        """Its number in the stream."""
        payload = json.dumps(pattern).encode()
        number = await self._publisher.publish(f"patterns:{pattern['symbol']}", payload, stream="patterns")
        self.told[number] = pattern
        return number

    async def tell_burst(self, patterns: Iterable[Pattern]) -> list[int]:
        """As many as there are, as fast as Redis takes them; in order all the same."""
        return list(await asyncio.gather(*(self.tell(pattern) for pattern in patterns)))

    async def tell_all(self, patterns: Iterable[Pattern]) -> list[int]:
        return [await self.tell(pattern) for pattern in patterns]
