"""Runs suites: one warden and one child per invocation, and an outcome when nothing of it is left.

Owns the deadline of each suite and the words of each ending. In the artefact directory it writes `output.log` (standard
output and error together) and, when sampling is asked for, `resources.jsonl`; nothing else. Single-threaded: `start`
and `poll` never block on a child, `wait` blocks on all of them together. Reading the evidence is left to
`gate.evidence`, the order of suites to `scheduler.py`.
"""

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gate.execute.command import CACHE
from gate.execute.ward import Task, Ward
from gate.model import Ending, Invocation, Outcome

OUTPUT_LOG: Final = "output.log"
RESOURCES: Final = "resources.jsonl"
_BACKSTOP_S: Final = 30.0  # how much later than the gate the warden ends a suite by itself
_SILENCE_S: Final = 45.0  # all steps of an end, the grace for leaks and the last round of KILL together take less
_SWEEP_S: Final = 0.02


class WardenExecutor:
    """An Executor whose children each live under a warden of their own.

    `sample_interval_s` None samples no resources. `clock` is monotonic and `wall` gives epoch seconds.
    """

    def __init__(
        self,
        *,
        sample_interval_s: float | None = 0.5,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._sample_interval_s = sample_interval_s
        self._clock = clock
        self._wall = wall
        self._running: list[WardenChild] = []

    def start(self, invocation: Invocation) -> "WardenChild":
        """Start one suite. What cannot be started is told by the child's outcome, not by an exception."""
        child = WardenChild(invocation, self._task(invocation), clock=self._clock, started_at=self._wall())
        self._running.append(child)
        return child

    def wait(self, timeout_s: float) -> None:
        """Return as soon as something may have changed for some child, at the latest after `timeout_s` seconds."""
        self._running = [child for child in self._running if not child.over]
        limits = [child.due_in_s() for child in self._running]
        with selectors.DefaultSelector() as selector:
            for child in self._running:
                if child.ward.fileno() >= 0:
                    selector.register(child.ward, selectors.EVENT_READ)
            selector.select(max(0.0, min((timeout_s, *limits))))

    def _task(self, invocation: Invocation) -> Task:
        folder = Path(invocation.artefact_dir)
        return Task(
            commands=(invocation.argv,),
            cwd=invocation.cwd,
            env=invocation.env,
            output=str(folder / OUTPUT_LOG),
            deadline_s=invocation.timeout_s + _BACKSTOP_S,
            directories=(str(folder / CACHE),),
            sample_to=str(folder / RESOURCES) if self._sample_interval_s is not None else None,
            sample_every_s=self._sample_interval_s or 0.0,
        )


class WardenChild:
    """One running suite."""

    def __init__(self, invocation: Invocation, task: Task, *, clock: Callable[[], float], started_at: float) -> None:
        self._invocation = invocation
        self._clock = clock
        self._started_at = started_at
        self._began = clock()
        self._asked = ""  # why the end was asked for, where the gate's own clock was not the reason
        self._asked_at: float | None = None
        self._outcome: Outcome | None = None
        self._timed_out = False
        self.ward = Ward(task)

    @property
    def invocation(self) -> Invocation:
        return self._invocation

    @property
    def over(self) -> bool:
        return self._outcome is not None

    def poll(self) -> Outcome | None:
        """The outcome once the process and all its descendants are gone, else None. Never blocks."""
        if self._outcome is None:
            self.ward.hear()
            self._watch_the_clock()
            if self.ward.ended:
                self._outcome = self._conclude()
        return self._outcome

    def stop(self, reason: str) -> None:
        """Ask for the end: INT to the group, 5 s later TERM, 3 s later KILL to the whole tree."""
        self._ask("stop", reason)

    def kill(self, reason: str) -> None:
        """Ask for the end at once: KILL to the whole tree."""
        self._ask("kill", reason)

    def due_in_s(self) -> float:
        """Seconds until `poll` has something to do without having heard anything."""
        if self.ward.lost:
            return _SWEEP_S
        asked_at = self._asked_at
        due = self._began + self._invocation.timeout_s if asked_at is None else asked_at + _SILENCE_S
        return max(0.0, due - self._clock())

    def _ask(self, word: str, reason: str) -> None:
        self._asked = self._asked or reason
        if self._asked_at is None:
            self._asked_at = self._clock()
        self.ward.ask(word)

    def _watch_the_clock(self) -> None:
        now = self._clock()
        if self._asked_at is not None and now >= self._asked_at + _SILENCE_S:
            # A warden that is stopped or stuck: without it the kernel ends the child, and the gate sweeps up the rest.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.ward.warden_pid, signal.SIGKILL)
        if self._asked_at is None and self.ward.exit_code is None and now >= self._began + self._invocation.timeout_s:
            self._timed_out = True
            self._ask("stop", "")

    def _conclude(self) -> Outcome:
        ending, reason = self._ending()
        ward = self.ward
        if ward.stuck:
            reason = f"{reason}; could not be ended: {', '.join(ward.stuck)}".removeprefix("; ")
        return Outcome(
            suite=self._invocation.suite,
            ending=ending,
            exit_code=ward.exit_code,
            started_at=self._started_at,
            duration_s=ward.duration_s if ward.exit_code is not None else self._lasted_s(),
            nonce=self._invocation.nonce,
            reason=reason,
            leaks=ward.leaks + ward.stuck,
        )

    def _lasted_s(self) -> float:
        return max(0.0, self._clock() - self._began) if self.ward.pid is not None else 0.0

    def _ending(self) -> tuple[Ending, str]:
        ward, limit_s = self.ward, self._invocation.timeout_s
        if ward.pid is None:
            return Ending.NOT_STARTED, ward.failure or self._asked or "its warden did not start"
        if ward.cause == "deadline" or self._too_late():
            return Ending.TIMED_OUT, f"not done after its timeout of {limit_s:g} s"
        if ward.exit_code is None or ward.cause:
            return Ending.KILLED, self._asked or ward.failure or f"ended by its warden ({ward.cause})"
        return Ending.EXITED, _signal_text(ward.exit_code)

    def _too_late(self) -> bool:
        # By the child's own time too: it may end between the deadline and the first signal.
        return (self._timed_out and self.ward.cause != "") or self.ward.duration_s > self._invocation.timeout_s


def _signal_text(exit_code: int) -> str:
    if exit_code >= 0:
        return ""
    try:
        return f"ended by {signal.Signals(-exit_code).name}"
    except ValueError:
        return f"ended by signal {-exit_code}"
