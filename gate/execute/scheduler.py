"""Runs planned suites: which one beside which, in what order, and when to stop.

Suites start in the order of the plan. Shared ones run side by side as far as the slots reach (a suite with n workers
takes n), an exclusive one has the machine to itself. Nothing overtakes: the order is what the plan showed. One thread,
one loop; the clock and the executor are given. What an outcome is worth is left to the caller's callbacks.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gate.errors import GateError
from gate.model import Ending, Invocation, Isolation, Outcome, PlannedSuite
from gate.protocols import Child, Executor

TICK_S: Final = 0.1


class Cancellation:
    """A request for the end that signal callbacks may make: the first stops orderly, the second kills."""

    def __init__(self) -> None:
        self.reason = ""
        self.requests = 0

    def request(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.requests += 1


def _ignore(*_: object) -> None:
    """The callback of somebody who does not want to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """Where the scheduler tells what happens.

    `prepare` gives the invocation of a suite right before its start; a GateError or OSError from it means that the
    suite is not started, with the error as reason. `on_end` is called once per suite, in the order in which they end,
    and returns the outcome that counts (it may add what it knows, such as lost services). `on_tick` is called several
    times a second with the running suites. `failed` judges an outcome for fail-fast.
    """

    prepare: Callable[[PlannedSuite], Invocation]
    on_start: Callable[[PlannedSuite], None] = _ignore
    on_tick: Callable[[Sequence[PlannedSuite]], None] = _ignore
    on_end: Callable[[PlannedSuite, Outcome], Outcome] = lambda _, outcome: outcome
    failed: Callable[[Outcome], bool] = lambda outcome: outcome.exit_code != 0


def run_suites(  # noqa: PLR0913 - what to run, with what, under which rules
    steps: Sequence[PlannedSuite],
    executor: Executor,
    callbacks: Callbacks,
    *,
    jobs: int,
    fail_fast: bool = False,
    cancellation: Cancellation | None = None,
    wall: Callable[[], float] = time.time,
) -> tuple[Outcome, ...]:
    """Run every step and return the outcomes in the order of `steps`, one for each: also for those never started."""
    schedule = _Schedule(steps, executor, callbacks, jobs=jobs, fail_fast=fail_fast, wall=wall)
    return schedule.run(cancellation or Cancellation())


def weight(step: PlannedSuite, jobs: int) -> int:
    """How many of `jobs` slots a suite takes: one per worker, at least one; an exclusive one takes all."""
    return jobs if step.suite.isolation is Isolation.EXCLUSIVE else min(max(1, step.suite.workers), jobs)


class _Schedule:
    def __init__(
        self,
        steps: Sequence[PlannedSuite],
        executor: Executor,
        callbacks: Callbacks,
        *,
        jobs: int,
        fail_fast: bool,
        wall: Callable[[], float],
    ) -> None:
        self._steps = steps
        self._waiting = deque(steps)
        self._running: list[tuple[PlannedSuite, Child]] = []
        self._outcomes: dict[str, Outcome] = {}
        self._executor = executor
        self._callbacks = callbacks
        self._jobs = max(1, jobs)
        self._fail_fast = fail_fast
        self._wall = wall
        self._halted = ""  # why nothing is started any more
        self._requests_heeded = 0

    def run(self, cancellation: Cancellation) -> tuple[Outcome, ...]:
        while self._waiting or self._running:
            self._heed(cancellation)
            self._start_what_fits()
            if self._running:
                self._executor.wait(TICK_S)
                self._callbacks.on_tick([step for step, _ in self._running])
                self._collect()
        return tuple(self._outcomes[step.suite.name] for step in self._steps)

    def _heed(self, cancellation: Cancellation) -> None:
        requests, reason = cancellation.requests, cancellation.reason
        if requests > self._requests_heeded:
            self._halted = self._halted or reason
            for _, child in self._running:
                if self._requests_heeded == 0:
                    child.stop(reason)
                if requests > 1:
                    child.kill(reason)
            self._requests_heeded = requests

    def _start_what_fits(self) -> None:
        while self._waiting and (self._halted or self._fits(self._waiting[0])):
            step = self._waiting.popleft()
            if self._halted:
                self._end(step, self._not_started(step, f"not started: {self._halted}"))
            else:
                self._start(step)

    def _fits(self, step: PlannedSuite) -> bool:
        taken = sum(weight(running, self._jobs) for running, _ in self._running)
        return taken + weight(step, self._jobs) <= self._jobs

    def _start(self, step: PlannedSuite) -> None:
        try:
            invocation = self._callbacks.prepare(step)
        except (GateError, OSError) as error:
            hint = f" ({error.hint})" if isinstance(error, GateError) and error.hint else ""
            self._end(step, self._not_started(step, f"{error}{hint}"))
            return
        self._running.append((step, self._executor.start(invocation)))
        self._callbacks.on_start(step)

    def _collect(self) -> None:
        still: list[tuple[PlannedSuite, Child]] = []
        ended: list[tuple[PlannedSuite, Outcome]] = []
        for step, child in self._running:
            outcome = child.poll()
            if outcome is None:
                still.append((step, child))
            else:
                ended.append((step, outcome))
        self._running = still
        for step, outcome in ended:
            self._end(step, outcome)

    def _end(self, step: PlannedSuite, outcome: Outcome) -> None:
        outcome = self._callbacks.on_end(step, outcome)
        self._outcomes[step.suite.name] = outcome
        if self._fail_fast and not self._halted and self._callbacks.failed(outcome):
            self._halted = f"{step.suite.name} failed and --fail-fast is on"

    def _not_started(self, step: PlannedSuite, reason: str) -> Outcome:
        return Outcome(
            suite=step.suite.name,
            ending=Ending.NOT_STARTED,
            exit_code=None,
            started_at=self._wall(),
            duration_s=0.0,
            nonce="",
            reason=reason,
        )
