"""Defects on demand, so that a gate can be seen to fail: TICKSTREAM_FAULTS="drop_ticks=0.001,slow_batch=80ms@0.2".

Each fault is a name with a probability, a duration, or a duration and the probability of it. They sit at the seams of
the real code and do what a real defect would. Without any, the seams get their own functions back and nothing is added
to the path of a tick. The same text gives the same sequence of defects.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tickstream.model import Tick

Apply = Callable[[Sequence[Tick]], None]

NAMES: Final = {
    "drop_ticks": "an acknowledged tick never reaches its bar",
    "double_ticks": "a tick is counted twice",
    "reorder_ticks": "two neighbouring ticks of a frame swap their prices",
    "slow_tick": "processing a tick takes that much longer",
    "slow_batch": "a batch takes that much longer before it commits",
    "slow_reconnect": "every connection to PostgreSQL or Redis after the first waits that long",
    "no_reconnect": "a lost connection is never opened again",
    "lost_message": "a message is not published, though the publisher reports it",
    "lost_offline": "a message is not kept for those who are offline",
    "slow_delivery": "a message waits that long before it is published",
}
_TEXT: Final = re.compile(r"(?P<name>[a-z_]+)(=((?P<ms>\d+(\.\d+)?)ms)?(?P<at>@)?(?P<p>\d+(\.\d+)?)?)?")
_SEED: Final = 20_240_229


class FaultError(ValueError):
    """The text of TICKSTREAM_FAULTS names no such fault, or gives it a value that it cannot have."""


class Fault:
    """One defect: how often, and for the slow ones how long."""

    def __init__(self, probability: float, duration_s: float) -> None:
        self.probability = probability
        self.duration_s = duration_s
        self._random = random.Random(_SEED)  # noqa: S311  # repeatable, no secret

    def strikes(self) -> bool:
        return self._random.random() < self.probability


class Faults:
    """The faults that are on. Raises FaultError for a text that does not parse."""

    def __init__(self, text: str = "") -> None:
        self._on: Mapping[str, Fault] = dict(_parse(part.strip()) for part in text.split(",") if part.strip())
        self._connected = False

    def on_apply(self, apply: Apply) -> Apply:
        """`apply` itself, or with the faults that hit ticks in front of it."""
        if self._on.keys() & {"drop_ticks", "double_ticks", "reorder_ticks", "slow_tick"}:
            return lambda ticks: apply(self._spoil(ticks))
        return apply

    async def before_commit(self) -> None:
        await self._wait("slow_batch")

    async def before_connect(self) -> None:
        first, self._connected = not self._connected, True
        if not first and self._strikes("no_reconnect"):
            await asyncio.Event().wait()
        if not first:
            await self._wait("slow_reconnect")

    async def before_publish(self) -> None:
        await self._wait("slow_delivery")

    def loses_message(self) -> bool:
        return self._strikes("lost_message")

    def loses_offline(self) -> bool:
        return self._strikes("lost_offline")

    def _strikes(self, name: str) -> bool:
        fault = self._on.get(name)
        return fault is not None and fault.strikes()

    async def _wait(self, name: str) -> None:
        fault = self._on.get(name)
        if fault is not None and fault.strikes():
            await asyncio.sleep(fault.duration_s)

    def _spoil(self, ticks: Sequence[Tick]) -> Sequence[Tick]:
        spoilt: list[Tick] = []
        for tick in ticks:
            if self._strikes("slow_tick"):
                time.sleep(self._on["slow_tick"].duration_s)
            if self._strikes("drop_ticks"):
                continue
            spoilt.append(tick)
            if self._strikes("double_ticks"):
                spoilt.append(tick)
        for index in range(1, len(spoilt)):
            if self._strikes("reorder_ticks"):
                spoilt[index - 1 : index + 1] = _swap_prices(spoilt[index - 1], spoilt[index])
        return spoilt


def _swap_prices(one: Tick, two: Tick) -> tuple[Tick, Tick]:
    return (
        Tick(one.symbol, two.price_micros, one.size, one.at_us, one.sequence),
        Tick(two.symbol, one.price_micros, two.size, two.at_us, two.sequence),
    )


def _parse(text: str) -> tuple[str, Fault]:
    match = _TEXT.fullmatch(text)
    if match is None or match["name"] not in NAMES:
        raise FaultError(f"no fault {text!r}; allowed: {', '.join(NAMES)}, each with =0.01, =80ms or =80ms@0.01")
    slow = match["name"].startswith("slow_")
    probability = float(match["p"]) if match["p"] else 1.0
    misplaced = bool(match["ms"]) != slow or bool(match["at"]) != bool(match["ms"] and match["p"])
    if misplaced or not 0.0 <= probability <= 1.0:
        wanted = "a duration like =80ms or =80ms@0.01" if slow else "a probability like =0.01"
        raise FaultError(f"fault {text!r}: {match['name']} takes {wanted}")
    return match["name"], Fault(probability, float(match["ms"] or 0) / 1000)
