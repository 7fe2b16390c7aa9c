"""Finder and outbox together, as they run beside ingestion: what it tells them, what they show of themselves.

Without Redis patterns are found and kept all the same, and told once there is one. Nothing here holds ingestion up: it
hands over which rows were committed, and the rest is this module's own tasks, connection and publisher.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry, Counter, Gauge

from tickstream.database import Target
from tickstream.faults import Faults
from tickstream.messaging.messages import Names
from tickstream.messaging.publisher import Publisher
from tickstream.model import KINDS
from tickstream.observation import Observation
from tickstream.patterns.finder import Finder
from tickstream.patterns.outbox import IDENTITY, Outbox
from tickstream.patterns.table import Found, PatternTable
from tickstream.settings import Settings


class PatternWatch:
    """Use `rows` as one of the ingest's `committed`; `run` until cancelled."""

    def __init__(
        self, table: PatternTable, publisher: Publisher | None, *, faults: Faults, registry: CollectorRegistry
    ) -> None:
        self._table = table
        self._finder = Finder(table, added=self._note, faults=faults)
        self._outbox = Outbox(table, publisher, faults=faults) if publisher else None
        self._found = Counter("tickstream_patterns_found", "Patterns found and kept.", ["kind"], registry=registry)
        for kind in KINDS:
            self._found.labels(kind)
        self._count = 0
        if self._outbox:
            _show(self._outbox, registry)

    def rows(self, rows: Sequence[asyncpg.Record]) -> None:
        """Bars as they were committed."""
        self._finder.rows(rows)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._finder.run())
            if self._outbox:
                group.create_task(self._outbox.run())

    def facts(self) -> dict[str, Any]:
        """Since the start: how many were found and told; how many wait; what there is to wait for."""
        facts: dict[str, Any] = {"database": self._table.trouble or "connected", "found": self._count}
        if self._outbox:
            facts |= {"told": self._outbox.count, "waiting": self._outbox.waiting, "last_told": self._outbox.told}
        return facts

    def _note(self, found: Sequence[Found], newest: int) -> None:
        self._count += len(found)
        for one in found:
            self._found.labels(one.finding.kind).inc()
        if found and self._outbox:
            self._outbox.wake(newest)


async def build(settings: Settings, faults: Faults, observation: Observation, stack: AsyncExitStack) -> PatternWatch:
    """Nothing is connected yet; what `run` opens, the stack closes."""
    table = PatternTable(Target(url=settings.postgres_url, schema=settings.schema), faults)
    stack.push_async_callback(table.close)
    publisher = None
    if settings.redis_url:
        publisher = Publisher(
            settings.redis_url,
            identity=IDENTITY,
            names=Names(settings.prefix),
            stream_length=settings.stream_length,
            faults=faults,
        )
        await stack.enter_async_context(publisher)
    return PatternWatch(table, publisher, faults=faults, registry=observation.registry)


def _show(outbox: Outbox, registry: CollectorRegistry) -> None:
    gauges: dict[str, tuple[str, Callable[[], float]]] = {
        "told": ("Up to which number patterns were told.", lambda: outbox.told),
        "waiting": ("Patterns that were found and not told yet.", lambda: outbox.waiting),
        "lag_seconds": ("For how long the outbox has not got on; 0 when nothing waits.", lambda: outbox.lag_s),
    }
    for name, (text, value) in gauges.items():
        Gauge(f"tickstream_patterns_{name}", text, registry=registry).set_function(value)
