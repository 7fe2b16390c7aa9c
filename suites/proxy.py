"""A TCP proxy that stands before a real server and takes it away: down, silent, or gone just before an answer.

The server itself is not the suite's to stop, and to its client this looks the same. Connections are broken with a
reset, as they are when a process dies.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_CHUNK: Final = 65536
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER without waiting: close() sends RST


class Proxy:
    """`url` leads through the proxy. Made by `proxy_before`."""

    def __init__(self, server_url: str) -> None:
        self._parts = urlsplit(server_url)
        self._port = 0
        self._links: set[_Link] = set()
        self._cut: bytes | None = None
        self._up = True
        self.cuts = 0
        self.refused = asyncio.Event()

    @property
    def url(self) -> str:
        user, at, _ = self._parts.netloc.rpartition("@")
        return urlunsplit(self._parts._replace(netloc=f"{user}{at}127.0.0.1:{self._port}"))

    def down(self) -> None:
        """Break every connection and refuse new ones, until `up`. `refused` is set when somebody has tried."""
        self._up = False
        self.refused.clear()
        self.reset()

    def up(self) -> None:
        self._up = True

    def reset(self) -> None:
        """Break every connection; new ones are welcome."""
        for link in tuple(self._links):
            link.reset()

    def far_addresses(self) -> list[str]:
        """How the server knows the connections that lead through here, as host:port."""
        names = [link.far.get_extra_info("sockname") for link in self._links]
        return [f"{name[0]}:{name[1]}" for name in names]

    def cut_answer_to(self, request: bytes) -> None:
        """Let the next request that contains `request` reach the server, and break the connection before its answer."""
        self._cut = request

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            _abort(writer)
            self.refused.set()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        except OSError:
            _abort(writer)
            return
        link = _Link(writer, far_writer)
        self._links.add(link)
        try:
            await asyncio.gather(self._upward(link, reader), self._downward(link, far_reader))
        finally:
            self._links.discard(link)
            link.reset()

    async def _upward(self, link: "_Link", reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self._cut is not None and self._cut in data:
                    self._cut, link.cut = None, True
                link.far.write(data)
                await link.far.drain()
        link.far.close()

    async def _downward(self, link: "_Link", reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if link.cut:
                    self.cuts += 1
                    break
                link.near.write(data)
                await link.near.drain()
        link.reset()


class _Link:
    """One client's connection and its other half."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near = near
        self.far = far
        self.cut = False

    def reset(self) -> None:
        _abort(self.near)
        _abort(self.far)


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@asynccontextmanager
async def proxy_before(server_url: str) -> AsyncIterator[Proxy]:
    """A proxy before the server of `server_url`, for the length of the block."""
    proxy = Proxy(server_url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy._port = server.sockets[0].getsockname()[1]  # noqa: SLF001  # known only now
    try:
        yield proxy
    finally:
        server.close()
        proxy.reset()
        await server.wait_closed()
        await asyncio.sleep(0)
