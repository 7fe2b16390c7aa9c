"""Who asks for what, and how far each has come, kept in Redis so that it holds while they are away.

A subscription belongs to a user's device: a name that the client chooses. All connections of that name share it: what
one of them acknowledges is acknowledged. A user has few of them; when one more comes, the one that has acknowledged
least is forgotten. A place that is written is told to those who acknowledged it, in batches that one round trip holds.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from tickstream.backoff import delays
from tickstream.broadcast.commands import AWAY, Commands
from tickstream.broadcast.filters import Change, Filters
from tickstream.broadcast.stream import PatternStream

_GATHER_S: Final = 0.02
_KEPT_S: Final = 30 * 24 * 3600
_PLACE, _FILTERS = "place:", "filters:"

_decode_changes = msgspec.json.Decoder(list[Change]).decode
_encode = msgspec.json.Encoder().encode


class Subscription:
    """`place`: everything up to this number is acknowledged, or was not asked for."""

    __slots__ = ("device", "filters", "place", "saved", "user", "users", "waiting")

    def __init__(self, user: str, device: str, place: int, filters: Filters) -> None:
        self.user = user
        self.device = device
        self.place = place
        self.filters = filters
        self.saved = place
        self.users = 0  # connections that share it
        self.waiting: set[Callable[[int], None]] = set()  # to be told what has been saved


class Places:
    """`run` until cancelled."""

    def __init__(self, commands: Commands, stream: PatternStream, prefix: str, *, per_user: int) -> None:
        self._commands = commands
        self._stream = stream
        self._prefix = prefix
        self._per_user = per_user
        self.open: dict[tuple[str, str], Subscription] = {}
        self._changed: dict[tuple[str, str], Subscription] = {}
        self._saving: dict[tuple[str, str], Subscription] = {}
        self._arrived = asyncio.Event()

    async def join(self, user: str, device: str) -> Subscription:
        """The subscription of this name, shared from now on until `leave`. Raises one of AWAY while Redis is."""
        key = (user, device)
        held = self._held(key)
        if held is None:
            loaded = await self._load(user, device)
            held = self._held(key) or loaded
        self.open[key] = held
        held.users += 1
        return held

    def leave(self, subscription: Subscription) -> None:
        subscription.users -= 1
        if not subscription.users:
            self.open.pop((subscription.user, subscription.device), None)

    def acknowledge(self, subscription: Subscription, number: int, told: Callable[[int], None] | None = None) -> None:
        """Move the place to `number`; `told` hears of it when Redis has it."""
        if number > subscription.place:
            subscription.place = number
            subscription.filters.forget(number)
        if told is not None:
            subscription.waiting.add(told)
        self._changed[subscription.user, subscription.device] = subscription
        self._arrived.set()

    async def save(self, subscription: Subscription) -> None:
        """Write place and filters now. Raises one of AWAY."""
        place = subscription.place
        await self._write(subscription)
        subscription.saved = max(subscription.saved, place)

    def begin_anew(self) -> None:
        """The stream counts from 1 again; nobody has come anywhere in it."""
        for subscription in (*self.open.values(), *self._changed.values()):
            subscription.place = subscription.saved = 0
            subscription.filters = Filters(1, subscription.filters.current)

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await asyncio.sleep(_GATHER_S)
            for wait_s in delays():
                await asyncio.sleep(wait_s)
                if await self.flush():
                    break

    async def flush(self) -> bool:
        """Write what has changed; whether that succeeded."""
        changed = self._saving = self._changed
        self._changed = {}
        places = [(subscription, subscription.place) for subscription in changed.values()]
        results = await asyncio.gather(*(self._write(one) for one in changed.values()), return_exceptions=True)
        done = True
        for (subscription, place), result in zip(places, results, strict=True):
            if isinstance(result, AWAY):
                self._changed.setdefault((subscription.user, subscription.device), subscription)
                done = False
            elif isinstance(result, BaseException):
                raise result
            else:
                subscription.saved = max(subscription.saved, place)
                waiting, subscription.waiting = subscription.waiting, set()
                for told in waiting:
                    told(place)
        self._saving = {}
        return done

    async def _write(self, subscription: Subscription) -> None:
        key = self._key(subscription.user)
        fields = {
            _PLACE + subscription.device: subscription.place,
            _FILTERS + subscription.device: _encode(subscription.filters.stored()),
        }
        flat = [part for pair in fields.items() for part in pair]
        await asyncio.gather(self._commands.do("HSET", key, *flat), self._commands.do("EXPIRE", key, _KEPT_S))

    async def _load(self, user: str, device: str) -> Subscription:
        stored, last = await asyncio.gather(self._commands.do("HGETALL", self._key(user)), self._stream.last())
        place = stored.get((_PLACE + device).encode())
        head = self._stream.head
        if place is None:
            await self._make_room(user, stored)
            return Subscription(user, device, head, Filters(head + 1))
        filters = Filters.restore(_decode_changes(stored[(_FILTERS + device).encode()]))
        if int(place) > last:  # the stream has begun anew, and so does everybody in it
            return Subscription(user, device, 0, Filters(1, filters.current))
        return Subscription(user, device, int(place), filters)

    async def _make_room(self, user: str, stored: dict[bytes, bytes]) -> None:
        begin = _PLACE.encode()
        places = {name[len(begin) :].decode(): int(at) for name, at in stored.items() if name.startswith(begin)}
        idle = sorted((at, device) for device, at in places.items() if (user, device) not in self.open)
        for _, device in idle[: max(0, len(places) - self._per_user + 1)]:
            await self._commands.do("HDEL", self._key(user), _PLACE + device, _FILTERS + device)

    def _held(self, key: tuple[str, str]) -> Subscription | None:
        """What Redis may not have yet goes before what it has."""
        return self.open.get(key) or self._changed.get(key) or self._saving.get(key)

    def _key(self, user: str) -> str:
        return f"{self._prefix}broadcast:{user}"
