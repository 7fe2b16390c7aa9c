"""What a drill proves: when it is caught, what keeps it from being so, and how the matrix shows it in every form."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gate.codec import dumps, loads
from gate.errors import UsageError
from gate.model import (
    Baseline,
    BaselineState,
    Decision,
    Drill,
    DrillMatrix,
    DrillResult,
    DrillState,
    Finding,
    Identity,
    Record,
    ServiceOutcome,
    ServiceState,
    Severity,
    Sighting,
    Status,
    Undrilled,
)
from gate.report import drill_html, drill_markdown, drill_rows
from gate.run import drill_verdict
from gate.run.drill import choose
from gate.verdict import decide
from tests import dossier_parts, dossiers
from tests.core.test_report_html import _Page
from tests.manifests import manifest_of

LIMIT = "a/threshold/lost.total"


def finding(finding_id: str = LIMIT, status: Status = Status.FAIL, **more: Any) -> Finding:
    return dossier_parts.finding(finding_id, status, "said so", observed="4", expected="total == 0", **more)


def drill(*expect: str, only: str | None = None) -> Drill:
    return Drill(name="d", expect=expect or (LIMIT,), env={"F": "x"}, only=only)


def record(*findings: Finding, **more: Any) -> Record:
    """A run with one suite, `a`, decided as its findings ask for."""
    suite = dossier_parts.suite("a", "A", tests=()).result
    decision = decide((*findings, *more.get("findings", ())))
    every = {
        "decision": decision,
        "exit_code": {Decision.NO_GO: 10, Decision.INCONCLUSIVE: 11}.get(decision, 0),
        **more,
    }
    return replace(dossier_parts.record(), suites=(replace(suite, findings=findings),), **every)


# ---- when a drill is caught -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "state", "note"),
    [
        (finding(), DrillState.CAUGHT, ""),
        (finding(status=Status.UNFIT), DrillState.CAUGHT, "machine unfit"),
        (finding(status=Status.PASS), DrillState.MISSED, "it passed"),
        (finding(status=Status.MISSING), DrillState.MISSED, "it is not known: said so"),
        (finding(status=Status.INSUFFICIENT), DrillState.MISSED, "it is not known: said so"),
        (finding(status=Status.ERROR), DrillState.MISSED, "it is not known: said so"),
        (finding(severity=Severity.MAJOR), DrillState.MISSED, "its severity is major"),
        (finding(severity=Severity.INFO), DrillState.MISSED, "its severity is info"),
        (finding(status=Status.UNFIT, severity=Severity.MAJOR), DrillState.MISSED, "it is not known: said so"),
        (finding(waived_by="W-1"), DrillState.MISSED, "it is waived by W-1"),
        (finding("a/threshold/other.total"), DrillState.MISSED, "there was no such finding"),
    ],
)
def test_a_drill_is_caught_only_by_its_own_limit_missed_in_a_way_that_blocks(
    seen: Finding, state: DrillState, note: str
) -> None:
    # Something else blocks as well, so that the decision alone does not settle it.
    judged, (sighting,), _ = drill_verdict.judge(drill(), record(seen, finding("a/execution/exit_code")))
    assert (judged, sighting.caught, sighting.note) == (state, state is DrillState.CAUGHT, note)


@pytest.mark.parametrize(
    "name", ["a/budget/skipped", "a/evidence/journal.exit", "a/tests/min_tests", "a/execution/services"]
)
def test_a_rule_that_never_fails_is_caught_when_it_blocks_with_what_it_can_say(name: str) -> None:
    assert drill_verdict.judge(drill(name), record(finding(name, Status.MISSING)))[0] is DrillState.CAUGHT
    assert drill_verdict.judge(drill(name), record(finding(name, Status.PASS), finding()))[0] is DrillState.MISSED


def test_every_expected_finding_must_appear_and_others_are_no_miss() -> None:
    both = drill(LIMIT, "a/threshold/late.p95")
    run = record(finding(), finding("a/threshold/late.p95", Status.PASS), finding("a/execution/exit_code"))
    state, sightings, reason = drill_verdict.judge(both, run)
    assert (state, [one.caught for one in sightings]) == (DrillState.MISSED, [True, False])
    assert reason == "1 of 2 expected findings did not appear"
    assert drill_verdict.also(both, run) == ("a/execution/exit_code",)
    assert drill_verdict.judge(drill(), run)[0] is DrillState.CAUGHT


@pytest.mark.parametrize("decision", [Decision.GO, Decision.GO_WITH_WAIVERS])
def test_a_go_is_never_caught_whatever_its_findings_say(decision: Decision) -> None:
    state, _, reason = drill_verdict.judge(drill(), record(finding(), decision=decision))
    assert (state, decision in reason) == (DrillState.MISSED, True)


def test_an_interrupted_run_proves_nothing_although_the_finding_is_there() -> None:
    assert drill_verdict.judge(drill(), record(finding(), exit_code=143))[0] is DrillState.INTERRUPTED


@pytest.mark.parametrize("status", ["4", "5"])
def test_a_drill_that_selects_no_test_is_broken_and_not_missed(status: str) -> None:
    ended = replace(finding("a/execution/exit_code", Status.MISSING), observed=status)
    state, _, reason = drill_verdict.judge(drill(only="nosuch"), record(ended))
    assert (state, reason) == (DrillState.BROKEN, "`only: nosuch` selects no test of a")
    assert drill_verdict.judge(drill(), record(ended))[0] is DrillState.MISSED


def test_a_drill_whose_service_does_not_come_up_is_broken_and_says_which() -> None:
    failed = ServiceOutcome(
        name="app", provider="command", state=ServiceState.FAILED, reason="service app: no such program"
    )
    state, _, reason = drill_verdict.judge(
        drill(), record(finding("a/execution/ended", Status.MISSING), services=(failed,))
    )
    assert (state, reason) == (DrillState.BROKEN, "service app did not come up: no such program")
    died = replace(failed, state=ServiceState.DIED)
    assert drill_verdict.judge(drill(), record(finding(), services=(died,)))[0] is DrillState.CAUGHT


@pytest.mark.parametrize(
    ("name", "possible"),
    [
        (LIMIT, True),
        ("a/threshold/late.p95", False),
        ("b/threshold/lost.total", False),
        ("a/execution/exit_code", True),
        ("b/test/x", False),
    ],
)
def test_what_only_another_profile_declares_is_told_apart(name: str, possible: bool) -> None:
    declared = manifest_of("paths: [t], thresholds: {lost: total == 0}")
    assert drill_verdict.possible(name, declared) is possible


# ---- without a fault --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("findings", "of_run", "state"),
    [
        ((finding(status=Status.PASS), finding("a/x", Status.WARN)), (), BaselineState.GO),
        ((finding(severity=Severity.MAJOR),), (), BaselineState.GO),
        ((finding(),), (), BaselineState.FALSE_ALARM),
        ((finding(status=Status.MISSING),), (), BaselineState.NOT_KNOWN),
        ((finding(status=Status.PASS),), (finding("run/identity", Status.ERROR),), BaselineState.NOT_KNOWN),
    ],
)
def test_a_suite_proves_something_only_when_it_is_go_without_a_fault(
    findings: tuple[Finding, ...], of_run: tuple[Finding, ...], state: BaselineState
) -> None:
    (seen,) = drill_verdict.baselines(("a",), record(*findings, findings=of_run))
    assert (seen.state, bool(seen.alarms)) == (state, state is not BaselineState.GO)


def test_a_suite_that_was_not_judged_is_not_known() -> None:
    assert drill_verdict.baselines(("b",), record(finding(status=Status.PASS)))[0].state is BaselineState.NOT_KNOWN


EARLIER = {"commit": "c0ffee", "dirty": False, "manifest_digest": manifest_of().digest, "profile": None}


@pytest.mark.parametrize(
    ("changed", "now", "words"),
    [
        ({}, {}, ""),
        ({"decision": Decision.NO_GO}, {}, "its decision is NO_GO"),
        ({"exit_code": 130}, {}, "its decision"),
        ({"manifest_digest": "other"}, {}, "under another manifest"),
        ({"profile": "nightly"}, {}, "its profile is nightly"),
        ({"commit": None}, {"commit": None}, "no commit is bound to it"),
        ({}, {"commit": "beef"}, "about commit c0ffee"),
        ({"dirty": True}, {}, "uncommitted changes then"),
        ({"dirty": None}, {}, "uncommitted changes then"),
        ({}, {"dirty": True}, "uncommitted changes now"),
    ],
)
def test_an_earlier_run_stands_in_only_when_it_is_about_this_very_tree(
    changed: dict[str, Any], now: dict[str, Any], words: str
) -> None:
    earlier = record(finding(status=Status.PASS), **{**EARLIER, **changed})
    identity = Identity(**{"commit": "c0ffee", "dirty": False, **now})
    problem = drill_verdict.unusable(earlier, manifest_of(), identity, ["a"])
    assert words in problem
    assert bool(problem) is bool(words)


def test_an_earlier_run_must_have_run_every_suite_whole() -> None:
    earlier = record(finding(status=Status.PASS), **EARLIER)
    identity = Identity(commit="c0ffee", dirty=False)
    assert drill_verdict.unusable(earlier, manifest_of(), identity, ["a", "b"]) == "it did not run b whole"
    narrowed = replace(earlier, suites=(replace(earlier.suites[0], narrowed_by="-k x"),))
    assert drill_verdict.unusable(narrowed, manifest_of(), identity, ["a"]) == "it did not run a whole"


# ---- all of them ------------------------------------------------------------------------------------------------


def matrix(*drills: DrillResult, **more: Any) -> DrillMatrix:
    base = DrillMatrix(
        schema="gate/drill/v1", drills_id="20260301T140509Z-abcdef", project="shop", exit_code=0,
        started_at="2026-03-01T14:05:09+00:00", finished_at="2026-03-01T14:06:09+00:00", duration_s=60.0,
        commit="4f2a1b9c33aa", dirty=True, branch="main", manifest_digest="d1" * 32, profile=None,
        environment={"platform": "Linux x86_64", "cores": "2 usable of 2"}, gate_version="1", interrupted_by=None,
        require_all=False, baseline_run="20260301T140509Z-000000",
        baselines=(Baseline(suite="a", state=BaselineState.GO),), drills=drills, undrilled=(),
    )  # fmt: skip
    made = replace(base, **more)
    return replace(made, exit_code=drill_verdict.exit_code(made))


def result(state: DrillState, text: str = "d", **more: Any) -> DrillResult:
    caught = state is DrillState.CAUGHT
    sighting = Sighting(
        finding=LIMIT, caught=caught, status=Status.FAIL if caught else Status.PASS, observed="4",
        expected="total == 0", note="" if caught else text,
    )  # fmt: skip
    base = DrillResult(
        name="drop", state=state, fault=(f"F={text}",), sightings=(sighting,), reason="" if caught else text
    )
    return replace(base, **more)


CAUGHT = result(DrillState.CAUGHT)
ALARM = (Baseline(suite="a", state=BaselineState.FALSE_ALARM, alarms=("a/x FAIL: why",)),)
UNKNOWN = (Baseline(suite="a", state=BaselineState.NOT_KNOWN),)
LACKING = (Undrilled(finding=LIMIT, source="total == 0", severity=Severity.BLOCKER),)
LESSER = (replace(LACKING[0], severity=Severity.MAJOR),)


@pytest.mark.parametrize(
    ("seen", "code", "word"),
    [
        (matrix(CAUGHT, CAUGHT), 0, "All caught"),
        (matrix(CAUGHT, result(DrillState.MISSED)), 10, "Not all caught"),
        (matrix(result(DrillState.BROKEN), result(DrillState.MISSED)), 10, "Not all caught"),
        (matrix(CAUGHT, result(DrillState.BROKEN)), 11, "Not known"),
        (matrix(CAUGHT, result(DrillState.INTERRUPTED)), 11, "Not known"),
        (matrix(result(DrillState.NOT_PROVEN), baselines=ALARM), 10, "Not all caught"),
        (matrix(result(DrillState.NOT_PROVEN), baselines=UNKNOWN), 11, "Not known"),
        (matrix(CAUGHT, undrilled=LACKING), 0, "All caught"),
        (matrix(CAUGHT, undrilled=LACKING, require_all=True), 10, "Not all caught"),
        (matrix(CAUGHT, undrilled=LESSER, require_all=True), 0, "All caught"),
        (matrix(CAUGHT, interrupted_by="SIGINT"), 130, "Interrupted"),
        (matrix(result(DrillState.MISSED), interrupted_by="SIGTERM"), 143, "Interrupted"),
    ],
)
def test_the_exit_code_and_the_outcome_follow_from_the_worst(seen: DrillMatrix, code: int, word: str) -> None:
    assert (seen.exit_code, drill_rows.outcome(seen).word) == (code, word)
    assert f"**{word}** (exit code {code})" in drill_markdown.render(seen).splitlines()[-1]
    assert loads(DrillMatrix, dumps(seen)) == seen


def test_limits_that_no_declared_drill_expects_to_fail_are_listed() -> None:
    declared = manifest_of(
        "paths: [t], thresholds: {lost: total == 0, late: [p95 < 5 ms, {check: p99 < 9 ms, severity: major}]}",
        f"drills: {{d: {{env: {{F: x}}, expect: [{LIMIT}]}}}}",
    )
    listed = [(one.finding, one.source, one.severity.value) for one in drill_verdict.undrilled(declared)]
    assert listed == [
        ("a/threshold/late.p95", "p95 < 5 ms", "blocker"),
        ("a/threshold/late.p99", "p99 < 9 ms", "major"),
    ]
    assert drill_verdict.undrilled(declared, ["b"]) == ()


def test_drills_are_chosen_by_name_and_by_suite_in_the_order_of_the_manifest() -> None:
    drills = (
        "x: {env: {F: x}, expect: [a/x/y]}, y: {env: {F: x}, expect: [b/x/y]}, z: {env: {F: x}, expect: [a/x/y, b/x/y]}"
    )
    declared = manifest_of(more=f"  b: {{paths: [b]}}\ndrills: {{{drills}}}")
    chosen = {
        ((), ()): "xyz", (("z", "x"), ()): "xz", ((), ("a",)): "xz", (("x", "y"), ("b",)): "y",
    }  # fmt: skip
    for (names, suites), expected in chosen.items():
        assert "".join(one.name for one in choose(declared, names, suites)) == expected
    for names, suites in ((("w",), ()), ((), ("c",)), (("x",), ("b",))):
        with pytest.raises(UsageError):
            choose(declared, names, suites)


# ---- how it is shown --------------------------------------------------------------------------------------------


def worded(text: str) -> DrillMatrix:
    """A matrix with `text` wherever text comes from outside."""
    missed = result(DrillState.MISSED, text, name=text, also=(text, text), only=text, run_id=text)
    missed = replace(missed, sightings=tuple(replace(one, observed=text, expected=text) for one in missed.sightings))
    return matrix(
        CAUGHT, missed, project=text, commit=text, branch=text, profile=text, environment={"cpu": text, "cores": text},
        baselines=(Baseline(suite="a", state=BaselineState.FALSE_ALARM, alarms=(text,)),), manifest_digest=text,
        undrilled=(Undrilled(finding=f"a/threshold/{text}", source=text, severity=Severity.BLOCKER),), drills_id=text,
        gate_version=text, baseline_run=text, started_at=text, finished_at=text,
    )  # fmt: skip


def test_each_cell_says_caught_by_what_missed_or_nothing() -> None:
    other = result(DrillState.CAUGHT, name="late")
    unfit = tuple(replace(one, finding="b/threshold/p.p95", note="machine unfit") for one in other.sightings)
    shown = matrix(result(DrillState.MISSED), replace(other, sightings=unfit), result(DrillState.BROKEN))
    table = drill_markdown.render(shown).partition("## Matrix\n\n")[2].splitlines()
    assert table[0] == "| Fault | <code>a</code> | <code>b</code> |"
    assert table[2:6] == [
        "| **no fault** | ✓ GO | – |",
        "| <code>drop</code> | ✗ missed <code>lost.total</code> 4 against total == 0 | – |",
        "| <code>late</code> | – | ✓ caught (machine unfit) <code>p.p95</code> 4 against total == 0 |",
        "| <code>drop</code> | ? broken <code>lost.total</code> | – |",
    ]
    text = _Page(drill_html.render(shown)).text
    for words in (
        "1 of 3 drills caught, 1 missed, 1 broken.",
        "4 against total == 0",
        "Commit 4f2a1b9c33aa",
    ):
        assert words in text


@given(st.text(min_size=1, max_size=60) | st.sampled_from(dossiers.PAYLOADS))
@example(" ")
@settings(max_examples=30, deadline=None)
def test_no_text_changes_the_shape_of_the_page_or_hides_anything(text: str) -> None:
    page = drill_html.render(worded(text))
    assert _Page(page).shape == _Page(drill_html.render(worded("x"))).shape
    assert page.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", page)


@given(st.text(min_size=1, max_size=60) | st.sampled_from(dossiers.PAYLOADS))
@example(" ")
@settings(max_examples=30, deadline=None)
def test_no_text_makes_markup_tables_or_mentions_in_the_markdown(text: str) -> None:
    def shape(document: str) -> list[tuple[int, tuple[str, ...]]]:
        return [(line.count("|"), tuple(re.findall(r"<[a-z/]+>", line))) for line in document.splitlines()]

    written = drill_markdown.render(worded(text))
    assert shape(written) == shape(drill_markdown.render(worded("x")))
    assert not re.search(r"@(?!<)", written.replace("&#64;", ""))


def test_the_page_is_one_file_without_script_and_address_under_a_strict_policy() -> None:
    shown = _Page(drill_html.render(worded("<script>")))
    tags = {tag for tag, _ in shown.elements}
    assert tags.isdisjoint({"script", "img", "iframe", "object", "embed", "link", "form", "base", "image", "use"})
    names = {name for _, attrs in shown.elements for name in attrs}
    assert not {name for name in names if name.startswith("on")} | names & {"style", "src", "srcset", "action"}
    ids = {attrs["id"] for _, attrs in shown.elements if "id" in attrs}
    addresses = [attrs["href"] for tag, attrs in shown.elements if tag == "a"]
    named = {word for _, attrs in shown.elements for word in (attrs.get("aria-labelledby") or "").split()}
    assert named | {(address or "")[1:] for address in addresses} <= ids
    policy = next(attrs["content"] for tag, attrs in shown.elements if "http-equiv" in attrs)
    assert (policy or "").startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert shown.open == []


def test_markdown_gives_up_rows_before_the_outcome() -> None:
    many = matrix(*[result(DrillState.MISSED, "why " * 60)] * 400)
    short = drill_markdown.render(many, limit_bytes=40_000)
    assert len(short.encode()) <= 40_000
    assert "and 380 more" in short
    least = drill_markdown.render(many, limit_bytes=600)
    assert least.splitlines()[-1] == "**Not all caught** (exit code 10)"
    assert "drill.json holds them" in least
