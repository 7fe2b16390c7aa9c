"""Who is connected: how many in all and how many of each user, within the caps, and who has been silent too long.

Everything here counts at once: a connection that ends, or that is given up as dead, makes room in the same instant.
"""

from collections import Counter
from typing import TYPE_CHECKING, Final

from tickstream.broadcast.protocol import Code
from tickstream.faults import Faults

if TYPE_CHECKING:
    from tickstream.broadcast.session import Session

_AUTHENTICATION_S: Final = 5.0


class TooMany(Exception):
    """There is no room: for anybody, or for one more connection of this user."""

    def __init__(self, *, of_user: bool) -> None:
        super().__init__("too many connections of this user" if of_user else "no room for more subscribers")
        self.of_user = of_user


class Roster:
    def __init__(self, *, max_subscribers: int, max_per_user: int, heartbeat_s: float, faults: Faults) -> None:
        self._max_subscribers = max_subscribers
        self._max_per_user = max_per_user
        self._heartbeat_s = heartbeat_s
        self._faults = faults
        self._of_user: Counter[str] = Counter()
        self.connected: set[Session] = set()  # with those who have not shown a token yet
        self.subscribers = 0

    @property
    def is_full(self) -> bool:
        return self.subscribers >= self._max_subscribers and not self._faults.on("ignore_cap")

    @property
    def is_crowded(self) -> bool:
        """So many connections that another one is refused before it is looked at."""
        return len(self.connected) >= 2 * self._max_subscribers + 100 and not self._faults.on("ignore_cap")

    def enter(self, user: str) -> None:
        """Count one more of `user`. Raises TooMany."""
        if self.is_full:
            raise TooMany(of_user=False)
        if self._of_user[user] >= self._max_per_user and not self._faults.on("ignore_cap"):
            raise TooMany(of_user=True)
        self._of_user[user] += 1
        self.subscribers += 1

    def leave(self, session: "Session") -> None:
        self.connected.discard(session)
        if session.identity is None or self._faults.on("leak_subscriber"):
            return
        user = session.identity.user
        self._of_user[user] -= 1
        if not self._of_user[user]:
            del self._of_user[user]
        self.subscribers -= 1

    def tokens(self) -> set[str]:
        """The ids of the tokens with which somebody is connected."""
        return {session.identity.token_id for session in self.connected if session.identity}

    def with_token(self, token_id: str) -> list["Session"]:
        return [one for one in self.connected if one.identity and one.identity.token_id == token_id]

    def look(self, now: float, wall: float) -> None:
        """Ask the silent for a sign of life, and end those who gave none, showed no token, or whose token has ended.

        `now` is the event loop's time, `wall` the seconds since 1970.
        """
        for session in tuple(self.connected):
            connection = session.connection
            if not connection.is_open or session.identity is None:
                if now - connection.opened_at > min(_AUTHENTICATION_S, 2 * self._heartbeat_s):
                    self._late(session)
            elif wall >= session.identity.expires_at and not self._faults.on("ws_outlive_token"):
                session.end(Code.NOT_AUTHORISED, "the token has ended")
            elif self._faults.on("no_heartbeat"):
                continue
            elif now - connection.heard_at > 2 * self._heartbeat_s:
                session.end(Code.SILENT, "no sign of life")
            elif now - connection.pinged_at >= self._heartbeat_s:
                connection.ping()
                session.settle()

    def _late(self, session: "Session") -> None:
        if session.connection.is_open:
            session.end(Code.SILENT, "no token was shown")
        else:
            session.connection.abort()


def look_every_s(heartbeat_s: float) -> float:
    """How often to look: often enough that a peer is dropped soon after its time."""
    return min(0.5, max(0.01, heartbeat_s / 20))
