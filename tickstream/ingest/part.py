"""Ingestion as a part: journal, bars, database, and the announcement of what has changed.

It welcomes sources after everything that the journal holds has been taken up. Asked to stop, it takes no more ticks and
hands what it has to the database; what the database does not take stays in the journal. It is degraded while the
database is away or silent, since ticks are still taken and made durable, and while Redis is, or the exchange that it
pulls from.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import asyncpg

from tickstream.database import Target
from tickstream.faults import Faults
from tickstream.ingest.feed import Feed
from tickstream.ingest.ingestion import Ingest, Limits
from tickstream.ingest.intake import Intake
from tickstream.ingest.journal import SEGMENT_BYTES, Journal
from tickstream.ingest.metrics import IngestCollector
from tickstream.ingest.store import BarStore
from tickstream.messaging.announcer import Announcer
from tickstream.messaging.messages import Names
from tickstream.messaging.publisher import Publisher
from tickstream.observation import Observation
from tickstream.part import Health, Listening, State
from tickstream.patterns import watch
from tickstream.settings import Settings

_DRAIN_S: Final = 3.0


class IngestPart:
    name = "ingest"
    url = ""

    def __init__(
        self,
        settings: Settings,
        observation: Observation,
        ingest: Ingest,
        *,
        faults: Faults,
        announcer: Announcer | None,
        patterns: watch.PatternWatch,
    ) -> None:
        self._settings = settings
        self._ingest = ingest
        self._announcer = announcer
        self._patterns = patterns
        self._intake = Intake(ingest, observation, faults)
        self._feed = Feed(ingest, settings.exchange_url, faults) if settings.exchange_url else None
        observation.registry.register(IngestCollector(ingest, self._feed))
        self._working = False

    async def run(self, listening: Listening) -> None:
        await self._ingest.restore()
        port = await self._intake.open(self._settings.host, self._settings.port)
        listening(self._settings.host, port)
        self._working = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ingest.run())
                if self._feed:
                    group.create_task(self._feed.run())
                if self._announcer:
                    group.create_task(self._announcer.run())
                group.create_task(self._patterns.run())
        finally:
            self._working = False

    async def stop(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                if self._feed:
                    await self._feed.close()
                await self._intake.close()
                if self._working:
                    await self._ingest.drain()

    def health(self) -> Health:
        lacking = (
            self._ingest.trouble,
            self._feed is not None and not self._feed.connected,
            self._announcer is not None and self._announcer.lost,
        )
        state = State.DEGRADED if any(lacking) else State.OK
        return Health(state=state if self._working else State.DOWN, facts=self._facts())

    def _facts(self) -> dict[str, Any]:
        counts = self._ingest.counts
        return {
            "database": self._ingest.trouble or "connected",
            "breaker": self._ingest.breaker.state,
            "exchange": "not used" if self._feed is None else self._feed.state,
            "redis": self._announcer.state if self._announcer else "not used",
            "pending_bars": self._ingest.pending_bars,
            "journal_bytes": self._ingest.journal_bytes,
            "ticks": counts.ticks,
            "duplicates": counts.duplicates,
            "gaps": counts.gaps,
            "batches": counts.batches,
            "exchange_losses": self._feed.losses if self._feed else 0,
            "announcements_waiting": self._announcer.waiting if self._announcer else 0,
            "announcements_dropped": self._announcer.dropped if self._announcer else 0,
            "patterns": self._patterns.facts(),
        }


async def build(settings: Settings, faults: Faults, observation: Observation, stack: AsyncExitStack) -> IngestPart:
    """Raises JournalError when another process holds the journal or it is damaged, OSError where the disk fails."""
    announcer = None
    if settings.redis_url:
        publisher = await stack.enter_async_context(
            Publisher(
                settings.redis_url, names=Names(settings.prefix), stream_length=settings.stream_length, faults=faults
            )
        )
        announcer = Announcer(publisher, capacity=settings.max_bars)
    journal = Journal(
        settings.journal, segment_bytes=min(SEGMENT_BYTES, settings.max_journal_bytes // 4), faults=faults
    )
    stack.callback(journal.close)
    store = BarStore(Target(url=settings.postgres_url, schema=settings.schema), faults)
    stack.push_async_callback(store.close)
    limits = Limits(flush_s=settings.flush_s, max_bars=settings.max_bars, max_journal_bytes=settings.max_journal_bytes)
    patterns = await watch.build(settings, faults, observation, stack)

    def committed(rows: Sequence[asyncpg.Record]) -> None:
        patterns.rows(rows)
        if announcer:
            announcer.rows(rows)

    ingest = Ingest(journal, store, limits=limits, faults=faults, committed=committed)
    return IngestPart(settings, observation, ingest, faults=faults, announcer=announcer, patterns=patterns)
