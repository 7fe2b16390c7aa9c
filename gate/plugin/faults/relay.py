"""The proxy itself, inside its event loop: one listening socket and the connections that lead through it.

Owns the sockets. A connection is broken with a reset, as it is when a process dies; one that both sides end is ended
likewise. What waits here is decided by the weather at the moment of handing over, so that a change counts at once, also
for what was under way.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, Final

from gate.plugin.faults.stream import Stream
from gate.plugin.faults.weather import FAIR, Weather

Address = tuple[socket.AddressFamily, Any]
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER without waiting: close() sends RST
_BACKLOG: Final = 1024
_BREATH_S: Final = 0.01


class Relay:
    """Leads from a port of its own to the first of `addresses` that answers. Made in any thread, used in its loop's."""

    def __init__(self, addresses: Sequence[Address], turned_away: Callable[[], None]) -> None:
        self.weather = FAIR
        self.marker: bytes | None = None
        self.accepted = self.bytes_up = self.bytes_down = self.cuts = 0
        self.links: set[Link] = set()
        self.turned_away = turned_away  # told when a newcomer is refused, or something is held
        self.luck = random.Random(0)  # noqa: S311  # of the jitter; the same in every run
        self._addresses = addresses
        self._passing = asyncio.Event()
        self._passing.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]

    async def start(self) -> None:
        self._listen()

    async def change(self, weather: Weather) -> None:
        """Let `weather` hold from now on; when newcomers are refused, nobody who was here stays."""
        self.weather = weather
        if weather.holds:
            self._passing.clear()
        else:
            self._passing.set()
        for link in self.links:
            link.stir()
        if weather.refuses:
            await self.reset()

    async def reset(self) -> None:
        """Break every connection, those that are only being made as well."""
        links = tuple(self.links)
        for link in links:
            link.task.cancel()
        if links:
            await asyncio.wait([link.task for link in links])
        for link in links:
            link.abort()  # a task that had not begun has not done so itself

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        await self.reset()

    async def passage(self) -> None:
        """Return when something may pass."""
        while self.weather.holds:
            self.turned_away()
            await self._passing.wait()

    async def connect(self) -> socket.socket:
        """A connection to the server; OSError when it takes none."""
        loop, refused = asyncio.get_running_loop(), OSError("no address")
        for family, address in self._addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                await loop.sock_connect(sock, address)
            except OSError as error:
                refused = error
                sock.close()
            except BaseException:
                abort(sock)
                raise
            else:
                return sock
        raise refused

    def _listen(self) -> None:
        """Not by a coroutine: one that is cancelled would lose a connection that it had just accepted."""
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            near, _ = self._listener.accept()
        except BlockingIOError:  # gone again before it was taken
            return
        except OSError:  # perhaps no file handle is left for it; asking on and on would not help
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener)
            loop.call_later(_BREATH_S, self._listen)
            return
        near.setblocking(False)
        self.accepted += 1
        if self.weather.refuses:
            abort(near)
            self.turned_away()
        else:
            self.links.add(Link(self, near))


class Link:
    """One client's connection and its other half, from its acceptance to its end."""

    def __init__(self, relay: Relay, near: socket.socket) -> None:
        self.cut = False  # the answer to come is not to arrive
        self._relay = relay
        self._near = near
        self._far: socket.socket | None = None
        self._streams: tuple[Stream, ...] = ()
        self.task = asyncio.create_task(self._run())

    @property
    def far_address(self) -> str:
        """How the server knows this connection, as host:port; "" when it does not yet or no more."""
        with contextlib.suppress(OSError):
            if self._far is not None:
                name = self._far.getsockname()
                return f"{name[0]}:{name[1]}"
        return ""

    def stir(self) -> None:
        """Look at the weather again."""
        for stream in self._streams:
            stream.stir()

    def abort(self) -> None:
        """Reset both halves, unless they have ended."""
        self._relay.links.discard(self)
        abort(self._near)
        if self._far is not None:
            abort(self._far)

    async def _run(self) -> None:
        try:
            await self._relay.passage()
            self._far = await self._relay.connect()
            for sock in (self._near, self._far):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            up = Stream(self._relay, self, self._near, self._far, upward=True)
            down = Stream(self._relay, self, self._far, self._near, upward=False)
            self._streams = (up, down)
            async with asyncio.TaskGroup() as group:
                for part in (up.read(), up.write(), down.read(), down.write()):
                    group.create_task(part)
            self._near.close()
            self._far.close()
        except* OSError:
            pass  # one half has broken; the other follows
        finally:
            self.abort()


def abort(sock: socket.socket) -> None:
    """Close with a reset; nothing when it is closed."""
    if sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.close()
