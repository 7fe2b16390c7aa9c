"""The API's line to Redis: one connection for all requests, never waited for longer than a moment.

What gathers while one round trip runs goes out with the next. All commands may be sent twice, and are when their
connection has broken since it was used last. One that is not answered in time has failed, and its request goes on
without Redis or is refused.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from redis.exceptions import ConnectionError as RedisConnectionError

from tickstream import log
from tickstream.breaker import Breaker, BreakerState
from tickstream.faults import Faults
from tickstream.messaging.redis_client import client

Command = tuple[str | bytes | int, ...]

_ANSWER_S: Final = 0.5
_CONNECT_S: Final = 2.0
_LOOK_S: Final = 0.5
_KNOCK_S: Final = 0.1


class RedisAway(Exception):
    """Redis did not answer, or is known not to."""


class RedisLine:
    """Opens its connection with the first command."""

    def __init__(self, url: str, breaker: Breaker, faults: Faults) -> None:
        self._redis = client(url)
        self._breaker = breaker
        self._faults = faults
        self._waiting: list[tuple[tuple[Command, ...], asyncio.Future[list[Any]]]] = []
        self._task: asyncio.Task[None] | None = None
        self._answered = False

    async def ask(self, *commands: Command, probe: bool = False) -> list[Any]:
        """The answers to `commands`, sent in this order. Raises RedisAway, at once while the breaker is not closed.

        A `probe` is let through by a half-open breaker: no request has to find out whether Redis is back.
        """
        if not (self._breaker.allow() if probe else self._breaker.state is BreakerState.CLOSED):
            raise RedisAway("the breaker is open")
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._send())
        return await answer

    async def watch(self) -> None:
        """See to it, until cancelled, that a server that went or came back is noticed without any request."""
        while True:
            with suppress(RedisAway):
                await self.ask(("PING",), probe=True)
            await asyncio.sleep(_LOOK_S if self.connected else _KNOCK_S)

    @property
    def connected(self) -> bool:
        """Whether a command would be answered now, as far as is known."""
        return self._answered and self._breaker.state is BreakerState.CLOSED

    @property
    def breaker(self) -> str:
        return self._breaker.state

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._redis.aclose()

    async def _send(self) -> None:
        while self._waiting:
            window, self._waiting = self._waiting, []
            try:
                answers = await self._exchange([command for commands, _ in window for command in commands])
            except Exception as error:  # noqa: BLE001  # whatever it was: those who wait must hear of it
                self._fail(window, error)
                continue
            self._note(there=True)
            for commands, waiting in window:
                own, answers = answers[: len(commands)], answers[len(commands) :]
                self._settle(waiting, own)

    async def _exchange(self, commands: list[Command]) -> list[Any]:
        """The answers to `commands`. A connection that broke since it was used last is replaced once, at once."""
        if self._answered:
            with suppress(ConnectionError, RedisConnectionError):
                return await self._answers(commands)
            self._note(there=False)
        async with asyncio.timeout(_CONNECT_S):
            await self._faults.before_connect(self)
            await self._redis.ping()
        return await self._answers(commands)

    async def _answers(self, commands: list[Command]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        async with asyncio.timeout(_ANSWER_S):
            return await pipeline.execute(raise_on_error=False)

    def _settle(self, waiting: asyncio.Future[list[Any]], answers: list[Any]) -> None:
        refused = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if refused is not None:
            self._breaker.failed()
        else:
            self._breaker.succeeded()
        if waiting.done():
            return
        if refused is not None:
            waiting.set_exception(RedisAway(f"{type(refused).__name__}: {refused}"))
        else:
            waiting.set_result(answers)

    def _note(self, *, there: bool) -> None:
        if there != self._answered:
            (log.info if there else log.warning)("redis_connected" if there else "redis_lost", part="api")
        self._answered = there

    def _fail(self, window: list[tuple[tuple[Command, ...], asyncio.Future[list[Any]]]], error: Exception) -> None:
        self._note(there=False)
        for _, waiting in window:
            self._breaker.failed()
            if not waiting.done():
                waiting.set_exception(RedisAway(f"{type(error).__name__}: {error}"))
