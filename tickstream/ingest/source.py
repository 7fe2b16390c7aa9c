"""The other end of the intake: a source that sends its ticks until every one is acknowledged.

It keeps what is not acknowledged, sends again after a gap or a lost connection from where the service says, and so
gives the service every tick at least once, in sequence.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice
from types import TracebackType
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tickstream import wire
from tickstream.backoff import delays
from tickstream.model import Tick


class Source:
    """One named source. Use as `async with Source(url, "nyse") as source`; one task at a time.

    Entering raises OSError, WebSocketException or InvalidHandshake when the service is not there; later losses are
    mended by reconnecting.
    """

    def __init__(self, url: str, name: str, *, frame_ticks: int = 500) -> None:
        self._url = url
        self._name = name
        self._frame_ticks = frame_ticks
        self._unacknowledged: deque[Tick] = deque()
        self._connection: ClientConnection | None = None
        self.next_sequence = 1
        self.reconnects = 0

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def send(self, ticks: Sequence[Tick]) -> None:
        """Return when the service has acknowledged all of `ticks`, however often that takes a new connection."""
        self._unacknowledged.extend(ticks)
        for wait_s in delays():
            try:
                await self._send_all()
            except (OSError, WebSocketException):
                await asyncio.sleep(wait_s)
                await self._reconnect()
            else:
                return

    async def _send_all(self) -> None:
        while self._unacknowledged:
            frame = list(islice(self._unacknowledged, self._frame_ticks))
            self._settle(await self._exchange(wire.Ticks(frame)))

    async def _exchange(self, request: wire.Hello | wire.Ticks) -> wire.Ack | wire.Expect:
        if self._connection is None:
            raise ConnectionResetError("not connected")
        await self._connection.send(wire.encode(request))
        reply: wire.Ack | wire.Expect = wire.decode_reply(await self._connection.recv(decode=False))
        return reply

    def _settle(self, reply: wire.Ack | wire.Expect) -> None:
        self.next_sequence = reply.sequence + 1 if isinstance(reply, wire.Ack) else reply.sequence
        while self._unacknowledged and self._unacknowledged[0].sequence < self.next_sequence:
            self._unacknowledged.popleft()

    async def _connect(self) -> None:
        self._connection = await connect(self._url, max_size=wire.MAX_FRAME_BYTES, compression=None, proxy=None)
        self._settle(await self._exchange(wire.Hello(self._name)))

    async def _reconnect(self) -> None:
        self._connection = None
        try:
            await self._connect()
        except (OSError, InvalidHandshake, WebSocketException):
            return
        self.reconnects += 1
