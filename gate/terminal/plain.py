"""The run as plain lines, for logs, pipes and simple terminals; and the decision alone, for scripts.

`PlainTerminal` writes one line per event, each opened by the time since the start, and at most one line per ten seconds
about the progress of a suite. `QuietTerminal` writes nothing but the decision.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gate.model import Plan, Record, Scope, ServiceOutcome, ServiceState, SuiteResult
from gate.protocols import SuiteProgress
from gate.terminal.screen import Screen
from gate.terminal.summary import summary, symbol, tests_text
from gate.terminal.text import clock, count, duration

_EVERY_S: Final = 10.0


class PlainTerminal:
    def __init__(self, screen: Screen, now: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._now = now
        self._began_s = now()
        self._expected_s: dict[str, float | None] = {}
        self._said_s: dict[str, float] = {}
        self._failed: set[str] = set()

    def run_started(self, plan: Plan, run_dir: Path) -> None:
        self._expected_s = {step.suite.name: step.expected_s for step in plan.steps}
        self._say(started_text(plan))
        if plan.omitted:
            self._say(f"not selected: {', '.join(plan.omitted)}", "warn")
        self._say(f"evidence goes to {run_dir}")

    def service_starting(self, name: str) -> None:
        self._say(f"service {name}: starting")

    def service_ended(self, outcome: ServiceOutcome) -> None:
        self._say(*service_text(outcome))

    def suite_started(self, name: str) -> None:
        self._said_s[name] = self._now()
        expected_s = self._expected_s.get(name)
        self._say(f"suite {name}: started" + (f", expected {duration(expected_s)}" if expected_s is not None else ""))

    def suite_progressed(self, name: str, progress: SuiteProgress, elapsed_s: float) -> None:
        now = self._now()
        first_failure = progress.failed > 0 and name not in self._failed
        if not first_failure and now - self._said_s.get(name, now) < _EVERY_S:
            return
        self._said_s[name] = now
        failure = ""
        if progress.failed:
            self._failed.add(name)
            failure = f", {progress.failed} failed (last: {progress.last_failure})"
        self._say(
            f"suite {name}: {done_text(progress)} after {duration(elapsed_s)}{failure}", "warn" if failure else ""
        )

    def suite_ended(self, result: SuiteResult) -> None:
        sign, tone = symbol(result.status)
        facts = f"{result.status}, {tests_text(result.tests)}, {duration(result.duration_s)}"
        self._say(f"suite {result.name}: {sign} {facts}", tone)

    def stopping(self, reason: str) -> None:
        self._say(f"stopping: {reason}", "warn")

    def decided(self, record: Record, run_dir: Path) -> None:
        self._screen.lines([(), *summary(record, run_dir, self._screen.look)])

    def close(self) -> None:
        """Nothing is held."""

    def _say(self, text: str, tone: str = "") -> None:
        self._screen.lines([((f"{clock(self._now() - self._began_s):>5}  ", "faint"), (text, tone))])


class QuietTerminal:
    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def run_started(self, plan: Plan, run_dir: Path) -> None: ...
    def service_starting(self, name: str) -> None: ...
    def service_ended(self, outcome: ServiceOutcome) -> None: ...
    def suite_started(self, name: str) -> None: ...
    def suite_progressed(self, name: str, progress: SuiteProgress, elapsed_s: float) -> None: ...
    def suite_ended(self, result: SuiteResult) -> None: ...
    def stopping(self, reason: str) -> None: ...

    def decided(self, record: Record, run_dir: Path) -> None:  # noqa: ARG002 - the others name the report
        self._screen.lines([((record.decision, ""),)])

    def close(self) -> None:
        """Nothing is held."""


def started_text(plan: Plan) -> str:
    """`tickstream: 11 suites, 2 at a time`, and that a partial run decides no release."""
    partial = ", partial run: no release decision" if plan.scope is Scope.PARTIAL else ""
    return f"{plan.manifest.project}: {count(len(plan.steps), 'suite')}, {plan.jobs} at a time{partial}"


def service_text(outcome: ServiceOutcome) -> tuple[str, str]:
    """A service that came up, or did not, with its tone."""
    if outcome.state in {ServiceState.FAILED, ServiceState.DIED}:
        return f"service {outcome.name}: {outcome.state}: {outcome.reason}", "bad"
    facts = [outcome.state.value, *([outcome.version] if outcome.version else [])]
    if outcome.startup_s is not None:
        facts.append(duration(outcome.startup_s))
    return f"service {outcome.name}: {', '.join(facts)}", ""


def done_text(progress: SuiteProgress) -> str:
    """`31/42`; while tests are still being collected, that."""
    if progress.total is None:
        return "collecting"
    return f"{progress.done}/{progress.total}"
