"""The order of statuses, the ceiling of severities and the decision."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate import verdict
from gate.model import Decision, Finding, Severity, Status

BAD = [Status.MISSING, Status.INSUFFICIENT, Status.UNFIT, Status.ERROR, Status.FAIL]


def finding(status: Status, severity: Severity = Severity.BLOCKER, waived_by: str | None = None) -> Finding:
    return Finding(id="s/x/y", status=status, severity=severity, reason="", waived_by=waived_by)


findings = st.builds(
    finding,
    st.sampled_from(list(Status)),
    st.sampled_from(list(Severity)),
    st.one_of(st.none(), st.just("W-1")),
)


def test_nothing_at_all_is_not_known() -> None:
    assert verdict.worst(()) is Status.MISSING
    assert verdict.decide(()) is Decision.INCONCLUSIVE


@pytest.mark.parametrize("status", BAD)
def test_one_bad_blocker_keeps_the_go_away(status: Status) -> None:
    decision = verdict.decide((finding(Status.PASS), finding(status)))
    assert decision is (Decision.NO_GO if status is Status.FAIL else Decision.INCONCLUSIVE)


@pytest.mark.parametrize("status", BAD)
@pytest.mark.parametrize("severity", [Severity.MAJOR, Severity.INFO])
def test_what_may_not_block_when_bad_may_not_block_when_unseen(status: Status, severity: Severity) -> None:
    assert verdict.decide((finding(Status.PASS), finding(status, severity))) is Decision.GO


def test_a_failure_outweighs_what_is_not_known() -> None:
    for order in itertools.permutations([finding(Status.MISSING), finding(Status.FAIL), finding(Status.PASS)]):
        assert verdict.decide(order) is Decision.NO_GO


def test_a_waived_failure_is_a_go_with_waivers() -> None:
    assert verdict.decide((finding(Status.FAIL, waived_by="W-1"),)) is Decision.GO_WITH_WAIVERS


def test_a_waiver_never_covers_what_is_not_known() -> None:
    for status in verdict.NOT_KNOWN:
        assert verdict.decide((finding(status, waived_by="W-1"),)) is Decision.INCONCLUSIVE


def test_a_waiver_on_a_finding_that_cannot_block_does_not_colour_the_go() -> None:
    assert verdict.decide((finding(Status.FAIL, Severity.MAJOR, "W-1"),)) is Decision.GO


@given(st.lists(findings), findings)
def test_one_more_finding_never_improves_a_decision_that_had_any(some: list[Finding], extra: Finding) -> None:
    rank = {Decision.GO: 0, Decision.GO_WITH_WAIVERS: 1, Decision.INCONCLUSIVE: 2, Decision.NO_GO: 3}
    if some:
        assert rank[verdict.decide([*some, extra])] >= rank[verdict.decide(some)]


@given(st.lists(findings))
def test_the_order_of_findings_does_not_matter(some: list[Finding]) -> None:
    assert verdict.decide(some) is verdict.decide(list(reversed(some)))


@given(st.lists(findings, min_size=1))
def test_a_go_means_that_nothing_blocks(some: list[Finding]) -> None:
    good = verdict.decide(some) in (Decision.GO, Decision.GO_WITH_WAIVERS)
    assert good == (not any(verdict.blocks(one) for one in some))


def test_exit_codes_are_the_contract() -> None:
    assert {decision.value: code for decision, code in verdict.EXIT_CODES.items()} == {
        "GO": 0,
        "GO_WITH_WAIVERS": 0,
        "NO_GO": 10,
        "INCONCLUSIVE": 11,
    }
