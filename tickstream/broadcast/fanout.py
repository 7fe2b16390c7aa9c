"""One pattern to everybody who asked for it: encoded once, written to each, with nothing in between.

Runs in one go, so that no subscriber can slip in between two others; whoever is live when an entry comes is asked once.
"""

import time
from typing import TYPE_CHECKING

from tickstream.broadcast.metrics import Metrics
from tickstream.broadcast.stream import Entry

if TYPE_CHECKING:
    from tickstream.broadcast.session import Session


class Fanout:
    def __init__(self, metrics: Metrics) -> None:
        self._live: dict[Session, None] = {}  # a set that keeps its order
        self._metrics = metrics

    def join(self, session: "Session") -> None:
        self._live[session] = None

    def leave(self, session: "Session") -> None:
        self._live.pop(session, None)

    def send(self, entry: Entry) -> None:
        if entry.pattern is None:
            return
        began = time.perf_counter()
        sent = 0
        for session in tuple(self._live):
            if self._wanted(session, entry):
                self._give(session, entry)
                sent += 1
        self._metrics.sent.inc(sent)
        self._metrics.fanout.observe(time.perf_counter() - began)

    def tell_missed(self, count: int) -> None:
        for session in tuple(self._live):
            session.tell_missed(count)

    def _wanted(self, session: "Session", entry: Entry) -> bool:
        subscription, pattern = session.subscription, entry.pattern
        return subscription is not None and pattern is not None and subscription.filters.current.wants(pattern)

    def _give(self, session: "Session", entry: Entry) -> None:
        session.send(entry)
