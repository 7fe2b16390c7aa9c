"""Executions of tests, as journals tell them → cases.

Owns which of two accounts counts (a worker's own before the main process's), and what the phases of an execution amount
to. Whether the accounts can be believed is left to `gate.evidence.journal_checks`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gate.evidence.records import Execution, JournalFile
from gate.model import Case, CaseResult

Executions = Mapping[str, Sequence[Execution]]

_WHOLE: Final = ("setup", "call", "teardown")
_WITHOUT_CALL: Final = ("setup", "teardown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Journals:
    """The files of one suite: the main process's, its workers' by name, and those of forked children."""

    main: JournalFile | None
    workers: Mapping[str, JournalFile] = field(default_factory=dict)
    forks: tuple[JournalFile, ...] = ()

    @property
    def all(self) -> tuple[JournalFile, ...]:
        return (*((self.main,) if self.main else ()), *self.workers.values())


def executions_of(journals: Journals) -> Executions:
    """Every execution by test, in order. A test of which no worker tells is taken from the main process."""
    found: dict[str, list[Execution]] = {}
    for file in journals.workers.values():
        for execution in file.executions:
            found.setdefault(execution.test, []).append(execution)
    told: dict[str, list[Execution]] = {}
    for execution in journals.main.executions if journals.main else ():
        told.setdefault(execution.test, []).append(execution)
    for test, executions in told.items():
        if len(executions) > len(found.get(test, ())):
            found[test] = executions
    return found


def cases_of(journals: Journals, executions: Executions) -> tuple[Case, ...]:
    """One case per collected test, and one for each that ran without having been collected."""
    main = journals.main
    if main is None:
        return ()
    crashed = {test: text for test, _, text in main.crashes}
    where = {execution.test: execution.worker for execution in main.executions}
    tests = dict.fromkeys([*main.ids, *executions, *crashed])
    return tuple(_case(test, executions.get(test, ()), where.get(test), crashed.get(test)) for test in tests)


def flaky_of(executions: Executions) -> tuple[str, ...]:
    """Tests that were executed more than once, whatever came out."""
    return tuple(test for test, runs in executions.items() if len(runs) > 1 or any(_repeated(run) for run in runs))


def result_of(run: Execution) -> CaseResult:
    """What one execution amounts to."""
    whens = tuple(phase.when for phase in run.phases)
    outcomes = {phase.when: phase.outcome for phase in run.phases}
    call = outcomes.get("call")
    if call == "failed" or any(outcome == "failed" for outcome, _ in run.sub):
        return CaseResult.FAILED
    if "failed" in outcomes.values():
        return CaseResult.ERROR
    if whens != _WHOLE and not (whens == _WITHOUT_CALL and outcomes["setup"] != "passed"):
        return CaseResult.INCOMPLETE
    if "rerun" in outcomes.values():
        return CaseResult.INCOMPLETE  # only the next execution says what came out
    if "skipped" in outcomes.values():
        return CaseResult.XFAILED if run.expected_failure else CaseResult.SKIPPED
    return CaseResult.XPASSED if run.expected_failure else CaseResult.PASSED


def _case(test: str, runs: Sequence[Execution], worker: str | None, crash: str | None) -> Case:
    result, detail = CaseResult.INCOMPLETE, ""
    if crash is not None:
        result, detail = CaseResult.ERROR, crash
    elif runs:
        last = runs[-1]
        failed = next((text for outcome, text in last.sub if outcome == "failed"), "")
        result, detail = result_of(last), "\n".join(text for text in (last.text, failed) if text)
    duration_s = sum(phase.duration_s for run in runs for phase in run.phases)
    attempts = max(1, len(runs) + sum(1 for run in runs if run.hidden))
    return Case(id=test, result=result, duration_s=duration_s, detail=detail, worker=worker, attempts=attempts)


def _repeated(run: Execution) -> bool:
    return run.hidden > 0 or any(phase.outcome == "rerun" for phase in run.phases)
