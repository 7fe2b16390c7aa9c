"""Answers kept in Redis for a short while, so that a question many ask is answered by the database once.

An answer is kept under the question as it was understood, never under who asked; what belongs to a user is not kept at
all. It is used for `keep_s` at most, and answers about patterns only until the next pattern is told: with each look-up
Redis tells how far the stream of patterns has come, and an answer from before that is no answer any more. The same
question asked by many at once goes to the database once. Without Redis everything is asked of the database.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from tickstream.api.redis_line import RedisAway, RedisLine
from tickstream.faults import Faults
from tickstream.messaging.messages import Names
from tickstream.model import PATTERN_STREAM

_FOR_EVER_MS: Final = 1000 * 86_400 * 365
_SEPARATOR: Final = b"\n"  # in no version


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer's body, and whether it came from the cache."""

    body: bytes
    hit: bool


class Cache:
    """Made with what it needs; `answer` from any number of tasks."""

    def __init__(self, redis: RedisLine | None, names: Names, keep_s: float, faults: Faults) -> None:
        self._redis = redis if keep_s > 0 else None
        self._prefix = f"{names.prefix}cache:"
        self._stream = names.stream(PATTERN_STREAM)
        self._off = faults.on("cache_off")
        self._stale = faults.on("stale_cache")
        self._keep_ms = _FOR_EVER_MS if self._stale else max(1, int(keep_s * 1000))
        self._under_way: dict[tuple[str, bytes], asyncio.Future[bytes]] = {}

    async def answer(self, question: str, work_out: Callable[[], Awaitable[bytes]]) -> Kept:
        """The answer to `question`, from the cache or worked out and kept. Raises what `work_out` raises."""
        key = self._prefix + hashlib.sha256(question.encode()).hexdigest()
        version, body = await self._look_up(key)
        if body is not None:
            return Kept(body, hit=True)
        return Kept(await self._once(key, version, work_out), hit=False)

    async def _look_up(self, key: str) -> tuple[bytes | None, bytes | None]:
        """How far the patterns have come, and the answer kept since; None for what is not known."""
        if self._redis is None:
            return None, None
        try:
            latest, kept = await self._redis.ask(("XREVRANGE", self._stream, "+", "-", "COUNT", 1), ("GET", key))
        except RedisAway:
            return None, None
        version = _version(latest)
        if kept is None or self._off:
            return version, None
        kept_version, _, body = kept.partition(_SEPARATOR)
        return version, body if kept_version == version or self._stale else None

    async def _once(self, key: str, version: bytes | None, work_out: Callable[[], Awaitable[bytes]]) -> bytes:
        """Work it out, or wait for the one who is already at it with the same knowledge of patterns."""
        place = (key, version or b"")
        under_way = self._under_way.get(place)
        if under_way is None:
            under_way = asyncio.ensure_future(self._work_out(key, version, work_out))
            self._under_way[place] = under_way
            under_way.add_done_callback(lambda _: self._under_way.pop(place))
        # Shielded: one client that goes away must not take the answer from the others.
        return await asyncio.shield(under_way)

    async def _work_out(self, key: str, version: bytes | None, work_out: Callable[[], Awaitable[bytes]]) -> bytes:
        body = await work_out()
        if self._redis is not None and version is not None:
            with suppress(RedisAway):
                await self._redis.ask(("SET", key, version + _SEPARATOR + body, "PX", self._keep_ms))
        return body


def _version(latest: Any) -> bytes:
    return bytes(latest[0][0]) if latest else b"0-0"
