"""One user's connection, as a program opens it: through the websockets library, frame by frame."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from suites.system import token
from suites.websocket_broadcast.told import Wish

_END_S = 8.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER without waiting: close() sends RST


class Subscriber:
    """`got` are the patterns so far, `missed` what the service said is gone. Made by `subscriber`."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.got: list[dict[str, Any]] = []
        self.missed = 0

    @property
    def numbers(self) -> list[int]:
        return [pattern["number"] for pattern in self.got]

    async def send(self, **frame: Any) -> None:
        await self.connection.send(json.dumps(frame))

    async def subscribe(self, wish: Wish | None = None, **more: Any) -> dict[str, Any]:
        """The answer; without a wish everything stays as it was."""
        await self.send(type="subscribe", **(wish.frame() if wish else {}), **more)
        return await self.next("subscribed")

    async def next(self, kind: str) -> dict[str, Any]:
        """The next frame of this kind; patterns that come before it are kept."""
        while True:
            frame: dict[str, Any] = json.loads(await self.connection.recv())
            if frame["type"] == "pattern":
                self.got.append(frame)
            elif frame["type"] == "missed":
                self.missed += frame["count"]
            if frame["type"] == kind:
                return frame

    async def reach(self, number: int) -> list[int]:
        """Read until this number has come; all numbers so far."""
        while not self.got or self.got[-1]["number"] != number:
            await self.next("pattern")
        return self.numbers

    async def ack(self, number: int) -> int:
        """Acknowledge and wait until that is kept; what the service says then."""
        await self.send(type="ack", number=number)
        return int((await self.next("acknowledged"))["number"])

    async def end(self) -> tuple[int, str]:
        """Read until the service closes; its code and reason. TimeoutError from a service that never does."""
        try:
            async with asyncio.timeout(_END_S):
                while True:
                    await self.next("nothing")
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")

    def reset(self) -> None:
        """Be gone without a word, as a client whose machine lost its power and came back."""
        sock: socket.socket = self.connection.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.connection.transport.abort()


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@asynccontextmanager
async def subscriber(
    url: str, user: str = "ada", *, headers: dict[str, str] | None = None, **options: Any
) -> AsyncIterator[Subscriber]:
    """A connection of `user` with a token of their own; `headers` take the place of it."""
    sent = bearer(token(user)) if headers is None else headers
    options = {
        "compression": None,
        "proxy": None,
        "ping_interval": None,
        "max_queue": None,
        "close_timeout": 1,
        **options,
    }
    async with connect(url, additional_headers=sent, **options) as connection:
        yield Subscriber(connection)
