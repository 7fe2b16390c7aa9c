"""Ingestion as a part: journal, bars, database, and the announcement of what has changed.

It welcomes sources after everything that the journal holds has been taken up. Asked to stop, it takes no more ticks and
hands what it has to the database; what the database does not take stays in the journal. It is degraded while the
database is away, since ticks are still taken and made durable.
"""

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

from tickstream.faults import Faults
from tickstream.ingest.ingestion import Ingest, Limits
from tickstream.ingest.intake import Intake
from tickstream.ingest.journal import SEGMENT_BYTES, Journal
from tickstream.ingest.store import BarStore, Target
from tickstream.messaging.announcer import Announcer
from tickstream.messaging.messages import Names
from tickstream.messaging.publisher import Publisher
from tickstream.observation import Observation
from tickstream.part import Health, Listening, State
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
        announcer: Announcer | None,
        publisher: Publisher | None,
    ) -> None:
        self._settings = settings
        self._ingest = ingest
        self._announcer = announcer
        self._publisher = publisher
        self._intake = Intake(ingest, observation)
        self._working = False

    async def run(self, listening: Listening) -> None:
        await self._ingest.restore()
        port = await self._intake.open(self._settings.host, self._settings.port)
        listening(self._settings.host, port)
        self._working = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ingest.run())
                if self._announcer:
                    group.create_task(self._announcer.run())
        finally:
            self._working = False

    async def stop(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await self._intake.close()
                if self._working and self._ingest.connected:
                    await self._ingest.drain()

    def health(self) -> Health:
        state = State.OK if self._ingest.connected else State.DEGRADED
        return Health(state=state if self._working else State.DOWN, facts=self._facts())

    def _facts(self) -> dict[str, Any]:
        counts = self._ingest.counts
        return {
            "database": self._ingest.last_error or "connected",
            "redis": "not used" if self._publisher is None else self._publisher.state,
            "pending_bars": self._ingest.pending_bars,
            "journal_bytes": self._ingest.journal_bytes,
            "ticks": counts.ticks,
            "duplicates": counts.duplicates,
            "gaps": counts.gaps,
            "batches": counts.batches,
            "announcements_waiting": self._announcer.waiting if self._announcer else 0,
            "announcements_dropped": self._announcer.dropped if self._announcer else 0,
        }


async def build(settings: Settings, faults: Faults, observation: Observation, stack: AsyncExitStack) -> IngestPart:
    """Raises JournalError when another process holds the journal or it is damaged, OSError where the disk fails."""
    publisher = announcer = None
    if settings.redis_url:
        publisher = await stack.enter_async_context(
            Publisher(
                settings.redis_url, names=Names(settings.prefix), stream_length=settings.stream_length, faults=faults
            )
        )
        announcer = Announcer(publisher, capacity=settings.max_bars)
    journal = Journal(settings.journal, segment_bytes=min(SEGMENT_BYTES, settings.max_journal_bytes // 4))
    stack.callback(journal.close)
    store = BarStore(Target(url=settings.postgres_url, schema=settings.schema), faults)
    stack.push_async_callback(store.close)
    limits = Limits(flush_s=settings.flush_s, max_bars=settings.max_bars, max_journal_bytes=settings.max_journal_bytes)
    committed = announcer.rows if announcer else None
    ingest = Ingest(journal, store, limits=limits, faults=faults, committed=committed)
    return IngestPart(settings, observation, ingest, announcer=announcer, publisher=publisher)
