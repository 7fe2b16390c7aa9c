"""From accepted ticks to committed bars: the story of ingestion, without a network face.

A tick is acknowledged once the journal holds it; from then on it is neither lost nor doubled. `accept` lets each
source's next ticks in, in sequence, and waits for the journal; the journal loop makes what has gathered durable with
one sync and adds it to the bars; the flush loop hands the bars to the database as one batch and keeps at it until that
has succeeded. Memory grows with the number of bars that wait, disk with the journal; beyond either bound `accept`
waits, and with it the source. Two things end the service, to be taken up again at the next start: a journal that cannot
be written, and another process that writes for the same source.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg
import msgspec

from tickstream import log
from tickstream.backoff import delays
from tickstream.breaker import Breaker
from tickstream.database import DATABASE_ERRORS
from tickstream.faults import Faults
from tickstream.ingest.bars import BarBuilder
from tickstream.ingest.counts import Counts
from tickstream.ingest.journal import Journal
from tickstream.ingest.store import BarStore
from tickstream.model import Batch, Span, Tick

T = TypeVar("T")
Group = list[tuple[str, list[Tick]]]

# Attempts follow each other this closely; the breaker is what spares a database that does not answer.
_RETRY_CAP_S: Final = 0.02
_LEAST_WAIT_S: Final = 0.01
# A batch that is under way for longer waits for a database that does not answer.
_SILENT_S: Final = 1.0
# What the faults of these names do.
_WRITE_BEHIND_S: Final = 0.5
_LEAK: Final = b"\xff" * 16_384

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE_GROUP: Final = msgspec.msgpack.Decoder(Group).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a batch goes to the database, and how much may wait for it."""

    flush_s: float = 0.02
    max_bars: int = 50_000
    max_journal_bytes: int = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of one frame: all before `next_sequence` is durable; with `gap` the rest was not taken."""

    next_sequence: int
    gap: bool


@dataclass(frozen=True, slots=True)
class _Arrival:
    """Ticks on their way into the journal; `since` is the sequence before the first of them."""

    source: str
    since: int
    ticks: list[Tick]
    durable: asyncio.Future[None]


class Ingest:
    """Owns the journal, the open bars and the way to the database. `run` first; `accept` from any number of tasks."""

    def __init__(
        self,
        journal: Journal,
        store: BarStore,
        *,
        limits: Limits | None = None,
        faults: Faults | None = None,
        committed: Callable[[Sequence[asyncpg.Record]], None] | None = None,
    ) -> None:
        self._journal = journal
        self._store = store
        self._limits = limits or Limits()
        self._committed = committed
        self._builder = BarBuilder()
        faults = faults or Faults()
        self._apply = faults.on_apply(self._builder.add_all)
        self._acknowledges_early = faults.on("early_ack")
        self._takes_without_bounds = faults.on("no_back_pressure")
        self._leaked: list[bytearray] | None = [] if faults.on("leak_memory") else None
        self._accepted: dict[str, int] = {}
        self._arrivals: list[_Arrival] = []
        self._arrived = asyncio.Event()
        self._dirty = asyncio.Event()
        self._room = asyncio.Event()
        self._progress = asyncio.Event()
        self._draining = asyncio.Event()
        self._opening = asyncio.Lock()
        self._segment = journal.segment
        self._unsettled = 0
        self._in_flight: Batch | None = None
        self._in_flight_since = 0.0
        self.counts = Counts()
        self.breaker = Breaker(faults=faults)
        self.connected = False
        self.last_error = ""
        self._adjust_room()

    @property
    def pending_bars(self) -> int:
        """Bars in memory that no commit has confirmed yet."""
        return len(self._builder) + (len(self._in_flight.bars) if self._in_flight else 0)

    @property
    def trouble(self) -> str:
        """What is wrong with the database, silence included; empty when it answers."""
        silent = self._in_flight is not None and time.monotonic() - self._in_flight_since > _SILENT_S
        return self.last_error or ("no answer" if silent else "")

    @property
    def journal_bytes(self) -> int:
        return self._journal.size_bytes

    async def restore(self) -> None:
        """Take up what the journal holds beyond the database. Waits until the database is there."""
        self._accepted = dict(await self._persist(self._store.all_applied))
        for group in self._journal.replay():
            for source, ticks in _DECODE_GROUP(group):
                self._restore_ticks(source, ticks)
        self._adjust_room()
        log.info("restored", pending_bars=self.pending_bars, sources=len(self._accepted))

    async def run(self) -> None:
        """Work until cancelled. Call `restore` before. Raises OSError or SourceConflict, in an ExceptionGroup."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._journal_loop())
            group.create_task(self._flush_loop())

    async def next_sequence(self, source: str) -> int:
        """The sequence that `source` should go on with. For one not seen before this needs the database."""
        async with self._opening:
            if source not in self._accepted:
                applied = await self._persist(lambda: self._store.applied(source))
                self._accepted.setdefault(source, applied)
        return self._accepted[source] + 1

    async def accept(self, source: str, ticks: Sequence[Tick]) -> Accepted:
        """Take the next ticks of `source`; returns when they are durable. Known ones are skipped, a gap ends it."""
        await self._room.wait()
        since = self._accepted[source]
        fresh, gap = self._next_in_sequence(since, ticks)
        self._accepted[source] = since + len(fresh)
        arrival = _Arrival(source, since, fresh, asyncio.get_running_loop().create_future())
        self._arrivals.append(arrival)
        self._unsettled += 1
        self._arrived.set()
        if self._leaked is not None:
            self._leaked.append(bytearray(_LEAK * (len(ticks) // 8 + 1)))
        if not self._acknowledges_early:
            await arrival.durable
        return Accepted(next_sequence=since + len(fresh) + 1, gap=gap)

    async def drain(self) -> None:
        """Return when everything accepted so far is in the database, or safe in the journal while there is none.

        From now on batches follow without a pause.
        """
        self._draining.set()
        while self._unsettled or (self.connected and (self._dirty.is_set() or self._in_flight)):
            self._progress.clear()
            await self._progress.wait()

    def _next_in_sequence(self, since: int, ticks: Sequence[Tick]) -> tuple[list[Tick], bool]:
        fresh: list[Tick] = []
        upto = since
        for tick in ticks:
            if tick.sequence == upto + 1:
                fresh.append(tick)
                upto += 1
            elif tick.sequence > upto:
                self.counts.gaps += 1
                return fresh, True
            else:
                self.counts.duplicates += 1
        return fresh, False

    async def _journal_loop(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            if self._acknowledges_early:
                await asyncio.sleep(_WRITE_BEHIND_S)
            arrivals, self._arrivals = self._arrivals, []
            group = [(arrival.source, arrival.ticks) for arrival in arrivals if arrival.ticks]
            if group:
                await asyncio.to_thread(self._journal.write, _ENCODE(group))
            for arrival in arrivals:
                self._settle(arrival)
            # Only now is everything up to this segment in the bars; a batch taken from here on covers it.
            self._segment = self._journal.segment
            self._adjust_room()

    def _settle(self, arrival: _Arrival) -> None:
        self._unsettled -= 1
        self._progress.set()
        if arrival.ticks:
            self._add(arrival.source, arrival.since, arrival.ticks)
        if not arrival.durable.done():
            arrival.durable.set_result(None)

    def _add(self, source: str, since: int, ticks: list[Tick]) -> None:
        self._apply(ticks)
        self._builder.cover(source, Span(since=since, upto=ticks[-1].sequence))
        self.counts.ticks += len(ticks)
        self._dirty.set()

    def _restore_ticks(self, source: str, ticks: list[Tick]) -> None:
        applied = self._accepted.get(source, 0)
        fresh = [tick for tick in ticks if tick.sequence > applied]
        if not fresh:
            return
        if fresh[0].sequence != applied + 1:
            # Committed ticks are missing from the database, as after restoring an old backup. Not ours to mend.
            log.error("journal_gap", source=source, applied=applied, found=fresh[0].sequence)
        self._add(source, applied, fresh)
        self._accepted[source] = fresh[-1].sequence

    async def _flush_loop(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            started = time.monotonic()
            await self._flush()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._limits.flush_s - (time.monotonic() - started))):
                    await self._draining.wait()

    async def _flush(self) -> None:
        segment, batch = self._segment, self._builder.take()
        self._in_flight, self._in_flight_since = batch, time.monotonic()
        rows = await self._persist(lambda: self._write(batch))
        self._in_flight = None
        self._journal.release(segment)
        self._adjust_room()
        self._progress.set()
        self.counts.batches += 1
        if self._committed:
            self._committed(rows)

    async def _write(self, batch: Batch) -> list[asyncpg.Record]:
        started = time.monotonic()
        rows = await self._store.write(batch)
        self.counts.batch_time.add(time.monotonic() - started)
        return rows

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of `attempt`, tried until the database lets it succeed, however long that takes."""
        for wait_s in delays(cap_s=_RETRY_CAP_S):
            await asyncio.sleep(wait_s)
            await self._be_allowed()
            try:
                result = await attempt()
            except DATABASE_ERRORS as error:
                self._note_failure(error)
            else:
                self._note_success()
                return result
        raise AssertionError("the delays never end")

    async def _be_allowed(self) -> None:
        while not self.breaker.allow():  # noqa: ASYNC110  # what is waited for is the time
            await asyncio.sleep(max(_LEAST_WAIT_S, self.breaker.wait_s))

    def _note_failure(self, error: Exception) -> None:
        self.breaker.failed()
        self.counts.failures += 1
        self.last_error = f"{type(error).__name__}: {error}"
        if self.connected or self.counts.failures == 1:
            log.warning("database_lost", reason=self.last_error)
        self.connected = False
        self._progress.set()

    def _note_success(self) -> None:
        self.breaker.succeeded()
        if not self.connected:
            log.info("database_connected", failures=self.counts.failures)
        self.connected, self.last_error = True, ""

    def _adjust_room(self) -> None:
        full = self.pending_bars >= self._limits.max_bars or self.journal_bytes >= self._limits.max_journal_bytes
        if full and not self._takes_without_bounds:
            self._room.clear()
        else:
            self._room.set()
