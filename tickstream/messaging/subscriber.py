"""Messages in through Redis: live while connected, and kept ones for those who come back.

`Live` is for who is online: it takes what is published while it listens, reconnects by itself, and whoever needs to
know what was missed looks at the numbers. `Mailbox` is a named user's place in a stream: every message since it was
opened comes in order, and comes again only if it was not acknowledged. What the stream's bound has removed before the
user came back is counted in `missed`, never skipped silently.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Self, TypeVar

from redis.asyncio.client import PubSub
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from tickstream import log
from tickstream.backoff import delays
from tickstream.faults import Faults
from tickstream.messaging.messages import Message, Names, parse_live
from tickstream.messaging.redis_client import client

T = TypeVar("T")
Entry = tuple[bytes, dict[bytes, bytes] | None]

_READER: Final = "reader"  # a user has one


class Live:
    """Listens on channels and patterns (`*`, `?`, `[ab]`). Use as `async with Live(url, channels=("alerts",)) as live`.

    Entering returns when Redis has confirmed every subscription. Iterate for messages; one task at a time.
    """

    def __init__(
        self, url: str, *, channels: Sequence[str] = (), patterns: Sequence[str] = (), names: Names | None = None
    ) -> None:
        self._redis = client(url)
        self._names = names or Names()
        self._channels = [self._names.channel(channel) for channel in channels]
        self._patterns = [self._names.channel(pattern) for pattern in patterns]
        self._pubsub: PubSub | None = None
        self.reconnects = 0

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._drop()
        await self._redis.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """The next message, however long it takes; a lost connection is replaced meanwhile."""
        while True:
            try:
                message = await self._receive()
            except (OSError, RedisError) as error:
                log.warning("subscription_lost", reason=f"{type(error).__name__}: {error}")
                await self._connect()
                self.reconnects += 1
                continue
            if message is not None:
                return message

    async def _receive(self) -> Message | None:
        if self._pubsub is None:
            raise ConnectionResetError("not subscribed")
        raw = await self._pubsub.parse_response(block=True)
        if raw is None or raw[0] not in (b"message", b"pmessage"):
            return None
        channel = self._names.without(raw[-2])
        try:
            return parse_live(channel, raw[-1])
        except ValueError as error:
            log.warning("foreign_message", reason=str(error))
            return None

    async def _connect(self) -> None:
        for wait_s in delays():
            await asyncio.sleep(wait_s)
            await self._drop()
            try:
                await self._subscribe()
            except (OSError, RedisError):
                continue
            return

    async def _subscribe(self) -> None:
        self._pubsub = pubsub = self._redis.pubsub()
        if self._channels:
            await pubsub.subscribe(*self._channels)
        if self._patterns:
            await pubsub.psubscribe(*self._patterns)
        for _ in range(len(self._channels) + len(self._patterns)):
            await pubsub.parse_response(block=True)

    async def _drop(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            await pubsub.aclose()  # type: ignore[no-untyped-call]  # the library leaves it without


class Mailbox:
    """The place of `user` in `stream`. Use as `async with Mailbox(url, "alerts", "ada") as mailbox`.

    The first opening ever notes the place; from then on nothing is passed over. One reader per user at a time.
    """

    def __init__(
        self, url: str, stream: str, user: str, *, names: Names | None = None, faults: Faults | None = None
    ) -> None:
        self._redis = client(url)
        self._faults = faults or Faults()
        self._stream = (names or Names()).stream(stream)
        self._user = user
        self._cursor = "0"  # behind which entry to read; ">" is Redis' word for what is new
        self._handed = 0  # the last message that this object gave to its caller
        self._last = 0  # the highest number that has been accounted for, as delivered or as missed
        self.missed = 0

    async def __aenter__(self) -> Self:
        await self._retry(self._open)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._redis.aclose()

    async def read(self, *, count: int = 100, wait_s: float = 0.0) -> list[Message]:
        """Up to `count` next messages, waiting at most `wait_s` seconds for the first; empty when there are none.

        First come those that an earlier reader of this user was given and did not acknowledge.
        """
        await self._faults.wait("slow_replay")
        while True:
            entries, new = await self._retry(lambda: self._read(count, wait_s))
            messages = [message for entry in entries if (message := await self._account(entry))]
            if messages:
                self._handed = messages[-1].number
                return messages
            if new and not entries:
                return []

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """These messages never come again."""
        if messages:
            numbers = [f"0-{message.number}" for message in messages]
            await self._retry(lambda: self._redis.xack(self._stream, self._user, *numbers))

    async def forget(self) -> None:
        """Give the place up; a later opening starts anew."""
        await self._retry(lambda: self._redis.xgroup_destroy(self._stream, self._user))

    async def _read(self, count: int, wait_s: float) -> tuple[list[Entry], bool]:
        """The next entries, and whether they are new ones."""
        new = self._cursor == ">"
        block_ms = max(1, int(wait_s * 1000)) if wait_s > 0 and new else None
        answer: Any = await self._redis.xreadgroup(
            self._user, _READER, {self._stream: self._cursor}, count=count, block=block_ms
        )
        entries: list[Entry] = answer[0][1] if answer else []
        if not new:
            self._cursor = entries[-1][0].decode() if entries else ">"
        return entries, new

    async def _account(self, entry: Entry) -> Message | None:
        """The message in `entry`, or None where the stream's bound has removed it; `missed` counts the others."""
        number, fields = _number(entry[0]), entry[1]
        self.missed += max(0, number - self._last - 1)
        self._last = max(self._last, number)
        if fields:
            return Message(fields[b"channel"].decode(), number, fields[b"payload"])
        self.missed += 1
        await self._retry(lambda: self._redis.xack(self._stream, self._user, entry[0]))
        return None

    async def _retry(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of `attempt`, tried until Redis is there. Raises ResponseError for what Redis will never do."""
        for wait_s in delays():
            await asyncio.sleep(wait_s)
            try:
                return await attempt()
            except (ReadOnlyError, OutOfMemoryError):
                continue
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
                # Redis came back without its data: the place is noted anew, before all that has been kept since.
                await self._retry(lambda: self._open("0"))
            except (OSError, RedisError):
                # Redis may have handed out messages in an answer that was lost; they are read again first.
                self._cursor = f"0-{self._handed}"
        raise AssertionError("the delays never end")

    async def _open(self, start: str = "$") -> None:
        try:
            await self._redis.xgroup_create(self._stream, self._user, id=start, mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        groups: Any = await self._redis.xinfo_groups(self._stream)
        place = next(group for group in groups if group["name"] == self._user.encode())
        self._last = _number(place["last-delivered-id"])
        self._cursor, self._handed = "0", 0


def _number(entry_id: bytes) -> int:
    return int(entry_id.rpartition(b"-")[2])
