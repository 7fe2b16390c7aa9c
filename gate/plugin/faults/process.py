"""A process of the system under test, to be killed, stopped and resumed by a test.

The process is held by a handle of the system (a pidfd), which no other process ever gets: a number that was given away
again is never hit. Needs Linux.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

_REACHED_S: Final = 10.0
_LOOK_S: Final = 0.001


class Process:
    """Made by `Faults.process`. Every call raises ProcessLookupError when the process has ended."""

    def __init__(self, pid: int) -> None:
        own = psutil.Process()
        if pid == own.pid or any(pid == above.pid for above in own.parents()):
            raise ValueError(f"process {pid} is this test's own, or one that it stands on")
        self.pid = pid
        self._stopped = False
        try:
            found = psutil.Process(pid)
            self._handle = os.pidfd_open(pid)
        except (psutil.NoSuchProcess, ProcessLookupError, OverflowError, ValueError):
            raise ProcessLookupError(f"there is no process {pid}") from None
        # The handle was opened after the look: if the number changed hands in between, the look is of another.
        if not found.is_running() or self._has_ended(0):
            self.close()
            raise ProcessLookupError(f"process {pid} has ended")

    def __repr__(self) -> str:
        return f"<Process {self.pid}>"

    def kill(self) -> None:
        """End it without any warning. Returns when it is gone; whoever started it still has to collect it."""
        self._send(signal.SIGKILL)
        self._stopped = False
        if not self._has_ended(_REACHED_S):
            raise TimeoutError(f"process {self.pid} was killed and is still there after {_REACHED_S} s")

    def terminate(self, timeout_s: float = 5.0) -> float:
        """Ask for its end; the seconds it took. TimeoutError when it has not ended by then."""
        asked = time.perf_counter()
        self._send(signal.SIGTERM)
        if not self._has_ended(timeout_s):
            raise TimeoutError(f"process {self.pid} was asked to end and is still there after {timeout_s} s")
        return time.perf_counter() - asked

    def stop(self) -> None:
        """Let it stand still, with all its threads. Returns when it does; at the end of the test it goes on."""
        self._stopped = True
        self._send(signal.SIGSTOP)
        self._reach("stopped", lambda states: bool(states) and states <= {"T", "t"})

    def resume(self) -> None:
        """Let it go on. Returns when it does."""
        self._send(signal.SIGCONT)
        self._stopped = False
        self._reach("resumed", lambda states: "T" not in states)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still within the block, and goes on after it in any case, unless it was killed there."""
        self.stop()
        try:
            yield
        finally:
            with suppress(ProcessLookupError):
                self.resume()

    def close(self) -> None:
        """Resume it, if it was stopped here, and let go of it."""
        if self._handle < 0:
            return
        if self._stopped:
            with suppress(ProcessLookupError):
                self._send(signal.SIGCONT)
        os.close(self._handle)
        self._handle = -1

    def _send(self, number: signal.Signals) -> None:
        if self._has_ended(0):
            raise ProcessLookupError(f"process {self.pid} has ended; {number.name} was not sent")
        signal.pidfd_send_signal(self._handle, number)

    def _has_ended(self, within_s: float) -> bool:
        # Readable as soon as it has ended, collected or not; nobody's exit status is taken.
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        return bool(poll.poll(within_s * 1000))

    def _reach(self, what: str, reached: Callable[[set[str]], bool]) -> None:
        end = time.perf_counter() + _REACHED_S
        while not reached(self._states()):
            if self._has_ended(0):
                raise ProcessLookupError(f"process {self.pid} has ended; it could not be {what}")
            if time.perf_counter() > end:
                raise TimeoutError(f"process {self.pid} is not {what} after {_REACHED_S} s")
            time.sleep(_LOOK_S)

    def _states(self) -> set[str]:
        # Of all threads: the first may stand still while another still runs.
        states = set()
        for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            with suppress(OSError):  # this thread has ended meanwhile
                states.add(stat.read_text().rpartition(")")[2].split()[0])
        return states
