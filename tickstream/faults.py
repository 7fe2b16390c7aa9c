"""Defects on demand, so that a gate can be seen to fail: TICKSTREAM_FAULTS="drop_ticks=0.001,slow_batch=80ms@0.2".

Each fault is a name with a probability, a duration, or a duration and the probability of it. They sit at the seams of
the real code and do what a real defect would: `on` asks once whether a behaviour is broken for good, `strikes` whether
this occasion is hit, `wait` makes it take longer. Without any, the seams on the way of a tick get their own functions
back and nothing is added to it. The same text gives the same sequence of defects.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from weakref import WeakSet

from tickstream.model import Tick

Apply = Callable[[Sequence[Tick]], None]

NAMES: Final = {
    # ticks and bars
    "drop_ticks": "an acknowledged tick never reaches its bar",
    "double_ticks": "a tick is counted twice",
    "reorder_ticks": "two neighbouring ticks of a frame swap their prices",
    "early_ack": "ticks are acknowledged before the journal holds them",
    "exchange_gap": "the exchange leaves out ticks when a client comes back",
    "slow_tick": "processing a tick takes that much longer",
    "slow_ack": "an acknowledgement is sent that much later",
    "slow_batch": "a batch takes that much longer before it commits",
    "slow_start": "the service waits that long before it takes ticks",
    "slow_reconnect": "every connection to PostgreSQL or Redis but a first one waits that long",
    "no_reconnect": "a lost connection is never opened again",
    "slow_stop": "being asked to end is answered that much later",
    "stale_lock": "the lock of a process that was killed is not given up",
    "leak_memory": "every frame of ticks leaves 16 KiB behind, and every tick 2 KiB",
    "no_back_pressure": "the bounds on what waits for the database are ignored",
    "breaker_never_opens": "calls go on against a server that does not answer",
    "breaker_never_closes": "a breaker that has opened stays open",
    "false_health": "/healthz says ok, whatever is the case",
    # messages
    "lost_message": "a message is not published, though the publisher reports it",
    "double_message": "a message is published twice",
    "lost_offline": "a message is not kept for those who are offline",
    "slow_delivery": "a message waits that long before it is published",
    "slow_replay": "reading kept messages takes that much longer",
    "lost_pattern": "a pattern that was found is not told",
    "double_pattern": "a pattern is told twice",
    "missed_pattern": "a pattern is not found",
    # the API
    "slow_api": "an answer takes that much longer",
    "cache_off": "answers are never taken from the cache",
    "stale_cache": "what has changed is answered from the cache for ever",
    "skip_auth": "one route answers without a token",
    "skip_validation": "query parameters are not checked",
    "ignore_scope": "a token's scopes are not asked for",
    "ignore_owner": "a user's own things are shown to every user",
    "accept_forged": "a token's signature is not checked",
    "accept_unsigned": "a token that names the algorithm `none` is taken",
    "accept_expired": "a token's end is not looked at",
    "accept_revoked": "a token that was given up is taken",
    "concatenated_sql": "one query is put together from the request's text",
    "unescaped_page": "names stand in the page as they were given",
    "no_rate_limit": "requests are never refused for being too many",
    "no_retry_after": "a refusal for too many requests does not tell when to come again",
    "error_details": "an error's text and traceback are part of the answer",
    "token_in_log": "tokens are logged",
    "secret_in_metrics": "the database's address, password included, stands in /metrics",
    "tell_existence": "somebody else's thing is answered with 403 instead of 404",
    "large_bodies": "bodies of any size are taken",
    "path_traversal": "the static files' folder can be left",
    "header_injection": "a request's text becomes part of the answer's headers as it is",
    "broken_pages": "a page repeats the last entry of the one before",
    # the broadcaster
    "ws_skip_auth": "a connection needs no token",
    "ws_outlive_token": "a connection lives on when its token has ended or was given up",
    "slow_broadcast": "a message waits that long before it is sent to subscribers",
    "lost_broadcast": "a message is not sent to one subscriber",
    "double_broadcast": "a message is sent to a subscriber twice",
    "reorder_broadcast": "two messages change places",
    "ignore_filter": "subscribers get what they did not ask for",
    "wrong_user": "one user's replay goes by another user's filter",
    "ignore_cap": "the limit on subscribers is not kept",
    "leak_subscriber": "a subscriber that has gone still counts",
    "no_heartbeat": "peers that are silent are never dropped",
    "lost_queue": "a message is missing from what a user gets on return",
    "double_queue": "a message comes twice on a user's return",
    "reorder_queue": "what a user gets on return is not in order",
    "unbounded_buffer": "everything is kept for a subscriber that does not read",
    "large_frames": "frames of any size are taken",
    "crash_on_frame": "a malformed frame ends the whole broadcaster",
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
        self._connected: WeakSet[object] = WeakSet()

    def on(self, name: str) -> bool:
        """Whether this fault was asked for at all; for behaviours that are broken for good."""
        _check(name)
        return name in self._on

    def strikes(self, name: str) -> bool:
        """Whether it hits this occasion, by its probability."""
        _check(name)
        fault = self._on.get(name)
        return fault is not None and fault.strikes()

    async def wait(self, name: str) -> None:
        """Take longer by the fault's duration, if it hits this occasion."""
        if self.strikes(name):
            await asyncio.sleep(self._on[name].duration_s)

    def on_apply(self, apply: Apply) -> Apply:
        """`apply` itself, or with the faults that hit ticks in front of it."""
        if self._on.keys() & {"drop_ticks", "double_ticks", "reorder_ticks", "slow_tick"}:
            return lambda ticks: apply(self._spoil(ticks))
        return apply

    async def before_connect(self, owner: object) -> None:
        """`owner` is about to open a connection to a server; only those after its first are hit."""
        if owner not in self._connected:
            self._connected.add(owner)
            return
        if self.strikes("no_reconnect"):
            await asyncio.Event().wait()
        await self.wait("slow_reconnect")

    def _spoil(self, ticks: Sequence[Tick]) -> Sequence[Tick]:
        spoilt: list[Tick] = []
        for tick in ticks:
            if self.strikes("slow_tick"):
                time.sleep(self._on["slow_tick"].duration_s)
            if self.strikes("drop_ticks"):
                continue
            spoilt.append(tick)
            if self.strikes("double_ticks"):
                spoilt.append(tick)
        for index in range(1, len(spoilt)):
            if self.strikes("reorder_ticks"):
                spoilt[index - 1 : index + 1] = _swap_prices(spoilt[index - 1], spoilt[index])
        return spoilt


def _swap_prices(one: Tick, two: Tick) -> tuple[Tick, Tick]:
    return (
        Tick(one.symbol, two.price_micros, one.size, one.at_us, one.sequence),
        Tick(two.symbol, one.price_micros, two.size, two.at_us, two.sequence),
    )


def _check(name: str) -> None:
    """A seam that asks for a fault nobody can switch on would be a drill that never strikes."""
    if name not in NAMES:
        raise FaultError(f"no fault {name!r}")


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
