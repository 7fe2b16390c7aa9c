"""JUnit: every test, threshold and finding is a test case, and nothing that blocks is green."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate import verdict
from gate.model import CaseResult, Decision, Dossier, Severity
from gate.report import junit
from tests import dossiers


def parsed(dossier: Dossier) -> ET.Element:
    return ET.fromstring(junit.render(dossier))


def case(root: ET.Element, classname: str, name: str) -> ET.Element:
    (found,) = [c for c in root.iter("testcase") if (c.get("classname"), c.get("name")) == (classname, name)]
    return found


def outcome(found: ET.Element) -> str:
    return next((child.tag for child in found if child.tag != "system-out"), "")


def test_every_test_threshold_and_finding_is_a_test_case():
    dossier = dossiers.no_go()
    root = parsed(dossier)
    names = {(c.get("classname"), c.get("name")) for c in root.iter("testcase")}
    for suite in dossier.suites:
        name = suite.result.name
        assert {(f"{name}.test", c.id) for c in suite.cases} <= names
        assert {(f"{name}.threshold", t.id.split("/", 2)[2]) for t in suite.result.thresholds} <= names
    assert ("database_persistence.budget", "leaks") in names
    assert ("gate.service", "app") in names
    assert [suite.get("name") for suite in root] == ["gate", *(s.result.name for s in dossier.suites)]


@pytest.mark.parametrize(
    ("classname", "name", "expected"),
    [
        ("gate.decision", "NO_GO", "failure"),
        ("gate.service", "app", "error"),
        ("database_persistence.threshold", "tick_processing.p99", "failure"),
        ("database_persistence.threshold", "batch_write.p95", ""),
        ("database_persistence.threshold", "recovery.p95", "error"),
        ("security.test", "suites/security/test_injection.py::test_sql", "skipped"),
        ("security.evidence", "journal.complete", ""),
        ("recovery.execution", "ended", "error"),
    ],
)
def test_what_failed_is_a_failure_what_is_not_known_an_error_and_what_does_not_count_passes(classname, name, expected):
    assert outcome(case(parsed(dossiers.no_go()), classname, name)) == expected


def test_what_does_not_count_passes_with_a_note():
    found = case(parsed(dossiers.no_go()), "security.evidence", "journal.complete")
    assert (found.findtext("system-out") or "").startswith("ERROR, counts as WARN\n")
    waived = case(parsed(dossiers.go_with_waivers()), "redis_pubsub.threshold", "delivery.p95")
    assert (waived.findtext("system-out") or "").startswith("FAIL, waived by W-1\n")


def test_a_failed_test_carries_its_traceback_and_its_last_line():
    found = case(
        parsed(dossiers.no_go()),
        "database_persistence.test",
        "suites/database_persistence/test_restart.py::test_ticks_survive_a_restart",
    ).find("failure")
    assert found is not None
    assert found.text == dossiers.TRACEBACK
    assert found.get("message", "").endswith("test_restart.py:48: AssertionError")


@pytest.mark.parametrize("make", dossiers.ALL.values(), ids=dossiers.ALL)
def test_the_file_is_green_only_when_the_decision_is_a_go(make):
    dossier = make()
    root = parsed(dossier)
    bad = int(root.get("failures", "")) + int(root.get("errors", ""))
    assert (bad == 0) == (dossier.record.decision in (Decision.GO, Decision.GO_WITH_WAIVERS))


@pytest.mark.parametrize("make", dossiers.ALL.values(), ids=dossiers.ALL)
def test_the_counts_are_those_of_the_elements(make):
    root = parsed(make())
    for counted in [root, *root.iter("testsuite")]:
        assert int(counted.get("tests", "")) == len([*counted.iter("testcase")])
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(counted.get(attribute, "")) == len([*counted.iter(tag)])


def test_a_run_that_saw_nothing_is_not_green():
    root = parsed(dossiers.empty())
    assert outcome(case(root, "gate.decision", "INCONCLUSIVE")) == "error"


def test_a_failing_test_without_a_finding_counts_under_the_severity_of_its_suite():
    whole = dossiers.no_go().suites[0]
    bare = replace(whole, result=replace(whole.result, findings=(), thresholds=(), severity=Severity.MAJOR))
    for severity, expected in ((Severity.MAJOR, ""), (Severity.BLOCKER, "failure")):
        suite = replace(bare, result=replace(bare.result, severity=severity))
        root = parsed(Dossier(record=dossiers.record((suite,)), suites=(suite,)))
        failed = [c for c in whole.cases if c.result is CaseResult.FAILED]
        assert {outcome(case(root, "database_persistence.test", c.id)) for c in failed} == {expected}


@given(st.text(min_size=1, max_size=60) | st.sampled_from(dossiers.PAYLOADS))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_the_xml_or_changes_its_shape(text):
    def shape(root: ET.Element) -> list[str]:
        return [element.tag for element in root.iter()]

    assert shape(parsed(dossiers.worded(text))) == shape(parsed(dossiers.worded("x")))


def test_endless_tracebacks_are_cut():
    assert len(junit.render(dossiers.hostile(long="y" * 1_000_000))) < 2_000_000


def test_beyond_the_room_for_all_details_each_is_cut_short(monkeypatch):
    monkeypatch.setattr(junit, "_ALL_DETAILS", 100)
    failed = replace(dossiers.no_go().suites[0].cases[-2], detail="line\n" * 1_000)
    suite = dossiers.suite("s", "S", tests=(failed, replace(failed, id="t.py::second")))
    root = parsed(Dossier(record=dossiers.record((suite,)), suites=(suite,)))
    first, second = (len(c.findtext("failure") or "") for c in root.iter("testcase") if c.get("classname") == "s.test")
    assert second < 600 < first


def test_the_decision_of_the_file_follows_the_record():
    for decision in Decision:
        run = replace(dossiers.empty().record, decision=decision, exit_code=verdict.EXIT_CODES[decision])
        root = parsed(Dossier(record=run, suites=()))
        found = case(root, "gate.decision", decision.value)
        assert (outcome(found) == "") == (decision in (Decision.GO, Decision.GO_WITH_WAIVERS))
