"""Messages out through Redis: at once to those who listen, and kept in a bounded stream for those who do not.

`publish` returns when Redis has the message. While Redis is away it waits, and what waits is bounded; after a lost
answer a message is sent again, and Redis itself drops what it has seen before: per publisher, messages arrive in order
and once. Everything that gathers while one round trip runs goes out with the next.
"""

import asyncio
import hashlib
import itertools
import secrets
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Self

from redis.exceptions import RedisError, ResponseError

from tickstream import log
from tickstream.backoff import delays
from tickstream.faults import Faults
from tickstream.messaging.messages import Names
from tickstream.messaging.redis_client import client

# KEYS: the publisher's counter, the stream. ARGV: the message's place among this publisher's messages, the place of the
# first one that is not settled, channel in Redis ('': do not publish), own name of the channel, payload, the stream's
# length (0: not kept). Returns the message's number (0 for none), -1 for a repetition, -2 when an earlier message is
# missing. `0-*` numbers the entries of a stream from 1 without gaps, whatever has been trimmed.
_SCRIPT: Final = """
local place, seen = tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[1]) or '0')
if place <= seen then return -1 end
if place ~= seen + 1 and ARGV[1] ~= ARGV[2] then return -2 end
local number = '0'
if ARGV[6] ~= '0' then
  local id = redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[6], '0-*', 'channel', ARGV[4], 'payload', ARGV[5])
  number = string.sub(id, 3)
end
if ARGV[3] ~= '' then redis.call('PUBLISH', ARGV[3], number .. ':' .. ARGV[5]) end
redis.call('SET', KEYS[1], ARGV[1], 'EX', 86400)
return tonumber(number)
"""
_OUT_OF_ORDER: Final = -2

_WINDOW: Final = 256
_ANSWER_S: Final = 5.0


@dataclass(slots=True)
class _Outgoing:
    place: int
    channel: str
    payload: bytes
    stream: str | None
    sent: asyncio.Future[int]


class Publisher:
    """Owns one connection to Redis. Use as `async with Publisher(url) as publisher`.

    `capacity` bounds how many messages wait; beyond it `publish` waits before it takes the next.
    """

    def __init__(
        self,
        url: str,
        *,
        names: Names | None = None,
        stream_length: int = 10_000,
        capacity: int = 10_000,
        faults: Faults | None = None,
    ) -> None:
        self._redis = client(url)
        self._digest = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
        self._names = names or Names()
        self._stream_length = stream_length
        self._faults = faults or Faults()
        self._id = secrets.token_hex(8)
        self._places = 0
        self._waiting: deque[_Outgoing] = deque()
        self._room = asyncio.Semaphore(capacity)
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._send_loop())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._redis.aclose()

    @property
    def waiting(self) -> int:
        """How many messages Redis has not confirmed yet."""
        return len(self._waiting)

    @property
    def state(self) -> str:
        return "connected" if self.connected else "not connected"

    async def publish(self, channel: str, payload: bytes, *, stream: str | None = None) -> int:
        """Publish on `channel`, and keep in `stream` if one is named.

        Returns the message's number; 0 when it is not kept, or when the number was lost with an answer. Raises
        redis.ResponseError when something else than a stream lies under the stream's name.
        """
        await self._room.acquire()
        self._places += 1
        outgoing = _Outgoing(self._places, channel, payload, stream, asyncio.get_running_loop().create_future())
        self._waiting.append(outgoing)
        self._arrived.set()
        return await outgoing.sent

    async def _send_loop(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._faults.wait("slow_delivery")
                await self._send_window(list(itertools.islice(self._waiting, _WINDOW)))

    async def _send_window(self, window: list[_Outgoing]) -> None:
        """Send the oldest messages and settle them in order, up to the first that has to be sent again."""
        for wait_s in delays():
            await asyncio.sleep(wait_s)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    answers = await self._exchange(window)
            except (OSError, RedisError) as error:
                self._note_failure(error)
                continue
            self._note_success()
            settled = self._settle(window, answers)
            if settled:
                return

    async def _exchange(self, window: list[_Outgoing]) -> list[Any]:
        if not self.connected:
            await self._faults.before_connect()
            await self._redis.script_load(_SCRIPT)
        pipeline = self._redis.pipeline(transaction=False)
        for outgoing in window:
            pipeline.evalsha(self._digest, 2, *self._arguments(outgoing, window[0].place))
        return await pipeline.execute(raise_on_error=False)

    def _arguments(self, outgoing: _Outgoing, first: int) -> tuple[str | bytes | int, ...]:
        live = "" if self._faults.strikes("lost_message") else self._names.channel(outgoing.channel)
        kept = outgoing.stream is not None and not self._faults.strikes("lost_offline")
        return (
            self._names.publisher(self._id),
            self._names.stream(outgoing.stream or ""),
            outgoing.place,
            first,
            live,
            outgoing.channel,
            outgoing.payload,
            self._stream_length if kept else 0,
        )

    def _settle(self, window: list[_Outgoing], answers: list[Any]) -> int:
        settled = 0
        for outgoing, answer in zip(window, answers, strict=True):
            lasting = isinstance(answer, ResponseError) and "WRONGTYPE" in str(answer)
            if answer == _OUT_OF_ORDER or (isinstance(answer, Exception) and not lasting):
                break
            settled += 1
            self._waiting.popleft()
            self._room.release()
            if outgoing.sent.done():
                continue
            if isinstance(answer, Exception):
                outgoing.sent.set_exception(answer)
            else:
                outgoing.sent.set_result(max(int(answer), 0))
        if settled < len(window):
            # The script may have been flushed; it is loaded anew with the next exchange.
            self.connected = False
        return settled

    def _note_failure(self, error: Exception) -> None:
        if self.connected:
            log.warning("redis_lost", reason=f"{type(error).__name__}: {error}")
        self.connected = False

    def _note_success(self) -> None:
        if not self.connected:
            log.info("redis_connected", waiting=len(self._waiting))
        self.connected = True
