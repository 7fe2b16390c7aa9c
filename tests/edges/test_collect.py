"""The collector: every rule that the judge asks for is answered by exactly one reader, whatever lies in the folder."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate import codec
from gate.evidence import collect, journal, junit, metrics, properties, resources, seal
from gate.judge import suite as judging
from gate.model import Ending, PlannedSuite
from tests.evidences import outcome, suite

READERS = (seal, resources, junit, journal, metrics, properties, collect)
PLANNED = PlannedSuite(suite=suite())


def test_the_judge_asks_for_exactly_the_rules_that_the_readers_answer() -> None:
    answered = [name for reader in READERS for name in reader.CHECKS]
    assert sorted(answered) == sorted(judging.required_checks(suite()))
    assert len(set(answered)) == len(answered)


def test_a_folder_with_nothing_in_it_is_no_evidence(tmp_path: Path) -> None:
    assert collect.collect(tmp_path, PLANNED) is None


def test_an_outcome_of_another_suite_is_no_evidence(tmp_path: Path) -> None:
    (tmp_path / "outcome.json").write_text(codec.dumps(outcome(suite="other")))
    assert collect.collect(tmp_path, PLANNED) is None


def test_an_outcome_alone_answers_every_rule_and_passes_none_that_needs_a_file(tmp_path: Path) -> None:
    (tmp_path / "outcome.json").write_text(codec.dumps(outcome()))
    seen = collect.collect(tmp_path, PLANNED)
    assert seen is not None
    assert {check.name for check in seen.checks} == set(judging.required_checks(suite()))
    result = judging.judge_suite(PLANNED, seen, day="2026-11-21", unfit=None)
    assert result.status not in ("PASS", "WARN")


def test_a_suite_that_never_started_needs_no_other_evidence(tmp_path: Path) -> None:
    (tmp_path / "outcome.json").write_text(codec.dumps(outcome(ending=Ending.NOT_STARTED, exit_code=None, reason="x")))
    seen = collect.collect(tmp_path, PLANNED)
    assert seen is not None
    assert [f.id for f in judging.judge_suite(PLANNED, seen, day="2026-11-21", unfit=None).findings] == [
        "s/execution/ended"
    ]


@pytest.mark.parametrize("name", ["journal.jsonl", "junit.xml", "seal.json", "resources.jsonl", "outcome.json"])
@given(data=st.binary(max_size=200))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_in_any_file_are_read_without_an_exception(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / "outcome.json").write_text(codec.dumps(outcome()))
    (tmp_path / name).write_bytes(data)
    seen = collect.collect(tmp_path, PLANNED)
    assert seen is None or {check.name for check in seen.checks} == set(judging.required_checks(suite()))
