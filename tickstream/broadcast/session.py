"""One client: lets it in, takes its filter, hands over what it missed, then what comes, and hears what it acknowledged.

Frames are handled in the order in which they come; those that need Redis make the later ones wait. A client is given
everything after its place that its filter asks for: first from the past, page by page and no faster than it reads, and
from the instant at which nothing is left of the past, live.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec import UNSET
from websockets.http11 import Request as HttpRequest

from tickstream.backoff import delays
from tickstream.broadcast.commands import AWAY
from tickstream.broadcast.connection import UNREAD, Connection
from tickstream.broadcast.filters import wanted
from tickstream.broadcast.gate import NotAllowed, NotAuthorised
from tickstream.broadcast.places import Subscription
from tickstream.broadcast.protocol import (
    DEFAULT_DEVICE,
    Ack,
    Acknowledged,
    Auth,
    Code,
    Error,
    Missed,
    Subscribe,
    Subscribed,
    decode,
    frame,
)
from tickstream.broadcast.roster import TooMany
from tickstream.broadcast.stream import Entry
from tickstream.tokens import Identity

if TYPE_CHECKING:
    from tickstream.broadcast.broadcaster import Broadcaster

T = TypeVar("T")

NOT_AUTHORISED: Final = "not authorised"
NOT_ALLOWED: Final = "not allowed"
_BURST: Final = 100.0
_FRAMES_PER_S: Final = 20.0
_CHUNK: Final = 64  # patterns handed over with one write


class Session:
    """Made for every connection; `identity` is None until it has shown a token."""

    connection: Connection

    def __init__(self, broadcaster: "Broadcaster") -> None:
        self._broadcaster = broadcaster
        self.identity: Identity | None = None
        self.subscription: Subscription | None = None
        self.live = False
        self.sent = 0  # the last number that was sent
        self.acknowledged = 0
        self._cursor = 0  # the last number that was looked at while catching up
        self._inbox: deque[Auth | Subscribe | Ack] = deque()
        self._working = False
        self._credit = _BURST
        self._credited_at = 0.0

    # ---- what the connection tells --------------------------------------------------------------------------------

    def asked(self, request: HttpRequest) -> None:
        self._broadcaster.asked(self, request)

    def frame(self) -> bool:
        """Every frame costs; acknowledging what was sent costs nothing."""
        now = asyncio.get_running_loop().time()
        self._credit = min(_BURST, self._credit + (now - self._credited_at) * _FRAMES_PER_S) - 1
        self._credited_at = now
        if self._credit < 0:
            self.end(Code.FLOOD, "too many frames")
            return False
        return True

    def text(self, payload: bytes) -> None:
        try:
            request = decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._malformed(str(error))
            return
        if isinstance(request, Ack) and self.subscription is not None:
            self._take_ack(request)
            return
        self._inbox.append(request)
        if not self._working:
            self._working = True
            self._broadcaster.spawn(self, self._work())

    def gone(self) -> None:
        self.settle()
        self._broadcaster.left(self)
        if self.subscription is not None:
            self._broadcaster.places.leave(self.subscription)

    # ---- what the broadcaster does --------------------------------------------------------------------------------

    def send(self, entry: Entry) -> None:
        """Hand over one pattern that the filter asks for; the caller asked it."""
        self._note(entry.number)
        self.connection.write(entry.frame)

    def tell_missed(self, count: int) -> None:
        self._miss(count)

    def end(self, code: Code, reason: str) -> None:
        """Tell why, and close."""
        if self.connection.is_open:
            self._broadcaster.metrics.dropped.labels(code.name.lower()).inc()
            if code is not Code.GOING_AWAY:
                self.connection.write(frame(Error(int(code), reason)))
            self.connection.close(code, reason)

    def settle(self) -> None:
        """While nothing waits for an acknowledgement, the place moves along with what was not asked for."""
        subscription = self.subscription
        if subscription is None:
            return
        caught_up = self.live and self.acknowledged >= self.sent
        place = self._broadcaster.stream.head if caught_up else self.acknowledged
        if place > subscription.place:
            self._broadcaster.places.acknowledge(subscription, place)

    # ---- frames ---------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        try:
            while self._inbox and self.connection.is_open:
                await self._handle(self._inbox.popleft())
        finally:
            self._working = False

    async def _handle(self, request: Auth | Subscribe | Ack) -> None:
        if isinstance(request, Auth):
            await self._authenticate(request)
        elif self.identity is None and not self._broadcaster.takes_anybody(self):
            self.end(Code.NOT_AUTHORISED, NOT_AUTHORISED)
        elif isinstance(request, Subscribe):
            await self._subscribe(request)
        else:
            self._take_ack(request)

    async def _authenticate(self, request: Auth) -> None:
        if self.identity is not None:
            self._malformed("authenticated already")
            return
        try:
            await self._broadcaster.admit(self, request.token)
        except NotAuthorised:
            self.end(Code.NOT_AUTHORISED, NOT_AUTHORISED)
        except NotAllowed:
            self.end(Code.NOT_ALLOWED, NOT_ALLOWED)
        except TooMany as error:
            self.end(Code.TOO_MANY if error.of_user else Code.TRY_LATER, str(error))
        except AWAY:
            self.end(Code.TRY_LATER, "not now")

    async def _subscribe(self, request: Subscribe) -> None:
        first = self.subscription is None
        subscription = self.subscription or await self._join(request)
        if subscription is None:
            return
        if request.device not in (UNSET, subscription.device):
            self._malformed("a connection keeps its device")
            return
        wish = wanted(request)
        if wish is not None:
            subscription.filters.change(wish, self._broadcaster.stream.head + 1)
        await self._insist(lambda: self._broadcaster.places.save(subscription))
        current = subscription.filters.current
        self._write(
            Subscribed(
                device=subscription.device,
                symbols="*" if current.symbols is None else sorted(current.symbols),
                kinds="*" if current.kinds is None else sorted(current.kinds),
                min_strength=current.min_strength,
                from_=subscription.filters.since,
                acknowledged=subscription.place,
            )
        )
        if first:
            self._broadcaster.spawn(self, self._catch_up(subscription))

    async def _join(self, request: Subscribe) -> Subscription | None:
        assert self.identity is not None  # noqa: S101  # _handle has seen to it
        user = self.identity.user
        device = DEFAULT_DEVICE if request.device is UNSET else request.device
        subscription = await self._insist(lambda: self._broadcaster.places.join(user, device))
        if subscription is not None and not self.connection.is_open:
            self._broadcaster.places.leave(subscription)
            return None
        if subscription is not None:
            self.subscription = subscription
            self.sent = self.acknowledged = self._cursor = subscription.place
        return subscription

    def _take_ack(self, request: Ack) -> None:
        if self.subscription is None or request.number > self._broadcaster.stream.head:
            self._malformed("acknowledged what was never sent")
            return
        if self.acknowledged < request.number <= self.sent:
            self._credit += 1
        self.acknowledged = max(self.acknowledged, request.number)
        self._broadcaster.places.acknowledge(self.subscription, request.number, self._tell_acknowledged)

    def _tell_acknowledged(self, place: int) -> None:
        self._write(Acknowledged(place))

    # ---- the past -------------------------------------------------------------------------------------------------

    async def _catch_up(self, subscription: Subscription) -> None:
        """Hand over everything up to the head, then be live; nothing comes between the last look and that."""
        stream = self._broadcaster.stream
        while self.connection.is_open:
            self._cursor = max(self._cursor, subscription.place)
            page = stream.recent(self._cursor)
            if page is None:
                after = self._cursor
                page = await self._insist(lambda: stream.older(after))  # noqa: B023  # awaited within the round
                if page is None:
                    return
                if not page:
                    self._miss(stream.head - self._cursor)
                    self._cursor = stream.head
            elif not page:
                self.live = True
                self._broadcaster.fanout.join(self)
                return
            await self._hand_over(page, subscription)

    async def _hand_over(self, page: list[Entry], subscription: Subscription) -> None:
        frames: list[bytes] = []
        await self._broadcaster.past.turn()
        filters = self._broadcaster.past.filters(subscription)
        for entry in page:
            if entry.number > self._cursor + 1:
                self._flush(frames)
                self._miss(entry.number - self._cursor - 1)
            self._cursor = max(self._cursor, entry.number)
            if entry.pattern is not None and filters.at(entry.number).wants(entry.pattern):
                self._note(entry.number)
                frames.append(entry.frame)
            if len(frames) >= _CHUNK:
                self._flush(frames)
                await self._drained()
        self._flush(frames)
        await self._drained()

    def _flush(self, frames: list[bytes]) -> None:
        if frames and self.connection.is_open:
            self.connection.write(b"".join(self._broadcaster.past.frames(frames)))
            self._broadcaster.metrics.replayed.inc(len(frames))
        frames.clear()

    async def _drained(self) -> None:
        try:
            async with asyncio.timeout(2 * self._broadcaster.heartbeat_s):
                await self.connection.drained()
        except TimeoutError:
            self.end(Code.TRY_LATER, UNREAD)

    def _miss(self, count: int) -> None:
        if count > 0:
            self._write(Missed(count))

    # ---- small things ---------------------------------------------------------------------------------------------

    def _note(self, number: int) -> None:
        if self.acknowledged >= self.sent:
            self.acknowledged = number - 1  # everything before was acknowledged or not asked for
        self.sent = number

    def _write(self, message: object) -> None:
        if self.connection.is_open:
            self.connection.write(frame(message))

    def _malformed(self, reason: str) -> None:
        self._broadcaster.malformed(reason)
        self.end(Code.MALFORMED, reason)

    async def _insist(self, attempt: Callable[[], Awaitable[T]]) -> T | None:
        """What `attempt` gives as soon as Redis is there; None when the client is gone before."""
        for wait_s in delays():
            await asyncio.sleep(wait_s)
            if not self.connection.is_open:
                return None
            try:
                return await attempt()
            except AWAY:
                continue
        raise AssertionError("the delays never end")
