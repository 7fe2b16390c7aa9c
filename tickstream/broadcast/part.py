"""The broadcaster as a part: a WebSocket server at `/ws`, with `/healthz` and `/metrics` on the same port.

It is degraded while Redis is away: who is connected stays, and gets everything afterwards; nobody new comes in. Until
it has found its place in the stream it is down. Asked to stop, it says goodbye (1001) to everybody and keeps what they
have acknowledged.
"""

import asyncio
import socket
from contextlib import AsyncExitStack, suppress
from typing import Final

from tickstream.broadcast.broadcaster import Broadcaster
from tickstream.faults import Faults
from tickstream.observation import Observation
from tickstream.part import Health, Listening, State
from tickstream.settings import Settings

_BACKLOG: Final = 2048
_SEND_BUFFER: Final = 64 * 1024  # of the operating system, per client
_STOP_S: Final = 2.5


class BroadcastPart:
    name = "broadcast"
    url = ""

    def __init__(self, settings: Settings, broadcaster: Broadcaster) -> None:
        self._settings = settings
        self._broadcaster = broadcaster
        self._server: asyncio.Server | None = None
        self._working = False

    async def run(self, listening: Listening) -> None:
        listener = _listen(self._settings.host, self._settings.broadcast_port)
        port = int(listener.getsockname()[1])
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._broadcaster.connect, sock=listener, backlog=_BACKLOG)
        self._working = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._broadcaster.work())
                await self._broadcaster.stream.found()
                listening(self._settings.host, port)
        finally:
            self._working = False

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._broadcaster.stop()

    def health(self) -> Health:
        broadcaster = self._broadcaster
        stream = broadcaster.stream
        if not self._working or not stream.known:
            state = State.DOWN
        else:
            state = State.OK if stream.connected else State.DEGRADED
        return Health(
            state=state,
            facts={
                "redis": "connected" if stream.connected else "not connected",
                "subscribers": broadcaster.roster.subscribers,
                "connections": len(broadcaster.roster.connected),
                "head": stream.head,
            },
        )


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket whose options every connection inherits. Raises OSError when the port is taken."""
    listener = socket.create_server((host, port), backlog=_BACKLOG)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def build(settings: Settings, faults: Faults, observation: Observation, stack: AsyncExitStack) -> BroadcastPart:
    broadcaster = Broadcaster(settings, faults, observation)
    stack.push_async_callback(broadcaster.close)
    return BroadcastPart(settings, broadcaster)
