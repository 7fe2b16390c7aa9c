"""The defects of sending, for drills: patterns lost, doubled, out of order, unasked for, live and from the past.

Nothing here is reached without such a fault; the broadcaster then takes the classes that these stand in for.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from tickstream.broadcast.fanout import Fanout
from tickstream.broadcast.filters import Filters
from tickstream.broadcast.metrics import Metrics
from tickstream.broadcast.past import Past
from tickstream.broadcast.places import Subscription
from tickstream.broadcast.stream import Entry
from tickstream.faults import Faults

if TYPE_CHECKING:
    from tickstream.broadcast.session import Session

_LIVE: Final = ("lost_broadcast", "double_broadcast", "reorder_broadcast", "ignore_filter")
_PAST: Final = ("lost_queue", "double_queue", "reorder_queue", "wrong_user", "slow_replay")


def fanout(metrics: Metrics, faults: Faults) -> Fanout:
    return SpoiltFanout(metrics, faults) if any(faults.on(name) for name in _LIVE) else Fanout(metrics)


def past(subscriptions: dict[tuple[str, str], Subscription], faults: Faults) -> Past:
    return SpoiltPast(subscriptions, faults) if any(faults.on(name) for name in _PAST) else Past()


class SpoiltFanout(Fanout):
    def __init__(self, metrics: Metrics, faults: Faults) -> None:
        super().__init__(metrics)
        self._faults = faults
        self._held: Entry | None = None

    def send(self, entry: Entry) -> None:
        if self._held is None and self._faults.strikes("reorder_broadcast"):
            self._held = entry
            return
        super().send(entry)
        held, self._held = self._held, None
        if held is not None:
            super().send(held)

    def _give(self, session: "Session", entry: Entry) -> None:
        if not self._faults.strikes("lost_broadcast"):
            super()._give(session, entry)
        if self._faults.strikes("double_broadcast"):
            super()._give(session, entry)

    def _wanted(self, session: "Session", entry: Entry) -> bool:
        return super()._wanted(session, entry) or self._faults.strikes("ignore_filter")


class SpoiltPast(Past):
    def __init__(self, subscriptions: dict[tuple[str, str], Subscription], faults: Faults) -> None:
        self._subscriptions = subscriptions
        self._faults = faults

    def filters(self, subscription: Subscription) -> Filters:
        if self._faults.strikes("wrong_user"):
            for other in self._subscriptions.values():
                if other.user != subscription.user:
                    return other.filters
        return super().filters(subscription)

    async def turn(self) -> None:
        await self._faults.wait("slow_replay")

    def frames(self, frames: Iterable[bytes]) -> list[bytes]:
        spoilt: list[bytes] = []
        for frame in frames:
            if not self._faults.strikes("lost_queue"):
                spoilt.append(frame)
            if self._faults.strikes("double_queue"):
                spoilt.append(frame)
        for index in range(1, len(spoilt)):
            if self._faults.strikes("reorder_queue"):
                spoilt[index - 1 : index + 1] = spoilt[index], spoilt[index - 1]
        return spoilt
