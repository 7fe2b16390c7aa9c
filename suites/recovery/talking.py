"""Messages that keep coming while Redis breaks, and what it has kept of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import redis.asyncio

from suites.recovery.waits import holds
from suites.system import Names, Publisher, declared_faults

CHANNEL = "talk"
STREAM = "talk"

Say = Callable[[int], tuple[str, str, bytes]]  # channel, stream and payload of a number


def plainly(number: int) -> tuple[str, str, bytes]:
    return CHANNEL, STREAM, str(number).encode()


def as_pattern(number: int) -> tuple[str, str, bytes]:
    """What the broadcaster passes on to users."""
    pattern = {
        "number": number,
        "kind": "gap",
        "symbol": f"S{number % 7}",
        "minute": "2026-01-05T14:30:00+00:00",
        "direction": "up",
        "price": f"{number}.000000",
        "strength": 1 + number % 100,
    }
    return f"patterns:S{number % 7}", "patterns", json.dumps(pattern).encode()


class Talk:
    """Publishes 1, 2, 3 and so on, each when Redis has the one before; `said` is the last that Redis has confirmed."""

    def __init__(self, publisher: Publisher, say: Say, pause_s: float) -> None:
        self._publisher = publisher
        self._say = say
        self._pause_s = pause_s
        self._over = False
        self.said = 0

    async def run(self) -> None:
        while not self._over:
            channel, stream, payload = self._say(self.said + 1)
            await self._publisher.publish(channel, payload, stream=stream)
            self.said += 1
            await asyncio.sleep(self._pause_s)

    def end(self) -> None:
        self._over = True

    async def reaches(self, number: int) -> None:
        await holds(lambda: self.said >= number)

    async def goes_on(self, count: int = 20) -> None:
        await self.reaches(self.said + count)


@asynccontextmanager
async def talking(url: str, names: Names, say: Say = plainly, *, pause_s: float = 0.002) -> AsyncIterator[Talk]:
    """Talks in the background; the end of the block waits until Redis has confirmed the last word."""
    async with Publisher(url, names=names, faults=declared_faults()) as publisher:
        talk = Talk(publisher, say, pause_s)
        running = asyncio.create_task(talk.run())
        try:
            yield talk
            talk.end()
            await running
        finally:
            running.cancel()
            await asyncio.wait([running])


async def kept(url: str, names: Names, stream: str = STREAM) -> list[bytes]:
    """The payloads that Redis keeps, in their order."""
    async with redis.asyncio.Redis.from_url(url) as connection:
        return [entry[b"payload"] for _, entry in await connection.xrange(names.stream(stream))]
