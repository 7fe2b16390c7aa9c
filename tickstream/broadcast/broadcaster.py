"""The broadcaster as a whole: connections in, patterns out, and everything that lasts longer than one client.

The stream tells of every pattern once and in order; whoever is live is given it at once, everybody else when they have
come so far. Sessions know their broadcaster; it knows them by the roster and the fan-out.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Final

from websockets.http11 import Request

from tickstream import log
from tickstream.broadcast import spoilt
from tickstream.broadcast.commands import AWAY, Commands
from tickstream.broadcast.connection import Connection
from tickstream.broadcast.gate import Gate, NotAllowed, NotAuthorised
from tickstream.broadcast.metrics import Metrics
from tickstream.broadcast.places import Places
from tickstream.broadcast.protocol import MAX_FRAME_BYTES, Code
from tickstream.broadcast.roster import Roster, TooMany, look_every_s
from tickstream.broadcast.session import NOT_ALLOWED, NOT_AUTHORISED, Session
from tickstream.broadcast.stream import Entry, PatternStream
from tickstream.faults import Faults
from tickstream.messaging.messages import Names
from tickstream.observation import Observation
from tickstream.settings import Settings
from tickstream.tokens import Identity

_GOODBYE_S: Final = 0.5
_SOON: Final = {"Retry-After": "1"}


class Broadcaster:
    """`work` until cancelled; `connect` for every connection; `stop` to say goodbye to all."""

    def __init__(self, settings: Settings, faults: Faults, observation: Observation) -> None:
        url, names = settings.redis_url or "", Names(settings.prefix)
        self._faults = faults
        self._observation = observation
        self._client_bytes = None if faults.on("unbounded_buffer") else settings.client_bytes
        self._max_frame_bytes = None if faults.on("large_frames") else MAX_FRAME_BYTES
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: asyncio.Future[None] | None = None
        self.heartbeat_s = settings.heartbeat_s
        self.metrics = Metrics(observation.registry)
        self.commands = Commands(url, faults)
        self.stream = PatternStream(url, names, self.commands, faults)
        self.places = Places(self.commands, self.stream, names.prefix, per_user=settings.max_per_user)
        self.fanout = spoilt.fanout(self.metrics, faults)
        self.past = spoilt.past(self.places.open, faults)
        self.roster = Roster(
            max_subscribers=settings.max_subscribers,
            max_per_user=settings.max_per_user,
            heartbeat_s=settings.heartbeat_s,
            faults=faults,
        )
        self._gate = Gate(settings, names, self.commands, faults)
        self.metrics.watch(lambda: self.roster.subscribers, self._buffered)

    # ---- connections ----------------------------------------------------------------------------------------------

    def connect(self) -> asyncio.Protocol:
        """The protocol for one more TCP connection."""
        if self.roster.is_crowded:
            return _Refusal()
        session = Session(self)
        session.connection = Connection(session, max_frame_bytes=self._max_frame_bytes, client_bytes=self._client_bytes)
        self.roster.connected.add(session)
        return session.connection

    def asked(self, session: Session, request: Request) -> None:
        """Answer the HTTP request with which a connection begins."""
        connection, path = session.connection, request.path.partition("?")[0]
        answer = self._observation.answer(path)
        tokens = request.headers.get_all("Authorization")
        if answer is not None:
            connection.respond(answer.status, answer.body.decode(), {"Content-Type": answer.content_type})
        elif path != "/ws":
            connection.respond(404, "there is /ws (WebSocket), /healthz and /metrics\n")
        elif self.roster.is_full:
            connection.respond(503, "no room for more subscribers\n", _SOON)
        elif not self.stream.known:
            connection.respond(503, "not now\n", _SOON)
        elif not tokens:
            connection.accept(request)
        else:
            self.spawn(session, self._shake_hands(session, request, tokens))

    def left(self, session: Session) -> None:
        self.fanout.leave(session)
        self.roster.leave(session)

    async def admit(self, session: Session, token: str) -> None:
        """Take the token of `session`. Raises NotAuthorised, NotAllowed, TooMany or one of AWAY."""
        identity = await self._gate.admit(token)
        self._enter(session, identity)

    def takes_anybody(self, session: Session) -> bool:
        if not self._faults.on("ws_skip_auth"):
            return False
        self._enter(session, Identity(user="anybody", scopes=frozenset(), token_id="", expires_at=float("inf")))
        return True

    def malformed(self, reason: str) -> None:
        log.info("frame_refused", reason=reason.partition("`")[0])  # behind it stands what the client has sent
        if self._faults.on("crash_on_frame") and self._failed is not None and not self._failed.done():
            self._failed.set_exception(ValueError(reason))

    # ---- what the stream tells ------------------------------------------------------------------------------------

    def entry(self, entry: Entry) -> None:
        self.fanout.send(entry)

    def missed(self, count: int) -> None:
        self.fanout.tell_missed(count)

    def began_anew(self) -> None:
        """Numbers begin again with 1, and so do the places of all who come back."""
        for session in tuple(self.roster.connected):
            session.end(Code.STREAM_ANEW, "the stream has begun anew")
        self.places.begin_anew()

    # ---- the whole ------------------------------------------------------------------------------------------------

    async def work(self) -> None:
        """Until cancelled, or until something breaks that must not."""
        self._failed = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.commands.run())
            group.create_task(self.stream.run(self))
            group.create_task(self.places.run())
            group.create_task(self._gate.watch(self.roster.tokens, self._end_token))
            group.create_task(self._look())
            await self._failed

    async def stop(self) -> None:
        """Say goodbye (1001), and keep what was acknowledged."""
        sessions = tuple(self.roster.connected)
        for session in sessions:
            session.end(Code.GOING_AWAY, "the service stops")
        await self.places.flush()
        closed = [asyncio.create_task(session.connection.closed.wait()) for session in sessions]
        if closed:
            await asyncio.wait(closed, timeout=_GOODBYE_S)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await self.stream.close()
        await self.commands.close()

    def spawn(self, session: Session, work: Coroutine[None, None, None]) -> None:
        """Run `work` for `session`; what breaks in it ends the session and is told."""
        task = asyncio.create_task(work)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("session_broken", reason=f"{type(error).__name__}: {error}")
                session.end(Code.BROKEN, "something broke here")

        task.add_done_callback(done)

    # ---- inside ---------------------------------------------------------------------------------------------------

    async def _shake_hands(self, session: Session, request: Request, tokens: list[str]) -> None:
        connection = session.connection
        try:
            await self.admit(session, _bearer(tokens))
        except NotAuthorised as error:
            log.info("refused", status=401, reason=str(error))
            connection.respond(401, NOT_AUTHORISED + "\n", {"WWW-Authenticate": "Bearer"})
        except NotAllowed as error:
            log.info("refused", status=403, reason=str(error))
            connection.respond(403, NOT_ALLOWED + "\n")
        except TooMany as error:
            connection.respond(409 if error.of_user else 503, f"{error}\n", _SOON)
        except AWAY:
            connection.respond(503, "not now\n", _SOON)
        else:
            connection.accept(request)

    def _enter(self, session: Session, identity: Identity) -> None:
        if session not in self.roster.connected:
            return  # gone while its token was looked at
        self.roster.enter(identity.user)
        session.identity = identity

    def _end_token(self, token_id: str) -> None:
        for session in self.roster.with_token(token_id):
            session.end(Code.NOT_AUTHORISED, "the token was given up")

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(look_every_s(self.heartbeat_s))
            self.roster.look(loop.time(), time.time())

    def _buffered(self) -> int:
        return sum(session.connection.outstanding for session in self.roster.connected)


def _bearer(headers: list[str]) -> str:
    scheme, _, token = headers[0].partition(" ")
    if len(headers) != 1 or scheme.lower() != "bearer":
        raise NotAuthorised("not one bearer token")
    return token.strip()


class _Refusal(asyncio.Protocol):
    """For a connection too many: an answer, and the end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101  # a TCP connection's is
        transport.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        transport.close()
