"""A user's client of the broadcaster as it should be written: it comes back by itself, and knows what it has had.

It acknowledges everything that it gets. What comes again on the same connection, or although the broadcaster has
confirmed the acknowledgement, is `doubled`; what comes again because that was in doubt is dropped, as any client may.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from suites.recovery.waits import holds
from suites.system import token

_AGAIN_S = 0.05


class Subscriber:
    """`got` are the numbers in the order in which they came first. Made by `subscribed`."""

    def __init__(self, url: str, user: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token(user)}"}
        self._ready = asyncio.Event()
        self._confirmed = 0
        self._here: set[int] = set()  # what came on this connection
        self.got: list[int] = []
        self.doubled = 0
        self.missed = 0
        self.closes: list[int] = []

    @property
    def last(self) -> int:
        return self.got[-1] if self.got else 0

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, WebSocketException):
                async with connect(
                    self._url,
                    additional_headers=self._headers,
                    open_timeout=1,
                    ping_interval=None,  # it is the broadcaster that finds out who is gone
                    close_timeout=0.1,
                    proxy=None,
                ) as connection:
                    await self._listen(connection)
            await asyncio.sleep(_AGAIN_S)

    async def ready(self) -> None:
        """Return when the first subscription stands."""
        await self._ready.wait()

    async def reaches(self, number: int) -> None:
        await holds(lambda: self.last >= number)

    async def _listen(self, connection: ClientConnection) -> None:
        self._here.clear()
        await connection.send(json.dumps({"type": "subscribe", "symbols": "*", "kinds": "*"}))
        try:
            async for frame in connection:
                message = json.loads(frame)
                self._take(message)
                if message["type"] == "pattern":
                    await connection.send(json.dumps({"type": "ack", "number": message["number"]}))
        finally:
            self.closes.append(connection.close_code or 0)

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "subscribed":
                self._ready.set()
            case "acknowledged":
                self._confirmed = max(self._confirmed, message["number"])
            case "missed":
                self.missed += message["count"]
            case "pattern":
                number = message["number"]
                if number <= self._confirmed or number in self._here:
                    self.doubled += 1
                elif number not in self.got[-500:]:
                    self.got.append(number)
                self._here.add(number)


@asynccontextmanager
async def subscribed(url: str, *users: str) -> AsyncIterator[list[Subscriber]]:
    """One client for each of `users`, subscribed to everything, for the length of the block."""
    subscribers = [Subscriber(url, user) for user in users]
    tasks = [asyncio.create_task(one.run()) for one in subscribers]
    try:
        await asyncio.gather(*(one.ready() for one in subscribers))
        yield subscribers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
