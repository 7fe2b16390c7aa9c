"""The stream of patterns in Redis, read once for everybody: the newest kept in memory, older ones fetched on demand.

The stream is the truth. The reader waits in Redis for what follows the last number it has seen, so that nothing is
passed over or seen twice, whatever happens to the connection. What the stream's bound removed before it could be read
is told as missed. That a stream has lost its data is told as well; whether its numbers go on or begin with 1 again is
its publisher's to decide, and what it no longer holds counts as missed for who has no later place.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from redis.exceptions import RedisError, ResponseError

from tickstream import log
from tickstream.backoff import delays
from tickstream.broadcast.commands import Commands
from tickstream.broadcast.protocol import Told, frame
from tickstream.faults import Faults
from tickstream.messaging.messages import Names
from tickstream.messaging.redis_client import client
from tickstream.model import PATTERN_STREAM, Pattern

_KEPT: Final = 10_000
_READ: Final = 500
PAGE: Final = 256
_BLOCK_S: Final = 1.0
_ANSWER_S: Final = 2.0

_decode = msgspec.json.Decoder(Pattern).decode


@dataclass(frozen=True, slots=True)
class Entry:
    """`pattern` is None for what stands in the stream and is none of ours; it is never sent."""

    number: int
    pattern: Pattern | None
    frame: bytes


class Listener(Protocol):
    """Whom the reader tells, see `PatternStream.run`."""

    def entry(self, entry: Entry) -> None:
        """The next one."""

    def missed(self, count: int) -> None:
        """So many before the next one are no longer kept."""

    def began_anew(self) -> None:
        """The stream has lost its data; every place in it is void."""


class PatternStream:
    """`head` is the last number that was told to the listener."""

    def __init__(self, url: str, names: Names, commands: Commands, faults: Faults) -> None:
        self._redis = client(url)
        self._key = names.stream(PATTERN_STREAM)
        self._commands = commands
        self._faults = faults
        self._recent: list[Entry] = []  # without gaps up to `head`
        self._found = asyncio.Event()
        self.connected = False
        self.head = 0

    @property
    def known(self) -> bool:
        """Whether the place in the stream has been found once."""
        return self._found.is_set()

    async def found(self) -> None:
        """Return when it has."""
        await self._found.wait()

    def recent(self, after: int) -> list[Entry] | None:
        """The next entries after this number, none at the head; None when they are no longer in memory."""
        if after >= self.head:
            return []
        first = self._recent[0].number if self._recent else self.head + 1
        if after + 1 < first:
            return None
        return self._recent[after + 1 - first : after + 1 - first + PAGE]

    async def older(self, after: int) -> list[Entry]:
        """As `recent`, from Redis; may begin later than asked, and is empty when nothing up to `head` is kept.

        Raises what Commands.do raises.
        """
        answer = await self._commands.do("XRANGE", self._key, f"(0-{after}", f"0-{self.head}", "COUNT", PAGE)
        return [_entry(*item) for item in answer]

    async def last(self) -> int:
        """The last number that the stream has given, read from Redis. Raises what Commands.do raises."""
        try:
            info = await self._commands.do("XINFO STREAM", self._key)
        except ResponseError:
            return 0  # there is no stream yet
        return _number(info["last-generated-id"])

    async def close(self) -> None:
        await self._redis.aclose()

    async def run(self, listener: Listener) -> None:
        """Tell `listener` of every new entry, in order and once, until cancelled."""
        while True:
            for wait_s in delays():
                await asyncio.sleep(wait_s)
                try:
                    await self._faults.before_connect(self)
                    await self._find(listener)
                except (OSError, RedisError, TimeoutError):
                    continue
                break
            log.info("stream_connected", head=self.head)
            self.connected = True
            try:
                while True:
                    await self._read(listener)
            except (OSError, RedisError, TimeoutError) as error:
                self.connected = False
                log.warning("stream_lost", reason=f"{type(error).__name__}: {error}")

    async def _find(self, listener: Listener) -> None:
        """Where the stream stands: at the first time the place to begin, later whether it is still the same stream."""
        last = await self._answer(self._last())
        if not self.known:
            entries = await self._answer(self._redis.xrevrange(self._key, count=_KEPT))
            self._recent = [_entry(*item) for item in reversed(entries)]
            self.head = self._recent[-1].number if self._recent else last
            self._found.set()
        elif last < self.head:
            log.warning("stream_began_anew", head=self.head, last=last)
            self._recent, self.head = [], 0
            listener.began_anew()

    async def _read(self, listener: Listener) -> None:
        answer = await self._answer(
            self._redis.xread({self._key: f"0-{self.head}"}, count=_READ, block=int(_BLOCK_S * 1000))
        )
        if not answer:
            await self._find(listener)  # silence may mean that the stream is another one
            return
        for item in answer[0][1]:
            await self._faults.wait("slow_broadcast")
            self._take(_entry(*item), listener)
            await asyncio.sleep(0)

    def _take(self, entry: Entry, listener: Listener) -> None:
        missed = entry.number - self.head - 1
        if missed:
            log.warning("patterns_missed", count=missed)
            self._recent = []
            listener.missed(missed)
        self._recent.append(entry)
        if len(self._recent) > 2 * _KEPT:
            del self._recent[:_KEPT]
        self.head = entry.number
        listener.entry(entry)

    async def _last(self) -> int:
        try:
            info: Any = await self._redis.xinfo_stream(self._key)
        except ResponseError:
            return 0
        return _number(info["last-generated-id"])

    async def _answer(self, asking: Awaitable[Any]) -> Any:
        async with asyncio.timeout(_BLOCK_S + _ANSWER_S):
            return await asking


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    number = _number(entry_id)
    try:
        pattern = _decode(fields[b"payload"])
    except (KeyError, msgspec.DecodeError) as error:
        log.warning("foreign_message", number=number, reason=f"{type(error).__name__}: {error}")
        return Entry(number, None, b"")
    told = Told(
        number=number,
        pattern=pattern.number,
        kind=pattern.kind,
        symbol=pattern.symbol,
        minute=pattern.minute,
        direction=pattern.direction,
        price=pattern.price,
        strength=pattern.strength,
    )
    return Entry(number, pattern, frame(told))


def _number(entry_id: bytes) -> int:
    return int(entry_id.rpartition(b"-")[2])
