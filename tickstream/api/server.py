"""uvicorn inside this process's own event loop: its socket is bound first, and signals stay the process's affair."""

import asyncio
import socket
from contextlib import suppress
from typing import Final

import uvicorn
from starlette.types import ASGIApp

_FINISH_S: Final = 2
_BACKLOG: Final = 2048
_KEEP_ALIVE_S: Final = 15
_HEADER_BYTES: Final = 16 * 1024


class Server:
    """Serves `app` from `run` until `stop`."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http="h11",
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
