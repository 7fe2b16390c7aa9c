"""The network face of the exchange: `/ticks` for those that take every tick, `/stream` for those that watch.

`/ticks` is the protocol of `wire` with the taker as the client: it says from where (`Expect`), gets frames of ticks,
and acknowledges them; a few frames wait for that at the most, so that a slow taker is waited for. It may say `Expect`
again at any time and gets the same ticks. `/stream?symbols=A,B` is JSON: trades from now on, books, heartbeats.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tickstream import log, wire
from tickstream.exchange.floor import BeyondTheDay, Floor
from tickstream.exchange.stream import Watcher
from tickstream.faults import Faults
from tickstream.observation import Observation
from tickstream.websocket import respond

_MALFORMED: Final = 1007
_REFUSED: Final = 1008
_REASON_BYTES: Final = 120  # a close frame has room for 123
_FRAME_TICKS: Final = 1000
_UNACKNOWLEDGED: Final = 4  # frames
_GAP: Final = 25  # ticks, for the fault that leaves some out
_CLOSE_S: Final = 1.0  # for a client's own goodbye
_CLIENT_BYTES: Final = 4096  # nobody has anything longer to say here

_FACES: Final = "there is /ticks and /stream?symbols=A,B (WebSocket), /healthz and /metrics\n"


class ExchangeServer:
    """Serves takers and watchers until it is closed. `takers`, `watchers` and `sent` are for those who look on."""

    def __init__(self, floor: Floor, watcher: Callable[[tuple[str, ...]], Watcher], faults: Faults) -> None:
        self._floor = floor
        self._watcher = watcher
        self._faults = faults
        self._server: Server | None = None
        self.takers = 0
        self.watchers = 0
        self.sent = 0

    async def open(self, sock: socket.socket, observation: Observation, symbols: tuple[str, ...]) -> None:
        """Serve those that come to `sock`, which listens already."""

        async def answer(connection: ServerConnection, request: Request) -> Response | None:
            return _answer(connection, request, observation, symbols)

        self._server = await serve(
            self._serve,
            sock=sock,
            process_request=answer,
            max_size=_CLIENT_BYTES,
            close_timeout=_CLOSE_S,
            compression=None,
            server_header=None,
        )

    async def close(self) -> None:
        """Say goodbye (1001) to everybody."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None  # noqa: S101  # a connection that is served has been asked for
        try:
            if _path(connection.request) == "/ticks":
                await self._give(connection)
            else:
                await self._show(connection, _symbols(connection.request))
        except msgspec.DecodeError as error:
            log.warning("frame_refused", reason=str(error))
            await connection.close(_MALFORMED, _cut(str(error)))
        except BeyondTheDay as error:
            log.warning("taker_refused", reason=str(error))
            await connection.close(_REFUSED, _cut(str(error)))
        except ConnectionClosed:
            pass  # whoever went comes again and says from where

    async def _give(self, connection: ServerConnection) -> None:
        taker = _Taker(connection, self._floor, self._faults)
        self.takers += 1
        try:
            await _both(taker.listen(), taker.send(self._count))
        finally:
            self.takers -= 1

    async def _show(self, connection: ServerConnection, symbols: tuple[str, ...]) -> None:
        watcher = self._watcher(symbols)
        self.watchers += 1
        try:
            await _both(_ignore(connection), watcher.run(connection.send))
        finally:
            self.watchers -= 1

    def _count(self, ticks: int) -> None:
        self.sent += ticks


class _Taker:
    """One client of `/ticks`: where it stands, and which frames it has not acknowledged."""

    def __init__(self, connection: ServerConnection, floor: Floor, faults: Faults) -> None:
        self._connection = connection
        self._floor = floor
        self._faults = faults
        self._next = 0  # 0: it has not said from where
        self._unacknowledged: deque[int] = deque()  # the last sequence of each frame
        self._heard = asyncio.Event()

    async def listen(self) -> None:
        """Hear what the client says, until it goes. Raises msgspec.DecodeError for what is not a frame."""
        async for frame in self._connection:
            request = wire.decode_reply(wire.binary(frame))
            if isinstance(request, wire.Expect):
                self._go_on_with(request.sequence)
            else:
                self._acknowledge(request.sequence)
            self._heard.set()

    async def send(self, count: Callable[[int], None]) -> None:
        """Send what happens from where the client stands, never more than it may leave unacknowledged."""
        while True:
            while not self._next or len(self._unacknowledged) >= _UNACKNOWLEDGED:
                self._heard.clear()
                await self._heard.wait()
            first = self._next
            ticks = await self._floor.next(first, _FRAME_TICKS)
            if not ticks or first != self._next:
                continue  # nothing has happened, or the client has changed its mind meanwhile
            self._next = ticks[-1].sequence + 1
            self._unacknowledged.append(ticks[-1].sequence)
            await self._connection.send(wire.encode(wire.Ticks(ticks)))
            count(len(ticks))

    def _go_on_with(self, sequence: int) -> None:
        if sequence < 1:
            raise msgspec.ValidationError("sequences count from 1")
        self._floor.had(sequence - 1)
        comes_back = sequence > 1 and not self._next
        self._next = sequence + (_GAP if comes_back and self._faults.strikes("exchange_gap") else 0)
        self._unacknowledged.clear()

    def _acknowledge(self, sequence: int) -> None:
        while self._unacknowledged and self._unacknowledged[0] <= sequence:
            self._unacknowledged.popleft()


async def _both(listening: Awaitable[None], sending: Awaitable[None]) -> None:
    """Run both until one has ended or failed, then end the other. Raises what the first one raised."""
    tasks = [asyncio.ensure_future(listening), asyncio.ensure_future(sending)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def _ignore(connection: ServerConnection) -> None:
    async for _ in connection:
        pass


def _answer(
    connection: ServerConnection, request: Request, observation: Observation, symbols: tuple[str, ...]
) -> Response | None:
    path = _path(request)
    if path == "/ticks":
        return None
    if path == "/stream":
        unknown = [symbol for symbol in _symbols(request) if symbol not in symbols]
        if unknown:
            text = f"no symbol {', '.join(map(ascii, unknown))}; traded here: {', '.join(map(ascii, symbols))}\n"
            return connection.respond(HTTPStatus.BAD_REQUEST, text)
        return None
    answer = observation.answer(path)
    return connection.respond(HTTPStatus.NOT_FOUND, _FACES) if answer is None else respond(connection, answer)


def _path(request: Request) -> str:
    return urlsplit(request.path).path


def _symbols(request: Request) -> tuple[str, ...]:
    """The symbols that were asked for, each once; none means all."""
    asked = parse_qs(urlsplit(request.path).query).get("symbols", [""])[-1]
    return tuple(dict.fromkeys(symbol for symbol in asked.split(",") if symbol))


def _cut(text: str) -> str:
    return text.encode()[:_REASON_BYTES].decode(errors="ignore")
