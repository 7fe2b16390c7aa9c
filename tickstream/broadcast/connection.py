"""One TCP connection that speaks HTTP once and WebSocket from then on: bytes in and out, within bounds.

Owns the framing, the limits on what comes in, the bound on what waits to go out, and the end: a close frame, a moment
for the other side to read it, then the connection is gone, whatever the other side does. What the frames mean is the
owner's business. Outgoing frames are given as whole bytes, so that one encoding serves every client.
"""

import asyncio
import logging
from typing import Any, Final, Protocol

from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from tickstream.broadcast.protocol import Code

_HANDSHAKE_BYTES: Final = 16 * 1024
# What is parsed at once: many tiny frames in one piece must not keep everybody else waiting.
_SLICE: Final = 4096
_GOODBYE_S: Final = 2.0
_HIGH: Final = 64 * 1024
UNREAD: Final = "you do not read what is sent to you"
_REASON_BYTES: Final = 120  # a close frame has room for 123
_PING: Final = Frame(Opcode.PING, b"").serialize(mask=False)
_QUIET: Final = logging.getLogger("tickstream.websockets")
_QUIET.setLevel(logging.ERROR)  # it would tell of every connection


class Owner(Protocol):
    """Whom a connection tells what came."""

    def asked(self, request: Request) -> None:
        """An HTTP request; to be answered with `accept` or `respond`."""

    def text(self, payload: bytes) -> None:
        """A whole text message."""

    def frame(self) -> bool:
        """A frame of any kind; False refuses it and everything after it."""
        ...

    def gone(self) -> None:
        """Nothing can be sent from now on; told once."""


class Connection(asyncio.Protocol):
    def __init__(self, owner: Owner, *, max_frame_bytes: int | None, client_bytes: int | None) -> None:
        self._owner = owner
        self._websocket = ServerProtocol(max_size=max_frame_bytes, logger=_QUIET)
        self._client_bytes = client_bytes
        self._loop = asyncio.get_running_loop()
        self.closed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._received = 0
        self._parts: list[bytes] | None = None
        self._gone = False
        self._goodbye: asyncio.TimerHandle | None = None
        self.transport: Any = None
        self.opened_at = self.heard_at = self.pinged_at = self._loop.time()
        self.peer = ""

    # ---- what the event loop tells --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if peer else ""
        high = min(_HIGH, self._client_bytes // 2) if self._client_bytes else _HIGH
        self.transport.set_write_buffer_limits(high=high, low=high // 4)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        for start in range(0, len(data), _SLICE):
            self._feed(data[start : start + _SLICE])

    def eof_received(self) -> bool:
        self._websocket.receive_eof()
        self._flush()
        return False

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        if self._goodbye is not None:
            self._goodbye.cancel()
        self._writable.set()
        self.closed.set()
        self._leave()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # ---- what the owner does --------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return not self._gone and self._websocket.state is State.OPEN

    @property
    def outstanding(self) -> int:
        """Bytes that the operating system has not taken yet."""
        return int(self.transport.get_write_buffer_size())

    def accept(self, request: Request) -> bool:
        """Become a WebSocket, or answer why not; whether it did."""
        if self._gone:
            return False
        response = self._websocket.accept(request)
        self._websocket.send_response(response)
        self._flush()
        return response.status_code == 101

    def respond(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        """Answer the HTTP request and end the connection."""
        if self._gone:
            return
        response: Response = self._websocket.reject(status, text)
        for name, value in (headers or {}).items():
            if name in response.headers:
                del response.headers[name]
            response.headers[name] = value
        self._websocket.send_response(response)
        self._flush()

    def write(self, frames: bytes) -> bool:
        """Send whole frames. A client that has let too much wait is dropped instead; whether it was not."""
        self.transport.write(frames)
        if self._client_bytes and self.transport.get_write_buffer_size() > self._client_bytes:
            self.close(Code.TRY_LATER, UNREAD)
            return False
        return True

    async def drained(self) -> None:
        """Return when the client has read most of what was sent to it, or is gone."""
        await asyncio.sleep(0)
        if self._client_bytes:
            await self._writable.wait()

    def ping(self) -> None:
        self.pinged_at = self._loop.time()
        self.transport.write(_PING)

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye, and be gone shortly after."""
        if self._gone:
            return
        if self._websocket.state is State.OPEN:
            self._websocket.send_close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore"))
            self._flush()
        elif self._websocket.state is State.CONNECTING:
            self.abort()

    def abort(self) -> None:
        self.transport.abort()
        self._leave()

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        if self._websocket.state is State.CONNECTING:
            self._received += len(data)
            if self._received > _HANDSHAKE_BYTES:
                self.abort()
                return
        if self.transport.is_closing():
            return
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Request):
                self._owner.asked(event)
            elif isinstance(event, Frame) and not self._gone and event.opcode is not Opcode.CLOSE:
                self._frame(event)
        self._flush()
        if self._client_bytes and self.outstanding > self._client_bytes:  # answers to pings count as well
            self.close(Code.TRY_LATER, UNREAD)

    def _frame(self, frame: Frame) -> None:
        if self._websocket.state is State.CONNECTING:
            self.abort()  # speaks before it was let in
            return
        if not self._owner.frame():
            return
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            return
        if frame.opcode is Opcode.BINARY:
            self.close(Code.MALFORMED, "frames are JSON texts, not binary")
            return
        if frame.opcode is Opcode.TEXT and frame.fin:
            self._owner.text(bytes(frame.data))
            return
        self._parts = [] if frame.opcode is Opcode.TEXT else self._parts
        if self._parts is not None:
            self._parts.append(bytes(frame.data))
            if frame.opcode is Opcode.CONT and frame.fin:
                payload, self._parts = b"".join(self._parts), None
                self._owner.text(payload)

    def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if self.transport.is_closing():
                break
            if data:
                self.transport.write(data)
            elif self.transport.can_write_eof():
                self.transport.write_eof()
        if self._websocket.close_expected() or self._websocket.state is State.CLOSED:
            self._leave()
            if self._goodbye is None and not self.transport.is_closing():
                self._goodbye = self._loop.call_later(_GOODBYE_S, self.transport.abort)

    def _leave(self) -> None:
        if not self._gone:
            self._gone = True
            self._owner.gone()
