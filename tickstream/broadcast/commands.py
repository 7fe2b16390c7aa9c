"""Commands to Redis over one connection: what gathers while one round trip runs goes out with the next.

A thousand clients that come back at once are a few round trips, not a thousand connections. Nothing is sent twice: a
command whose answer did not come fails, and its owner decides.
"""

import asyncio
from collections import deque
from typing import Any, Final

from redis.exceptions import RedisError, ResponseError

from tickstream import log
from tickstream.faults import Faults
from tickstream.messaging.redis_client import client

_WINDOW: Final = 500
ANSWER_S: Final = 2.0

Command = tuple[Any, ...]
# What `do` raises while Redis is away.
AWAY: Final = (OSError, RedisError, TimeoutError)


class Commands:
    """`run` until cancelled; `do` from any task."""

    def __init__(self, url: str, faults: Faults) -> None:
        self._redis = client(url)
        self._faults = faults
        self._waiting: deque[tuple[Command, asyncio.Future[Any]]] = deque()
        self._arrived = asyncio.Event()
        self.connected = False

    async def do(self, *command: Any) -> Any:
        """The answer to `command`. Raises one of AWAY when there is none, ResponseError for what Redis refuses."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        self._arrived.set()
        return await answer

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                window = [self._waiting.popleft() for _ in range(min(len(self._waiting), _WINDOW))]
                await self._send(window)

    async def close(self) -> None:
        for _, answer in self._waiting:
            answer.cancel()
        self._waiting.clear()
        await self._redis.aclose()

    async def _send(self, window: list[tuple[Command, "asyncio.Future[Any]"]]) -> None:
        try:
            answers = await self._round_trip([command for command, _ in window])
        except AWAY as error:
            if self.connected:
                log.warning("redis_lost", reason=f"{type(error).__name__}: {error}")
            self.connected = False
            answers = [error] * len(window)
        else:
            self.connected = True
        for (_, waiting), answer in zip(window, answers, strict=True):
            if waiting.done():
                continue
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)

    async def _round_trip(self, commands: list[Command]) -> list[Any]:
        if not self.connected:
            await self._faults.before_connect(self)
        async with asyncio.timeout(ANSWER_S):
            pipeline = self._redis.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers = await pipeline.execute(raise_on_error=False)
        lost = next((a for a in answers if isinstance(a, RedisError) and not isinstance(a, ResponseError)), None)
        if lost is not None:
            raise lost
        return answers
