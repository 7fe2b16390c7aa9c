"""The patterns of one test wherever they come out: in the table, at a live subscriber, in the stream."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from suites.database import Database
from suites.redis_pubsub.conftest import Broker
from suites.redis_pubsub.pattern_oracle import closed_bars
from suites.system import Live, Message, Regime, Tick, ticks
from suites.waiting import until

_END = b"end"
_TABLE = "SELECT number, kind, symbol, minute, direction, price, strength FROM pattern ORDER BY number"
_SEEN = """
SELECT count(*) FROM pattern_seen JOIN unnest($1::text[], $2::text[]) AS t(s, m) ON symbol = s
WHERE minute >= m::timestamptz
"""
_ALL_TOLD = "SELECT (SELECT number FROM pattern_told) = (SELECT coalesce(max(number), 0) FROM pattern)"


def market(count: int, *, symbols: int = 5, seed: int = 1) -> list[Tick]:
    """Ticks that make a bar of three or four each minute, and a lively one now and then."""
    names = [f"S{number}" for number in range(symbols)]
    rate = symbols * 3.5 / 60
    return list(islice(ticks(names, seed=seed, regime=Regime.VOLATILE, rate_per_s=rate), count))


async def looked_through(database: Database, sent: Iterable[Tick], *, told: bool = True) -> None:
    """Return when every closed bar of `sent` was looked at, and whatever was found in them was told."""
    last = {symbol: bars[-1][0] for symbol, bars in closed_bars(sent).items() if bars}
    async with database.connect() as connection:

        async def done() -> bool:
            seen = await connection.fetchval(_SEEN, list(last), list(last.values()))
            return seen == len(last) and (not told or bool(await connection.fetchval(_ALL_TOLD)))

        await until(done)


@dataclass(slots=True)
class Findings:
    """Complete once the block of `listening` has been left."""

    heard: list[Message] = field(default_factory=list)
    kept: list[Message] = field(default_factory=list)
    table: list[dict[str, Any]] = field(default_factory=list)

    def assert_are(self, expected: list[dict[str, Any]]) -> None:
        """Each of `expected` at all three ends, once, under the same number, and nothing else."""
        assert [row["number"] for row in self.table] == list(range(1, len(expected) + 1))
        assert _sorted(_without_number(row) for row in self.table) == _sorted(expected)
        told = [Message(f"patterns:{row['symbol']}", row["number"], _json(row)) for row in self.table]
        assert [_plain(message) for message in self.heard] == [_plain(message) for message in told]
        assert [_plain(message) for message in self.kept] == [_plain(message) for message in told]

    def lost(self, expected: list[dict[str, Any]]) -> int:
        """How many of `expected` are missing, at each end."""
        wanted = {_key(pattern) for pattern in expected}
        return sum(len(wanted - set(end)) for end in self._ends())

    def doubled(self) -> int:
        return sum(len(end) - len(set(end)) for end in self._ends())

    def _ends(self) -> Iterable[list[str]]:
        yield [_key(_without_number(row)) for row in self.table]
        for messages in (self.heard, self.kept):
            yield [_key(_without_number(json.loads(message.payload))) for message in messages]


@asynccontextmanager
async def listening(
    broker: Broker, database: Database, arrived: Callable[[Message], None] | None = None
) -> AsyncIterator[Findings]:
    """Everything that is told during the block, and at its end what was kept and what the table holds.

    `arrived` is called with each message at once.
    """
    findings = Findings()
    async with broker.live("end", patterns=("patterns:*",)) as live:
        hearing = asyncio.create_task(_hear(live, findings.heard, arrived))
        yield findings
        async with broker.publisher() as publisher:
            await publisher.publish("end", _END)
        await hearing
    async with broker.server() as connection:
        for entry, fields in await connection.xrange(broker.names.stream("patterns")):
            number = int(entry.partition(b"-")[2])
            findings.kept.append(Message(fields[b"channel"].decode(), number, fields[b"payload"]))
    async with database.connect() as connection:
        findings.table += [_row(row) for row in await connection.fetch(_TABLE)]


async def _hear(live: Live, heard: list[Message], arrived: Callable[[Message], None] | None) -> None:
    async for message in live:
        if message.payload == _END:
            return
        if arrived:
            arrived(message)
        heard.append(message)


def _row(row: Any) -> dict[str, Any]:
    return dict(row) | {"minute": row["minute"].isoformat(), "price": str(row["price"])}


def _without_number(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "number"}


def _json(row: dict[str, Any]) -> bytes:
    return json.dumps(row).encode()


def _plain(message: Message) -> tuple[str, int, dict[str, Any]]:
    return message.channel, message.number, json.loads(message.payload)


def _key(pattern: dict[str, Any]) -> str:
    return json.dumps(pattern, sort_keys=True)


def _sorted(patterns: Iterable[dict[str, Any]]) -> list[str]:
    return sorted(map(_key, patterns))
