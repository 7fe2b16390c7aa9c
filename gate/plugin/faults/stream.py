"""One direction of one connection: reads what comes, holds it as long as the weather says, and hands it over."""

import asyncio
import socket
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gate.plugin.faults.weather import CHUNK, Shape

if TYPE_CHECKING:
    from gate.plugin.faults.relay import Link, Relay

_LATE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Chunk:
    data: bytes  # nothing: the sender has ended
    arrived: float
    luck: float
    cuts: bool  # holds the request whose answer is not to arrive


class Stream:
    """`read` and `write` run side by side until the sender ends; OSError when a side breaks."""

    def __init__(
        self, relay: "Relay", link: "Link", source: socket.socket, target: socket.socket, *, upward: bool
    ) -> None:
        self._relay, self._link = relay, link
        self._source, self._target = source, target
        self._upward = upward
        self._loop = asyncio.get_running_loop()
        self._line: deque[_Chunk] = deque()
        self._held = 0
        self._tail: tuple[bytes | None, bytes] = (None, b"")
        self._free_at = 0.0
        self._more, self._room, self._stirred = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def stir(self) -> None:
        """The weather has changed."""
        self._stirred.set()
        self._room.set()

    async def read(self) -> None:
        while True:
            data = await self._loop.sock_recv(self._source, CHUNK)
            if self._link.cut and not self._upward:
                self._relay.cuts += 1
                raise ConnectionResetError
            cuts = self._upward and self._holds_marker(data)
            self._line.append(_Chunk(data, self._loop.time(), self._relay.luck.uniform(-1, 1), cuts))
            self._held += len(data)
            self._more.set()
            if not data:
                return
            while self._held > (0 if self._relay.weather.holds else self._shape.room()):
                self._room.clear()
                await self._room.wait()

    async def write(self) -> None:
        while True:
            while not self._line:
                self._more.clear()
                await self._more.wait()
            chunk = self._line.popleft()
            await self._due(chunk)
            if not chunk.data:
                break
            if chunk.cuts:
                self._link.cut = True
            await self._hand_over(memoryview(chunk.data))
        self._target.shutdown(socket.SHUT_WR)

    @property
    def _shape(self) -> Shape:
        return self._relay.weather.up if self._upward else self._relay.weather.down

    async def _due(self, chunk: _Chunk) -> None:
        while True:
            await self._relay.passage()
            left_s = chunk.arrived + self._shape.delay_s(chunk.luck) - self._loop.time()
            if left_s <= 0:
                return
            await self._sleep(left_s)

    async def _hand_over(self, rest: memoryview) -> None:
        while rest:
            await self._relay.passage()
            size = self._shape.piece(len(rest))
            # Counted first: whoever has received it finds it counted.
            if self._upward:
                self._relay.bytes_up += size
            else:
                self._relay.bytes_down += size
            await self._loop.sock_sendall(self._target, rest[:size])
            rest = rest[size:]
            self._held -= size
            self._room.set()
            await self._pause(size)

    async def _pause(self, size: int) -> None:
        # What the clock was late by is caught up, so that the rate is the one asked for; a time without traffic is not.
        shape = self._shape
        if shape.slice_bytes is not None:
            await self._sleep(shape.pause_s)
        if shape.bytes_per_s is None:
            return
        now = self._loop.time()
        self._free_at = (self._free_at if now - self._free_at < _LATE_S else now) + size / shape.bytes_per_s
        while self._shape.bytes_per_s is not None and (left_s := self._free_at - self._loop.time()) > 0:
            await self._sleep(left_s)

    async def _sleep(self, seconds: float) -> None:
        # Ends early when the weather changes.
        self._stirred.clear()
        timer = self._loop.call_later(seconds, self._stirred.set)
        try:
            await self._stirred.wait()
        finally:
            timer.cancel()

    def _holds_marker(self, data: bytes) -> bool:
        # The marker may lie across two chunks, so the end of the last one is looked at again.
        marker, (known, tail) = self._relay.marker, self._tail
        if marker is None:
            return False
        seen = (tail if known == marker else b"") + data
        if marker in seen:
            self._relay.marker, self._tail = None, (None, b"")
            return True
        self._tail = (marker, seen[max(0, len(seen) - len(marker) + 1) :])
        return False
