"""The ingestion service as a process: put together, started in order, stopped in order.

It is ready when the log says `listening`, which happens after everything that the journal holds has been taken up. On
SIGTERM or SIGINT it takes no more ticks, hands what it has to the database, and is gone within five seconds; what the
database does not take stays in the journal. Exit status 0 after such a stop, 1 when something essential
broke, 2 when the settings make no sense.
"""

import asyncio
import signal
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

from tickstream import log
from tickstream.announcer import Announcer
from tickstream.faults import Faults
from tickstream.ingest import Ingest, Limits
from tickstream.intake import Intake
from tickstream.journal import SEGMENT_BYTES, Journal, JournalError
from tickstream.messages import Names
from tickstream.publisher import Publisher
from tickstream.settings import Settings
from tickstream.store import BarStore, SourceConflict, Target

_STOP_S: Final = 3.0
_FATAL: Final = (OSError, JournalError, SourceConflict)


def run(settings: Settings) -> int:
    """Serve until told to stop. Returns the exit status."""
    log.set_up(settings.log_level)
    errors: list[BaseException] = []
    try:
        asyncio.run(_serve(settings))
    except* _FATAL as group:
        errors = _leaves(group)
    for error in errors:
        log.error("broken", reason=f"{type(error).__name__}: {error}")
    log.info("stopped")
    return 1 if errors else 0


async def _serve(settings: Settings) -> None:
    stop = _stop_on_signal()
    async with AsyncExitStack() as stack:
        service = await _Service.build(settings, stack)
        tasks = [asyncio.create_task(service.work()), asyncio.create_task(stop.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        await service.stop(drain=not tasks[0].done())
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if not tasks[0].cancelled():
            tasks[0].result()


class _Service:
    """The parts, and what they do together."""

    def __init__(self, settings: Settings, ingest: Ingest, announcer: Announcer | None, publisher: Publisher | None):
        self._settings = settings
        self._ingest = ingest
        self._announcer = announcer
        self._publisher = publisher
        self._intake = Intake(ingest, self.health)

    @classmethod
    async def build(cls, settings: Settings, stack: AsyncExitStack) -> "_Service":
        faults = Faults(settings.faults)
        publisher = announcer = None
        if settings.redis_url:
            names = Names(settings.prefix)
            publisher = await stack.enter_async_context(
                Publisher(settings.redis_url, names=names, stream_length=settings.stream_length, faults=faults)
            )
            announcer = Announcer(publisher, capacity=settings.max_bars)
        journal = Journal(settings.journal, segment_bytes=min(SEGMENT_BYTES, settings.max_journal_bytes // 4))
        stack.callback(journal.close)
        store = BarStore(Target(url=settings.postgres_url, schema=settings.schema), faults)
        stack.push_async_callback(store.close)
        limits = Limits(
            flush_s=settings.flush_s, max_bars=settings.max_bars, max_journal_bytes=settings.max_journal_bytes
        )
        committed = announcer.rows if announcer else None
        ingest = Ingest(journal, store, limits=limits, faults=faults, committed=committed)
        return cls(settings, ingest, announcer, publisher)

    async def work(self) -> None:
        """Take up the journal, listen, ingest. Runs until cancelled or broken."""
        await self._ingest.restore()
        port = await self._intake.open(self._settings.host, self._settings.port)
        log.info("listening", host=self._settings.host, port=port)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ingest.run())
            if self._announcer:
                group.create_task(self._announcer.run())

    async def stop(self, *, drain: bool) -> None:
        """Take no more ticks; with `drain` wait for the database, unless it is known to be away."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._intake.close()
                if drain and self._ingest.connected:
                    await self._ingest.drain()

    def health(self) -> dict[str, Any]:
        counts = self._ingest.counts
        return {
            "status": "ok" if self._ingest.connected else "degraded",
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


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
