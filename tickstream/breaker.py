"""A circuit breaker: after failures in a row calls are let off for a moment, then one of them tries.

Closed, every call goes out. After `failures` failures in a row it opens and no call does. When `pause_s` is over it is
half open: one call, the probe, goes out; its success closes the breaker and its failure opens it anew. The pause is far
below a second, so that a server that is back is used again within one. A probe that never says how it went, since its
task was cancelled, is given up after `probe_s`, and another may go.

    if not breaker.allow():
        ...                      # answer without the server, or wait for `wait_s`
    try:
        result = await call()
    except ServerErrors:
        breaker.failed()
        raise
    breaker.succeeded()

Pure: the clock is an argument. One thread or event loop; no task switch happens inside.
"""

import time
from collections.abc import Callable
from enum import StrEnum

from tickstream.faults import Faults


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """The breaker before one server. `opened` counts how often it has opened."""

    def __init__(
        self,
        *,
        failures: int = 5,
        pause_s: float = 0.3,
        probe_s: float = 3.0,
        clock: Callable[[], float] = time.monotonic,
        faults: Faults | None = None,
    ) -> None:
        faults = faults or Faults()
        self._failures = failures
        self._pause_s = pause_s
        self._probe_s = probe_s
        self._clock = clock
        self._never_opens = faults.on("breaker_never_opens")
        self._never_closes = faults.on("breaker_never_closes")
        self._in_a_row = 0
        self._state = BreakerState.CLOSED
        self._until = 0.0  # open: when the pause is over; half open: when the probe is given up
        self.opened = 0

    @property
    def state(self) -> BreakerState:
        """Half open from when a probe goes out until it has told how it went."""
        return self._state

    @property
    def wait_s(self) -> float:
        """How long from now `allow` says no at the most, unless something is told meanwhile. 0 when it says yes."""
        return 0.0 if self._state is BreakerState.CLOSED else max(0.0, self._until - self._clock())

    def allow(self) -> bool:
        """Whether a call may go out now. Whoever is told yes says afterwards how it went."""
        if self._state is BreakerState.CLOSED:
            return True
        now = self._clock()
        if now < self._until or self._never_closes:
            return False
        self._state = BreakerState.HALF_OPEN
        self._until = now + self._probe_s
        return True

    def succeeded(self) -> None:
        """A call was answered. While open this is the late answer of a call from before, and changes nothing."""
        self._in_a_row = 0
        if self._state is BreakerState.HALF_OPEN:
            self._state = BreakerState.CLOSED

    def failed(self) -> None:
        """A call was not answered. While open this is a late failure, and the pause does not begin anew."""
        self._in_a_row += 1
        probed = self._state is BreakerState.HALF_OPEN
        tired = self._state is BreakerState.CLOSED and self._in_a_row >= self._failures
        if (probed or tired) and not self._never_opens:
            self._state = BreakerState.OPEN
            self._until = self._clock() + self._pause_s
            self.opened += 1
