"""Evidence in, findings out: every rule of the judge as a row of a table, the monotone law as a property."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.judge.record import judge_run
from gate.judge.suite import judge_suite, required_checks
from gate.model import (
    Alarm,
    Budget,
    Budgets,
    CaseResult,
    Check,
    Decision,
    Ending,
    Evidence,
    Identity,
    PlannedSuite,
    Service,
    ServiceOutcome,
    ServiceState,
    Severity,
    Status,
    SuiteResult,
    Waiver,
)
from tests.evidences import (
    DAY,
    case,
    distribution,
    evidence,
    facts,
    found,
    judged,
    metric,
    outcome,
    plan,
    suite,
    without_check,
)


def bad(result: SuiteResult) -> set[str]:
    return {finding.id.removeprefix("s/") for finding in result.findings if finding.status is not Status.PASS}


def test_complete_and_good_evidence_passes() -> None:
    result = judged()
    assert result.status is Status.PASS
    assert result.tests.passed == 3


def test_a_suite_that_left_nothing_is_missing() -> None:
    result = judge_suite(PlannedSuite(suite=suite()), None, day=DAY, unfit=None)
    assert result.status is Status.MISSING


@pytest.mark.parametrize(
    ("changes", "name", "status"),
    [
        ({"ending": Ending.TIMED_OUT, "exit_code": None}, "execution/ended", Status.FAIL),
        ({"ending": Ending.KILLED, "exit_code": -9}, "execution/ended", Status.ERROR),
        ({"ending": Ending.NOT_STARTED, "exit_code": None}, "execution/ended", Status.MISSING),
        ({"exit_code": 1}, "execution/exit_code", Status.FAIL),
        ({"exit_code": 2}, "execution/exit_code", Status.ERROR),
        ({"exit_code": 3}, "execution/exit_code", Status.ERROR),
        ({"exit_code": 4}, "execution/exit_code", Status.ERROR),
        ({"exit_code": 5}, "execution/exit_code", Status.MISSING),
        ({"exit_code": 6}, "execution/exit_code", Status.ERROR),
        ({"exit_code": -11}, "execution/exit_code", Status.FAIL),
        ({"exit_code": None}, "execution/exit_code", Status.ERROR),
        ({"leaks": ("pid 7 sleep",)}, "budget/leaks", Status.FAIL),
    ],
)
def test_the_end_of_the_process_is_judged(changes: dict[str, Any], name: str, status: Status) -> None:
    result = judged(seen=evidence(outcome=outcome(**changes)))
    assert found(result, name).status is status
    assert bad(result) == {name}


def test_a_service_lost_on_the_way_is_an_error() -> None:
    declared = suite(needs=("postgres",))
    result = judged(declared, evidence(declared, outcome=outcome(services_lost=("postgres",))))
    assert found(result, "execution/services").status is Status.ERROR


@pytest.mark.parametrize("name", required_checks(suite()))
def test_a_rule_of_evidence_that_nobody_looked_at_is_missing(name: str) -> None:
    result = judged(seen=without_check(evidence(), name))
    assert bad(result) == {"evidence/" + name.replace("/", ".")}
    assert result.status is Status.MISSING


def test_a_broken_rule_of_evidence_counts() -> None:
    checks = tuple(
        replace(check, status=Status.ERROR, reason="cut") if check.name == "junit/readable" else check
        for check in evidence().checks
    )
    assert bad(judged(seen=evidence(checks=checks))) == {"evidence/junit.readable"}


@pytest.mark.parametrize(
    ("name", "status"),
    [("journal/outcomes", Status.FAIL), ("junit/elements", Status.FAIL), ("journal/options", Status.ERROR)],
)
def test_only_a_hidden_failure_makes_a_contradiction_a_failure(name: str, status: Status) -> None:
    checks = tuple(replace(check, status=Status.FAIL) if check.name == name else check for check in evidence().checks)
    assert found(judged(seen=evidence(checks=checks)), "evidence/" + name.replace("/", ".")).status is status


def test_a_suite_of_another_tool_needs_no_journal() -> None:
    declared = suite(paths=(), command=("k6",), junit="x.xml")
    assert not any(name.startswith(("journal/", "metrics/sane")) for name in required_checks(declared))
    assert judged(declared).status is Status.PASS


@pytest.mark.parametrize(
    ("result", "name", "status"),
    [
        (CaseResult.FAILED, "test/test_s.py::x", Status.FAIL),
        (CaseResult.ERROR, "test/test_s.py::x", Status.FAIL),
        (CaseResult.INCOMPLETE, "test/test_s.py::x", Status.MISSING),
        (CaseResult.SKIPPED, "budget/skipped", Status.MISSING),
        (CaseResult.XFAILED, "budget/xfailed", Status.FAIL),
        (CaseResult.XPASSED, "budget/xpassed", Status.FAIL),
    ],
)
def test_a_test_that_did_not_pass_counts(result: CaseResult, name: str, status: Status) -> None:
    seen = evidence()
    seen = replace(seen, cases=(*seen.cases, case("x", result, "E   assert 1 == 2")))
    judgement = judged(seen=seen)
    assert bad(judgement) == {name}
    assert found(judgement, name).status is status


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("a\nboom\n\n", "failed: boom"),
        (
            "E   KeyError: 1\n\ndef f():\nE       ValueError: b\nE       more\n\nt.py:6: ValueError",
            "failed: ValueError: b",
        ),
        ("", "failed"),
    ],
)
def test_the_reason_of_a_failed_test_is_what_its_last_error_says(detail: str, said: str) -> None:
    seen = replace(evidence(), cases=(*evidence().cases, case("x", CaseResult.FAILED, detail)))
    assert found(judged(seen=seen), "test/test_s.py::x").reason == said


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"collection_skips": ("m",)}, "budget/skipped"),
        ({"deselected": ("m",)}, "budget/deselected"),
        ({"flaky": ("m",)}, "budget/flaky"),
        ({"alarms": (Alarm(category="PytestUnhandledThreadExceptionWarning", message="x"),)}, "budget/warnings"),
    ],
)
def test_budgets_are_zero_unless_declared(changes: dict[str, Any], name: str) -> None:
    assert bad(judged(seen=evidence(**changes))) == {name}
    kind = name.partition("/")[2]
    for budget in (Budget(limit=1), Budget(limit=None), Budget(limit=1, expires=DAY)):
        declared = suite(budgets=replace(Budgets(), **{kind: budget}))
        assert bad(judged(declared, evidence(declared, **changes))) == set()
    expired = suite(budgets=replace(Budgets(), **{kind: Budget(limit=9, expires="2026-11-20")}))
    assert bad(judged(expired, evidence(expired, **changes))) == {name}


def test_fewer_passed_tests_than_promised_are_missing() -> None:
    declared = suite(min_tests=4)
    assert bad(judged(declared, evidence(declared))) == {"tests/min_tests"}


def test_only_passed_tests_count_towards_the_floor() -> None:
    declared = suite(min_tests=3, budgets=replace(Budgets(), skipped=Budget(limit=None)))
    cases = (case("a"), case("b"), case("c", CaseResult.SKIPPED))
    assert bad(judged(declared, evidence(declared, cases=cases))) == {"tests/min_tests"}


def test_a_narrowed_suite_needs_one_passed_test_and_may_deselect() -> None:
    declared = suite(min_tests=30)
    seen = evidence(declared, deselected=("x",))
    assert bad(judged(declared, seen, marker="performance")) == set()
    assert bad(judged(declared, replace(seen, cases=()), marker="performance")) == {"tests/min_tests"}


@pytest.mark.parametrize("severity", [Severity.MAJOR, Severity.INFO])
def test_the_severity_of_a_suite_is_a_ceiling_for_all_it_says(severity: Severity) -> None:
    declared = suite(severity=severity)
    result = judged(declared, evidence(declared, cases=(), outcome=outcome(exit_code=1)))
    assert result.status in (Status.PASS, Status.WARN)


# ---- the run ----------------------------------------------------------------------------------------------------


def decide(of_plan: Any = None, of_facts: Any = None, seen: dict[str, Evidence] | None = None) -> Decision:
    record = judge_run(of_plan or plan(), of_facts or facts(), {"s": evidence()} if seen is None else seen, unfit=None)
    return record.decision


def test_a_whole_good_run_is_a_go() -> None:
    assert decide() is Decision.GO


def test_a_planned_suite_without_evidence_keeps_the_go_away() -> None:
    assert decide(seen={}) is Decision.INCONCLUSIVE


def test_a_run_of_no_suites_is_never_a_go() -> None:
    assert decide(plan(steps=())) is Decision.INCONCLUSIVE


@pytest.mark.parametrize(
    "changes",
    [
        {"interrupted_by": "SIGINT"},
        {"problems": ("disk full",)},
        {"manifest_digest_after": "other"},
        {"identity_after": Identity(commit="d" * 40, tree="t" * 40, branch="main", dirty=False)},
        {"identity_after": Identity(commit="c" * 40, tree="u" * 40, branch="main", dirty=False)},
        {"identity_after": Identity(commit="c" * 40, tree="t" * 40, branch="main", dirty=True, changed=("a.py",))},
    ],
)
def test_trouble_of_the_run_itself_keeps_the_go_away(changes: dict[str, Any]) -> None:
    assert decide(of_facts=facts(**changes)) is Decision.INCONCLUSIVE


def test_new_untracked_files_do_not_keep_the_go_away() -> None:
    after = Identity(commit="c" * 40, tree="t" * 40, branch="main", dirty=True, untracked=("reports/x",))
    assert decide(of_facts=facts(identity_after=after)) is Decision.GO


def test_an_interrupted_run_ends_with_the_code_of_its_signal() -> None:
    for name, code in (("SIGINT", 130), ("SIGTERM", 143)):
        record = judge_run(plan(), facts(interrupted_by=name), {"s": evidence()}, unfit=None)
        assert record.exit_code == code


@pytest.mark.parametrize("state", [ServiceState.FAILED, ServiceState.DIED, None])
def test_a_planned_service_that_was_not_there_keeps_the_go_away(state: ServiceState | None) -> None:
    planned = plan(services=(Service(name="db", provider="postgres", env={}),))
    seen = () if state is None else (ServiceOutcome(name="db", provider="postgres", state=state),)
    assert decide(planned, facts(services=seen)) is Decision.INCONCLUSIVE
    up = ServiceOutcome(name="db", provider="postgres", state=ServiceState.READY)
    assert decide(planned, facts(services=(up,))) is Decision.GO


def waiver(**changes: Any) -> Waiver:
    usual: dict[str, Any] = {
        "id": "W-1",
        "finding": "s/threshold/latency.p50",
        "owner": "ada",
        "reason": "r",
        "ticket": "T-1",
        "expires": "2026-12-01",
    }
    return Waiver(**{**usual, **changes})


def waived(one: Waiver, observed_s: float = 0.02) -> Decision:
    slow = evidence(metrics=(metric("latency", distribution(*[observed_s] * 100)),))
    return decide(plan(manifest={"waivers": (one,)}), seen={"s": slow})


def test_a_waiver_covers_exactly_its_finding_until_its_day_and_up_to_its_bound() -> None:
    assert waived(waiver()) is Decision.GO_WITH_WAIVERS
    assert waived(waiver(finding="s/threshold/latency.p5")) is Decision.NO_GO
    started = "2026-11-18"  # the day of the facts
    assert waived(waiver(expires=started)) is Decision.GO_WITH_WAIVERS
    assert waived(waiver(expires="2026-11-17")) is Decision.NO_GO
    assert waived(waiver(bound=0.02)) is Decision.GO_WITH_WAIVERS
    assert waived(waiver(bound=0.019)) is Decision.NO_GO


def test_a_waiver_does_not_cover_what_is_missing() -> None:
    assert decide(plan(manifest={"waivers": (waiver(),)}), seen={"s": evidence(metrics=())}) is Decision.INCONCLUSIVE


# ---- the monotone law -------------------------------------------------------------------------------------------

cases = st.lists(
    st.builds(case, st.sampled_from("abcdef"), st.sampled_from(list(CaseResult)), st.just("")),
    max_size=6,
    unique_by=lambda one: one.id,
).map(tuple)
checks = st.lists(
    st.builds(
        Check,
        name=st.sampled_from(required_checks(suite())),
        rule=st.just("R08"),
        status=st.sampled_from(list(Status)),
        reason=st.just(""),
    ),
    unique_by=lambda one: one.name,
).map(tuple)
spoilt = st.builds(
    evidence,
    cases=st.one_of(st.just(evidence().cases), cases),
    metrics=st.one_of(st.just(evidence().metrics), st.just(())),
    checks=st.one_of(st.just(evidence().checks), checks),
    flaky=st.sampled_from([(), ("x",)]),
    deselected=st.sampled_from([(), ("x",)]),
    outcome=st.builds(outcome, exit_code=st.sampled_from([0, 1, 5, -9]), leaks=st.sampled_from([(), ("p",)])),
)


@given(spoilt, st.sampled_from(["cases", "metrics", "checks"]), st.integers(0, 40))
@settings(max_examples=300)
def test_taking_evidence_away_never_turns_a_decision_into_a_go(seen: Evidence, field: str, index: int) -> None:
    values = list(getattr(seen, field))
    if not values:
        return
    values.pop(index % len(values))
    less = replace(seen, **{field: tuple(values)})
    if field == "cases":
        # A case cannot vanish alone: the journal's check on the collected ids breaks with it.
        broken = [replace(c, status=Status.ERROR) if c.name == "journal/items" else c for c in less.checks]
        less = replace(less, checks=tuple(broken))
    if decide(seen={"s": seen}) is not Decision.GO:
        assert decide(seen={"s": less}) in (Decision.INCONCLUSIVE, Decision.NO_GO)


@given(spoilt)
def test_a_go_always_rests_on_every_channel(seen: Evidence) -> None:
    if decide(seen={"s": seen}) is Decision.GO:
        assert {check.name for check in seen.checks if check.status is Status.PASS} == set(required_checks(suite()))
        assert all(one.result is CaseResult.PASSED for one in seen.cases)
        assert len(seen.cases) >= suite().min_tests
        assert seen.outcome.exit_code == 0
        assert seen.metrics
