"""One suite: evidence → findings → `SuiteResult`.

Owns the rules about the process, the channels of evidence, the tests and the budgets; `measures` owns the thresholds.
Every rule that was looked at gives a finding, kept or broken; a rule of evidence that nobody looked at is broken.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from gate import verdict
from gate.judge import measures
from gate.model import (
    Budget,
    CaseResult,
    Check,
    Ending,
    Evidence,
    Finding,
    Outcome,
    PlannedSuite,
    Status,
    Suite,
    SuiteResult,
    TestCounts,
    ThresholdResult,
)

# Rules of evidence that must have been looked at, by channel. `tests/edges/test_collect.py` holds them against the
# readers, so that a check can neither be dropped from a reader nor be forgotten here.
JUNIT_CHECKS: Final = ("junit/present", "junit/readable", "junit/elements", "junit/attributes", "junit/times")
JOURNAL_CHECKS: Final = (
    "journal/present",
    "journal/nonce",
    "journal/process",
    "journal/options",
    "journal/complete",
    "journal/items",
    "journal/outcomes",
    "journal/workers",
    "journal/exit",
)
METRICS_CHECKS: Final = ("metrics/readable", "metrics/sane", "metrics/kinds", "metrics/forks")
FOREIGN_CHECKS: Final = ("metrics/properties", "metrics/benchmarks")
GATE_CHECKS: Final = ("seal/intact", "resources/readable")
AGREEMENT_CHECKS: Final = ("agreement/tests", "agreement/exit", "agreement/metrics")

_FAILING: Final = {CaseResult.FAILED: "failed", CaseResult.ERROR: "ended with an error"}
_SHOWN_IDS: Final = 5
_SHOW_FAILURES: Final = frozenset({"journal/outcomes", "junit/elements"})


def required_checks(suite: Suite) -> tuple[str, ...]:
    """Names of the checks without which the evidence of `suite` is not complete."""
    if suite.command:
        return (*GATE_CHECKS, *JUNIT_CHECKS, "metrics/properties", "agreement/exit", "agreement/metrics")
    return GATE_CHECKS + JUNIT_CHECKS + JOURNAL_CHECKS + METRICS_CHECKS + FOREIGN_CHECKS + AGREEMENT_CHECKS


def judge_suite(planned: PlannedSuite, evidence: Evidence | None, *, day: str, unfit: str | None) -> SuiteResult:
    """Judge one planned suite.

    `evidence` None means that the suite left nothing at all. `day` is the ISO date budgets are judged on; `unfit`
    says why the machine was no place to measure time, None when it was.
    """
    suite = planned.suite
    if evidence is None or evidence.outcome.ending is Ending.NOT_STARTED:
        reason = evidence.outcome.reason if evidence else "it left no outcome: the run ended before the suite did"
        finding = _finding(suite, "execution/ended", Status.MISSING, f"never ran: {reason}", rule="R08")
        return _result(planned, None, (finding,), ())
    thresholds = measures.judge_thresholds(planned, evidence, unfit=unfit)
    findings = (
        *_execution(suite, evidence.outcome),
        *_evidence(suite, evidence.checks),
        *_cases(suite, evidence),
        _floor(planned, evidence),
        *_budgets(planned, evidence, day),
        *(measures.as_finding(result) for result in thresholds),
    )
    return _result(planned, evidence, findings, thresholds)


def counts(evidence: Evidence) -> TestCounts:
    """How many tests ended how."""
    results = [case.result for case in evidence.cases]
    return TestCounts(
        collected=len(evidence.collected),
        passed=results.count(CaseResult.PASSED),
        failed=results.count(CaseResult.FAILED),
        errors=results.count(CaseResult.ERROR),
        skipped=results.count(CaseResult.SKIPPED) + len(evidence.collection_skips),
        xfailed=results.count(CaseResult.XFAILED),
        xpassed=results.count(CaseResult.XPASSED),
        flaky=len(evidence.flaky),
        deselected=len(evidence.deselected),
    )


def _result(
    planned: PlannedSuite,
    evidence: Evidence | None,
    findings: tuple[Finding, ...],
    thresholds: tuple[ThresholdResult, ...],
) -> SuiteResult:
    suite = planned.suite
    narrowed = [f"-m {planned.marker}"] if planned.marker else []
    narrowed += [f"-k {planned.keyword}"] if planned.keyword else []
    return SuiteResult(
        name=suite.name,
        title=suite.title,
        status=verdict.worst(verdict.counted(finding) for finding in findings),
        severity=suite.severity,
        categories=suite.categories,
        tests=counts(evidence) if evidence else TestCounts(),
        started_at=evidence.outcome.started_at if evidence else None,
        duration_s=evidence.outcome.duration_s if evidence else 0.0,
        findings=findings,
        thresholds=thresholds,
        narrowed_by=" ".join(narrowed) or None,
    )


def _finding(
    suite: Suite, name: str, status: Status, reason: str, *, rule: str, seen: tuple[str, str] | None = None
) -> Finding:
    """A finding of `suite`; `seen` is what was observed and what was expected."""
    observed, expected = seen or (None, None)
    return Finding(
        id=f"{suite.name}/{name}",
        status=status,
        severity=suite.severity,
        reason=reason,
        rule=rule,
        observed=observed,
        expected=expected,
    )


# ---- the process ------------------------------------------------------------------------------------------------


def _execution(suite: Suite, outcome: Outcome) -> Iterable[Finding]:
    status, reason = _how_it_ended(suite, outcome)
    yield _finding(
        suite,
        "execution/ended",
        status,
        reason,
        rule="R10",
        seen=(outcome.ending.value, Ending.EXITED.value),
    )
    if outcome.ending is Ending.EXITED:
        status, reason = _exit_code(outcome.exit_code, pytest=not suite.command)
        yield _finding(
            suite,
            "execution/exit_code",
            status,
            reason,
            rule="R02",
            seen=(str(outcome.exit_code), "0"),
        )
    if suite.needs:
        lost = ", ".join(outcome.services_lost)
        yield _finding(
            suite,
            "execution/services",
            Status.ERROR if lost else Status.PASS,
            f"lost while the suite ran: {lost}" if lost else "every needed service was there to the end",
            rule="R10",
        )


def _how_it_ended(suite: Suite, outcome: Outcome) -> tuple[Status, str]:
    match outcome.ending:
        case Ending.EXITED:
            return Status.PASS, f"the process ended by itself after {outcome.duration_s:.1f} s"
        case Ending.TIMED_OUT:
            return Status.FAIL, outcome.reason or f"not finished after its timeout of {suite.timeout_s:g} s"
        case Ending.KILLED:
            return Status.ERROR, outcome.reason or "stopped from outside before it had finished"
        case Ending.NOT_STARTED:  # judge_suite has dealt with it
            return Status.MISSING, outcome.reason


_PYTEST_EXITS: Final = {
    0: (Status.PASS, "exit status 0"),
    1: (Status.FAIL, "pytest says that tests failed"),
    2: (Status.ERROR, "pytest was interrupted or could not collect the tests"),
    3: (Status.ERROR, "an internal error in pytest"),
    4: (Status.ERROR, "pytest refused its command line"),
    5: (Status.MISSING, "pytest found no tests"),
}


def _exit_code(code: int | None, *, pytest: bool) -> tuple[Status, str]:
    if code is None:
        return Status.ERROR, "the exit status is not known"
    if code < 0:
        return Status.FAIL, f"killed by signal {-code}"
    if pytest and code in _PYTEST_EXITS:
        return _PYTEST_EXITS[code]
    if code == 0:
        return Status.PASS, "exit status 0"
    return (
        (Status.ERROR, f"exit status {code}, which pytest does not define")
        if pytest
        else (Status.FAIL, f"exit status {code}")
    )


# ---- the channels of evidence -----------------------------------------------------------------------------------


def _evidence(suite: Suite, checks: tuple[Check, ...]) -> Iterable[Finding]:
    seen = {check.name for check in checks}
    for check in checks:
        # Channels that contradict each other prove nothing about the release, unless a failure was hidden in one.
        unproven = check.status is Status.FAIL and check.name not in _SHOW_FAILURES
        status = Status.ERROR if unproven else check.status
        yield _finding(suite, f"evidence/{check.name.replace('/', '.')}", status, check.reason, rule=check.rule)
    for name in required_checks(suite):
        if name not in seen:
            yield _finding(
                suite, f"evidence/{name.replace('/', '.')}", Status.MISSING, "this was never looked at", rule="R08"
            )


# ---- the tests --------------------------------------------------------------------------------------------------


def _cases(suite: Suite, evidence: Evidence) -> Iterable[Finding]:
    for case in evidence.cases:
        if case.result in _FAILING:
            said = _said(case.detail)
            reason = f"{_FAILING[case.result]}: {said}" if said else _FAILING[case.result]
            yield _finding(suite, f"test/{case.id}", Status.FAIL, reason, rule="R04")
        elif case.result is CaseResult.INCOMPLETE:
            yield _finding(suite, f"test/{case.id}", Status.MISSING, "started, but never finished", rule="R08")


def _said(detail: str) -> str:
    """One line that says what went wrong: the head of the last error that pytest marks, else the last line."""
    lines = [line for line in detail.splitlines() if line.strip()]
    marked = [n for n, line in enumerate(lines) if line.startswith("E ")]
    heads = [n for n in marked if n - 1 not in marked]
    chosen = lines[heads[-1]].removeprefix("E ") if heads else lines[-1] if lines else ""
    return chosen.strip()[:300]


def _floor(planned: PlannedSuite, evidence: Evidence) -> Finding:
    # A narrowed suite cannot be held to the number of the whole one, but it must have run something.
    wanted = 1 if planned.narrowed else planned.suite.min_tests
    passed = counts(evidence).passed
    return _finding(
        planned.suite,
        "tests/min_tests",
        Status.PASS if passed >= wanted else Status.MISSING,
        f"{passed} passed, at least {wanted} promised",
        rule="R05",
        seen=(str(passed), f">= {wanted}"),
    )


def _skipped(evidence: Evidence) -> tuple[str, ...]:
    subtests = (f"a subtest of {test}" for test in evidence.subtest_skips)
    return (*_ids(evidence, CaseResult.SKIPPED), *evidence.collection_skips, *subtests)


_BUDGETS: Final[tuple[tuple[str, str, Status, str, Callable[[Evidence], tuple[str, ...]]], ...]] = (
    ("skipped", "R06", Status.MISSING, "skipped", _skipped),
    ("xfailed", "R06", Status.FAIL, "failed as expected", lambda e: _ids(e, CaseResult.XFAILED)),
    ("xpassed", "R07", Status.FAIL, "passed although expected to fail", lambda e: _ids(e, CaseResult.XPASSED)),
    ("deselected", "R06", Status.MISSING, "deselected", lambda e: e.deselected),
    ("flaky", "R17", Status.FAIL, "ran more than once", lambda e: e.flaky),
    (
        "warnings",
        "R16",
        Status.FAIL,
        "warned of something that counts",
        lambda e: tuple(f"{a.category} in {a.test or 'no test'}: {a.message[:200]}" for a in e.alarms),
    ),
    ("leaks", "R11", Status.FAIL, "left running", lambda e: e.outcome.leaks),
)


def _budgets(planned: PlannedSuite, evidence: Evidence, day: str) -> Iterable[Finding]:
    for name, rule, broken, verb, count in _BUDGETS:
        budget = _budget(planned, name, day)
        # What was stopped from outside had no chance to clear up.
        stopped = name == "leaks" and evidence.outcome.ending is Ending.KILLED
        seen = count(evidence)
        within = budget.limit is None or len(seen) <= budget.limit
        limit = "any" if budget.limit is None else str(budget.limit)
        status = Status.PASS if within else Status.ERROR if stopped else broken
        yield _finding(
            planned.suite,
            f"budget/{name}",
            status,
            f"{len(seen)} {verb}, budget {limit}" + ("" if not seen or within else ": " + _shown(seen)),
            rule=rule,
            seen=(str(len(seen)), "any" if budget.limit is None else f"<= {limit}"),
        )


def _budget(planned: PlannedSuite, name: str, day: str) -> Budget:
    """The budget in force on `day`. What the selection itself leaves out was asked for; the scope says so."""
    if name == "deselected" and planned.narrowed:
        return Budget(limit=None)
    budget: Budget = getattr(planned.suite.budgets, name)
    expired = budget.expires is not None and budget.expires < day
    return replace(budget, limit=0) if expired else budget


def _ids(evidence: Evidence, result: CaseResult) -> tuple[str, ...]:
    return tuple(case.id for case in evidence.cases if case.result is result)


def _shown(ids: tuple[str, ...]) -> str:
    more = len(ids) - _SHOWN_IDS
    return ", ".join(ids[:_SHOWN_IDS]) + (f" and {more} more" if more > 0 else "")
