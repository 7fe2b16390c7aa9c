"""Which suite runs beside which, in what order, and what stops it: told by a scripted executor in made-up time."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.errors import GateError
from gate.execute.scheduler import Callbacks, Cancellation, run_suites, weight
from gate.model import Ending, Invocation, Isolation, Outcome, PlannedSuite, Suite


def step(name: str, *, workers: int = 0, exclusive: bool = False) -> PlannedSuite:
    isolation = Isolation.EXCLUSIVE if exclusive else Isolation.SHARED
    return PlannedSuite(suite=Suite(name=name, title=name, workers=workers, isolation=isolation, env={}))


class ScriptedChild:
    def __init__(self, invocation: Invocation, executor: "ScriptedExecutor") -> None:
        self.invocation = invocation
        self.asked: list[str] = []
        self._executor = executor
        self._left = executor.rounds.get(invocation.suite, 1)

    def poll(self) -> Outcome | None:
        self._left -= 1
        deaf = self._executor.deaf and "kill" not in self.asked
        if self._left > 0 and (deaf or not self.asked):
            return None
        self._executor.running.discard(self.invocation.suite)
        ending = Ending.KILLED if self.asked else Ending.EXITED
        code = None if self.asked else self._executor.codes.get(self.invocation.suite, 0)
        return Outcome(
            suite=self.invocation.suite, ending=ending, exit_code=code, started_at=0.0, duration_s=1.0, nonce="n"
        )

    def stop(self, reason: str) -> None:
        self.asked.append("stop")

    def kill(self, reason: str) -> None:
        self.asked.append("kill")


class ScriptedExecutor:
    """Each suite ends after its number of rounds; `together` keeps every set of suites that ran side by side."""

    def __init__(self, rounds: dict[str, int] | None = None, codes: dict[str, int] | None = None) -> None:
        self.rounds, self.codes = rounds or {}, codes or {}
        self.deaf = False
        self.running: set[str] = set()
        self.order: list[str] = []
        self.together: list[frozenset[str]] = []
        self.children: dict[str, ScriptedChild] = {}
        self.each_wait: Callable[[int], None] = lambda _: None
        self._waits = itertools.count(1)

    def start(self, invocation: Invocation) -> ScriptedChild:
        self.running.add(invocation.suite)
        self.order.append(invocation.suite)
        self.children[invocation.suite] = ScriptedChild(invocation, self)
        return self.children[invocation.suite]

    def wait(self, timeout_s: float) -> None:
        self.together.append(frozenset(self.running))
        self.each_wait(next(self._waits))


def prepare(planned: PlannedSuite) -> Invocation:
    return Invocation(
        suite=planned.suite.name, argv=("x",), cwd="/", env={}, artefact_dir="/", timeout_s=1.0, nonce="n"
    )


def test_shared_suites_run_side_by_side_as_far_as_jobs_reach() -> None:
    executor = ScriptedExecutor({"a": 3, "b": 3, "c": 1})
    run_suites([step("a"), step("b"), step("c")], executor, Callbacks(prepare=prepare), jobs=2)
    assert executor.together[0] == {"a", "b"}
    assert max(map(len, executor.together)) == 2


def test_an_exclusive_suite_has_the_machine_to_itself() -> None:
    executor = ScriptedExecutor({"a": 2, "x": 2, "b": 2})
    run_suites([step("a"), step("x", exclusive=True), step("b")], executor, Callbacks(prepare=prepare), jobs=4)
    assert executor.order == ["a", "x", "b"]
    assert all(together == {"x"} for together in executor.together if "x" in together)


@pytest.mark.parametrize(
    ("planned", "jobs", "expected"),
    [
        (step("a"), 4, 1),
        (step("a", workers=1), 4, 1),
        (step("a", workers=3), 4, 3),
        (step("a", workers=9), 4, 4),
        (step("a", exclusive=True), 4, 4),
    ],
)
def test_a_suite_takes_a_slot_per_worker(planned: PlannedSuite, jobs: int, expected: int) -> None:
    assert weight(planned, jobs) == expected


def test_outcomes_come_in_the_order_of_the_plan_whoever_ends_first() -> None:
    executor = ScriptedExecutor({"a": 5, "b": 1})
    outcomes = run_suites([step("a"), step("b")], executor, Callbacks(prepare=prepare), jobs=2)
    assert [outcome.suite for outcome in outcomes] == ["a", "b"]


def test_fail_fast_lets_running_suites_finish_and_starts_no_other() -> None:
    executor = ScriptedExecutor({"a": 1, "b": 4}, codes={"a": 1})
    steps = [step("a"), step("b"), step("c")]
    outcomes = run_suites(steps, executor, Callbacks(prepare=prepare), jobs=2, fail_fast=True)
    assert [outcome.ending for outcome in outcomes] == [Ending.EXITED, Ending.EXITED, Ending.NOT_STARTED]
    assert "a failed" in outcomes[2].reason


def test_what_counts_as_failing_is_the_callers_to_say() -> None:
    executor = ScriptedExecutor(codes={"a": 1})
    callbacks = Callbacks(prepare=prepare, failed=lambda _: False)
    outcomes = run_suites([step("a"), step("b")], executor, callbacks, jobs=1, fail_fast=True)
    assert outcomes[1].ending is Ending.EXITED


def test_without_fail_fast_a_failure_stops_nothing() -> None:
    executor = ScriptedExecutor(codes={"a": 1})
    outcomes = run_suites([step("a"), step("b")], executor, Callbacks(prepare=prepare), jobs=1)
    assert outcomes[1].ending is Ending.EXITED


def test_the_first_request_stops_the_children_and_keeps_what_has_finished() -> None:
    executor, cancellation = ScriptedExecutor({"a": 1, "b": 9}), Cancellation()
    executor.each_wait = lambda count: cancellation.request("SIGINT") if count == 2 else None
    steps = [step("a"), step("b"), step("c", exclusive=True)]
    outcomes = run_suites(steps, executor, Callbacks(prepare=prepare), jobs=2, cancellation=cancellation)
    assert [outcome.ending for outcome in outcomes] == [Ending.EXITED, Ending.KILLED, Ending.NOT_STARTED]
    assert executor.children["b"].asked == ["stop"]
    assert "SIGINT" in outcomes[2].reason


def test_the_second_request_kills_a_child_that_did_not_listen() -> None:
    executor, cancellation = ScriptedExecutor({"a": 99}), Cancellation()
    executor.deaf = True
    executor.each_wait = lambda count: cancellation.request("SIGTERM") if count in (2, 4) else None
    run_suites([step("a")], executor, Callbacks(prepare=prepare), jobs=1, cancellation=cancellation)
    assert executor.children["a"].asked == ["stop", "kill"]


def test_two_requests_at_once_kill() -> None:
    executor, cancellation = ScriptedExecutor({"a": 99}), Cancellation()
    executor.deaf = True

    def twice(count: int) -> None:
        if count == 1:
            cancellation.request("SIGINT")
            cancellation.request("SIGINT")

    executor.each_wait = twice
    run_suites([step("a")], executor, Callbacks(prepare=prepare), jobs=1, cancellation=cancellation)
    assert "kill" in executor.children["a"].asked


def test_a_suite_that_cannot_be_prepared_is_not_started_and_the_others_run() -> None:
    def refuse_a(planned: PlannedSuite) -> Invocation:
        if planned.suite.name == "a":
            raise GateError("its service is down", hint="start it")
        return prepare(planned)

    outcomes = run_suites([step("a"), step("b")], ScriptedExecutor(), Callbacks(prepare=refuse_a), jobs=1)
    assert (outcomes[0].ending, outcomes[0].reason) == (Ending.NOT_STARTED, "its service is down (start it)")
    assert outcomes[1].ending is Ending.EXITED


def test_callbacks_hear_each_suite_begin_and_end_once() -> None:
    heard: list[str] = []
    callbacks = Callbacks(
        prepare=prepare,
        on_start=lambda planned: heard.append(f"start {planned.suite.name}"),
        on_tick=lambda running: heard.append("tick " + " ".join(each.suite.name for each in running)),
        on_end=lambda planned, outcome: heard.append(f"end {planned.suite.name}") or outcome,  # type: ignore[func-returns-value]
    )
    run_suites([step("a"), step("b")], ScriptedExecutor(), callbacks, jobs=1)
    assert heard == ["start a", "tick a", "end a", "start b", "tick b", "end b"]


STEPS = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(1, 4)), min_size=1, max_size=8)


@given(drawn=STEPS, jobs=st.integers(1, 4))
def test_whatever_the_plan_every_suite_runs_once_within_the_slots(
    drawn: list[tuple[int, bool, int]], jobs: int
) -> None:
    steps = [step(f"s{n}", workers=workers, exclusive=alone) for n, (workers, alone, _) in enumerate(drawn)]
    by_name = {planned.suite.name: planned for planned in steps}
    executor = ScriptedExecutor({f"s{n}": rounds for n, (_, _, rounds) in enumerate(drawn)})
    outcomes = run_suites(steps, executor, Callbacks(prepare=prepare), jobs=jobs)
    assert [outcome.suite for outcome in outcomes] == [planned.suite.name for planned in steps] == executor.order
    for together in executor.together:
        assert sum(weight(by_name[name], jobs) for name in together) <= jobs
        assert len(together) == 1 or not any(by_name[name].suite.isolation is Isolation.EXCLUSIVE for name in together)
