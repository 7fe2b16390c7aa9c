"""The pull from an exchange: ingestion as the client, from the sequence that it expects, for as long as it runs.

A connection that is lost, silent or talks nonsense is replaced, with growing waits while the exchange is away. What
comes twice or with a gap is ingestion's to judge: a gap is answered with the sequence to go on with, and frames that
were on their way already are passed over. Only what is durable is acknowledged, and the exchange leaves only a few
frames unacknowledged, so that whatever holds up ingestion holds up the exchange.
"""

import asyncio
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tickstream import log, wire
from tickstream.backoff import delays
from tickstream.faults import Faults
from tickstream.ingest.ingestion import Ingest

SOURCE: Final = "exchange"  # the name under which the exchange's ticks are counted

_OPEN_S: Final = 2.0
_PING_S: Final = 2.0  # between two pings, and for the answer to one: so soon is a silent exchange found out
_CLOSE_S: Final = 0.5
_QUEUE: Final = 64  # frames; more than the exchange sends ahead, so that pings are heard while ingestion has no room


class Feed:
    """One exchange, by URL. `run` once; `close` ends it. `connected`, `losses` and `state` are for who looks on."""

    def __init__(self, ingest: Ingest, url: str, faults: Faults) -> None:
        self._ingest = ingest
        self._url = url
        self._faults = faults
        self._task: asyncio.Task[None] | None = None
        self.connected = False
        self.losses = 0
        self._reason = "not connected yet"
        self._waits = delays()

    @property
    def state(self) -> str:
        return "connected" if self.connected else self._reason

    async def run(self) -> None:
        """Take ticks until `close` or until cancelled."""
        self._task = asyncio.create_task(self._keep_taking())
        try:
            await asyncio.wait([self._task])
        finally:
            await self.close()
        if not self._task.cancelled():
            self._task.result()

    async def close(self) -> None:
        """Take nothing more. Ticks that are in ingestion's hands stay there."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep_taking(self) -> None:
        while True:
            await asyncio.sleep(next(self._waits))
            if self.losses and self._faults.strikes("no_reconnect"):
                await asyncio.Event().wait()
            try:
                async with connect(
                    self._url,
                    open_timeout=_OPEN_S,
                    ping_interval=_PING_S,
                    ping_timeout=_PING_S,
                    close_timeout=_CLOSE_S,
                    max_size=wire.MAX_FRAME_BYTES,
                    max_queue=_QUEUE,
                    compression=None,
                    proxy=None,
                ) as connection:
                    await self._open(connection)
                    await self._take(connection)
            except (OSError, WebSocketException, msgspec.DecodeError) as error:
                self._note_loss(error)

    async def _open(self, connection: ClientConnection) -> None:
        expected = await self._ingest.next_sequence(SOURCE)
        await connection.send(wire.encode(wire.Expect(expected)))
        log.info("exchange_connected", expected=expected, losses=self.losses)
        self.connected = True

    async def _take(self, connection: ClientConnection) -> None:
        """Pass on frame after frame until the connection ends."""
        expected = 0  # after a gap: what must come first; 0 when nothing is missing
        while True:
            ticks = wire.decode_ticks(wire.binary(await connection.recv())).ticks
            if expected and (not ticks or ticks[0].sequence > expected):
                continue
            accepted = await self._ingest.accept(SOURCE, ticks)
            self._waits = delays()  # not on connecting: who says goodbye to every newcomer is not to be overrun
            expected = accepted.next_sequence if accepted.gap else 0
            answer = wire.Expect(expected) if accepted.gap else wire.Ack(accepted.next_sequence - 1)
            await connection.send(wire.encode(answer))

    def _note_loss(self, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if self.connected or self._reason != reason:
            log.warning("exchange_lost", reason=reason)
        self.losses += self.connected
        self.connected, self._reason = False, reason
