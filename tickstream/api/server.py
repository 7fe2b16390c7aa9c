"""uvicorn inside this process's own event loop: its socket is bound first, and signals stay the process's affair.

A request's head has to come in time: a client that sends it byte by byte would hold its connection for ever.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

_FINISH_S: Final = 2
_BACKLOG: Final = 2048
_KEEP_ALIVE_S: Final = 15
_HEADER_BYTES: Final = 16 * 1024
_HEAD_S: Final = 5.0


class _Connection(H11Protocol):
    """Ends when a head that has begun, or the first one, is not whole in time; between two requests uvicorn waits."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._late = self.loop.call_later(_HEAD_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._in_time()
        elif self._late is None:
            self._late = self.loop.call_later(_HEAD_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._in_time()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class Server:
    """Serves `app` from `run` until `stop`."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http=_Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_FINISH_S,
            h11_max_incomplete_event_size=_HEADER_BYTES,
        )
        self._server = uvicorn.Server(config)
        self._sockets: list[socket.socket] = []
        self._done = asyncio.Event()

    def open(self, host: str, port: int) -> int:
        """Listen; returns the port, which matters when 0 was asked for. Raises OSError when it is taken."""
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        self._sockets.append(listening)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
        return int(listening.getsockname()[1])

    async def run(self) -> None:
        """Serve until `stop`. Call `open` before."""
        try:
            await self._server._serve(sockets=self._sockets)  # noqa: SLF001  # `serve` would take the signals
        finally:
            self._done.set()

    async def stop(self) -> None:
        """Take no more connections, finish what was asked; returns when that is done."""
        self._server.should_exit = True
        if self._server.started:
            with suppress(asyncio.CancelledError):
                await self._done.wait()
