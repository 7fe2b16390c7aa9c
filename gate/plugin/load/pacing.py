"""An alarm in an event loop, as exact as the system allows.

The loop's own timers are rounded up to whole milliseconds. On Linux a timerfd wakes the loop as any socket does, some
ten microseconds after the moment; the standard library knows it only from Python 3.13 on, so it is called by ctypes.
"""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Final, Protocol

from gate.plugin import CLOCK

_ABSOLUTE: Final = 1
_EIGHT_BYTES: Final = 8


class Alarm(Protocol):
    """Calls what it was made with, once, when the moment of the latest `set` has come."""

    name: str

    def set(self, at_s: float) -> None:
        """`at_s` by the clock of the plugin; a moment that has passed comes at once."""

    def close(self) -> None: ...


def alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> Alarm:
    """The most exact alarm there is here."""
    # The timerfd has to go by the clock that everything is measured with.
    if sys.platform == "linux" and "CLOCK_MONOTONIC" in time.get_clock_info("perf_counter").implementation:
        try:
            return TimerFd(loop, ring)
        except (OSError, NotImplementedError):  # a sandbox without it, or a loop that watches no descriptors
            pass
    return LoopTimer(loop, ring)


class LoopTimer:
    """The loop's own."""

    name = "event loop, to a millisecond at best"

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop, self._ring = loop, ring
        (self._clock,) = CLOCK
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at_s: float) -> None:
        self.close()
        self._handle = self._loop.call_later(max(0.0, at_s - self._clock()), self._ring)

    def close(self) -> None:
        if self._handle is not None:
            self._handle.cancel()


class _Spec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class TimerFd:
    """Linux's; OSError where there is none."""

    name = "timerfd"

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop, self._ring = loop, ring
        libc = ctypes.CDLL(None, use_errno=True)
        self._settime = libc.timerfd_settime
        self._spec = _Spec()
        self._spec_at = ctypes.byref(self._spec)
        self._fd: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        try:
            loop.add_reader(self._fd, self._awake)
        except BaseException:
            os.close(self._fd)
            raise

    def set(self, at_s: float) -> None:
        # 0 would switch it off; the clock is past that.
        ns = max(1, int(at_s * 1e9))
        self._spec.value_s, self._spec.value_ns = divmod(ns, 1_000_000_000)
        if self._settime(self._fd, _ABSOLUTE, self._spec_at, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _awake(self) -> None:
        try:
            os.read(self._fd, _EIGHT_BYTES)
        except BlockingIOError:  # set anew between the waking and the reading
            return
        self._ring()
