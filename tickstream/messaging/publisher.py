"""Messages out through Redis: at once to those who listen, and kept in a bounded stream for those who do not.

`publish` returns when Redis has the message. While Redis is away it waits, and what waits is bounded; after a lost
answer a message is sent again, and Redis itself drops what it has seen before: per publisher, messages arrive in order
and once. Everything that gathers while one round trip runs goes out with the next.

A publisher with an identity does so across processes as well: its caller gives each message a place that stays the same
whoever sends it, and Redis keeps how far that identity has come for as long as it keeps anything.
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
# length (0: not kept), the number that it shall have ('*': the stream's next), how many seconds the counter outlives it
# (0: for ever). Returns the message's number (0 for none), -1 for a repetition, -2 when an earlier message is missing.
# `0-*` numbers the entries of a stream from 1 without gaps, whatever has been trimmed. A stream that refuses a given
# number has had it: the counter was lost, and is mended.
_SCRIPT: Final = """
local place, seen = tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[1]) or '0')
if place <= seen then return -1 end
if place ~= seen + 1 and ARGV[1] ~= ARGV[2] then return -2 end
local number = ARGV[7] == '*' and '0' or ARGV[7]
local repetition = false
if ARGV[6] ~= '0' then
  local id = redis.pcall('XADD', KEYS[2], 'MAXLEN', ARGV[6], '0-' .. ARGV[7], 'channel', ARGV[4], 'payload', ARGV[5])
  if type(id) ~= 'table' then
    number = string.sub(id, 3)
  elseif string.find(id['err'], 'equal or smaller', 1, true) then
    repetition = true
  else
    return id
  end
end
if ARGV[3] ~= '' and not repetition then redis.call('PUBLISH', ARGV[3], number .. ':' .. ARGV[5]) end
if ARGV[8] == '0' then
  redis.call('SET', KEYS[1], ARGV[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[8])
end
return repetition and -1 or tonumber(number)
"""
_OUT_OF_ORDER: Final = -2

_REMEMBERED_S: Final = 86_400  # of a publisher whose name dies with its process
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

    `capacity` bounds how many messages wait; beyond it `publish` waits before it takes the next. With an `identity`
    every message has a place, see `publish`; a stream that it fills is then nobody else's.
    """

    def __init__(
        self,
        url: str,
        *,
        identity: str = "",
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
        self._identity = identity
        self._id = identity or secrets.token_hex(8)
        self._places = 0
        self._waiting: deque[_Outgoing] = deque()
        self._room = asyncio.Semaphore(capacity)
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = False
        self.lost = False  # whether the latest exchange failed; also False before the first

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

    async def publish(
        self, channel: str, payload: bytes, *, stream: str | None = None, place: int | None = None
    ) -> int:
        """Publish on `channel`, and keep in `stream` if one is named.

        `place` counts the messages of an identity from 1, and is the message's number too; a place that Redis has seen
        changes nothing there. Places ascend; that one is missing costs a round trip.

        Returns the message's number; 0 when it is not kept, or when the number was lost with an answer. Raises
        redis.ResponseError when something else than a stream lies under the stream's name; a message with a place waits
        until that is gone.
        """
        if (place is None) == bool(self._identity):
            raise ValueError("a publisher with an identity takes messages with a place, any other without")
        sent = await self._enqueue(channel, payload, stream, place)
        if place is None and self._faults.strikes("double_message"):
            await self._enqueue(channel, payload, stream, None)
        return await sent

    async def repeat(self, channel: str, payload: bytes, number: int) -> None:
        """Publish what was published before, past everything that prevents it: the seam of a defect."""
        await self._redis.publish(self._names.channel(channel), b"%d:%b" % (number, payload))

    async def _enqueue(
        self, channel: str, payload: bytes, stream: str | None, place: int | None
    ) -> asyncio.Future[int]:
        await self._room.acquire()
        self._places = place or self._places + 1
        outgoing = _Outgoing(self._places, channel, payload, stream, asyncio.get_running_loop().create_future())
        self._waiting.append(outgoing)
        self._arrived.set()
        return outgoing.sent

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
            settled = self._settle(window, answers)
            if settled < len(window) and isinstance(answers[settled], Exception):
                self._note_failure(answers[settled])
            else:
                self._note_success()
            if settled:
                return

    async def _exchange(self, window: list[_Outgoing]) -> list[Any]:
        if not self.connected:
            await self._faults.before_connect(self)
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
            outgoing.place if self._identity else "*",
            0 if self._identity else _REMEMBERED_S,
        )

    def _settle(self, window: list[_Outgoing], answers: list[Any]) -> int:
        settled = 0
        for outgoing, answer in zip(window, answers, strict=True):
            # Whose places must all arrive waits until the name is free; anybody else is told that it is taken.
            lasting = not self._identity and isinstance(answer, ResponseError) and "WRONGTYPE" in str(answer)
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
        return settled

    def _note_failure(self, error: Exception) -> None:
        if not self.lost:
            log.warning("redis_lost", reason=f"{type(error).__name__}: {error}")
        # If it was the script that Redis has forgotten, it is loaded anew with the next exchange.
        self.connected, self.lost = False, True

    def _note_success(self) -> None:
        if not self.connected:
            log.info("redis_connected", waiting=len(self._waiting))
        self.connected, self.lost = True, False
