"""What lies on disk decides: judged again it is the same, and less of it is never a GO."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gate.errors import RunUnreadable
from gate.evidence import seal
from gate.run import stored
from tests.cli.projects import Project

RECORDS = """
def test_records(metrics):
    latency = metrics.histogram("latency", unit="s")
    for _ in range(100):
        latency.record(0.001)
def test_two(): pass
"""
SLOW = "thresholds: {latency: p95 < 0.1 ms}"
FAST = "thresholds: {latency: p95 < 5 ms}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """A finished GO, NO_GO and INCONCLUSIVE run."""
    made = {}
    wanted = {"GO": FAST, "NO_GO": SLOW, "INCONCLUSIVE": FAST + "\nmin_tests: 3"}
    for decision, suite in wanted.items():
        project = Project(folder=tmp_path_factory.mktemp(decision.lower()))
        project.write("suites/s/test_s.py", RECORDS)
        project.manifest(suite)
        assert project.gate("run").decision == decision
        made[decision] = project
    return made


@pytest.fixture
def go(finished: dict[str, Project]) -> Project:
    return finished["GO"]


def test_judging_again_gives_the_same_record_byte_for_byte(finished: dict[str, Project]) -> None:
    for decision, project in finished.items():
        run = project.gate("judge", "--record", "again.json")
        assert (project.folder / "again.json").read_bytes() == (
            project.folder / "reports/latest/record.json"
        ).read_bytes()
        assert run.exit_code == {"GO": 0, "NO_GO": 10, "INCONCLUSIVE": 11}[decision]
        assert "byte for byte" in run.stdout


def test_judging_under_a_stricter_manifest_decides_by_it(go: Project) -> None:
    text = (go.folder / "gates.yaml").read_text().replace(FAST, SLOW)
    (go.folder / "stricter.yaml").write_text(text)
    run = go.gate("judge", "-c", "stricter.yaml", "--record", "-")
    assert run.exit_code == 10
    assert json.loads(run.stdout)["decision"] == "NO_GO"
    assert run.decision == "GO", "the stored record stays as it was"


def test_a_suite_that_the_other_manifest_adds_is_missing(go: Project) -> None:
    (go.folder / "more.yaml").write_text((go.folder / "gates.yaml").read_text() + "  t: {paths: [suites/s]}\n")
    assert go.gate("judge", "-c", "more.yaml").exit_code == 11


@pytest.mark.parametrize("form", ["html", "md", "json", "junit", "github"])
def test_every_format_is_rendered_from_the_stored_run(go: Project, form: str) -> None:
    run = go.gate("report", "--format", form)
    assert run.exit_code == 0, run.stderr
    assert "GO" in run.stdout


def test_the_report_is_the_same_as_the_one_written_at_the_end_of_the_run(go: Project) -> None:
    for form, name in (("html", "report.html"), ("md", "report.md"), ("junit", "junit.xml")):
        assert go.gate("report", "--format", form, "-o", "again").exit_code == 0
        assert (go.folder / "again").read_bytes() == (go.folder / "reports/latest" / name).read_bytes()


def test_a_run_that_is_not_there_is_said_with_the_ones_that_are(go: Project) -> None:
    run = go.gate("judge", "20200101T000000Z-000000")
    assert run.exit_code == 2
    assert (go.folder / "reports/latest").resolve().name in run.stderr


# ---- the monotone law, on the files of real runs ------------------------------------------------------------------


def _judge_copy(project: Project, copy: Path) -> str:
    """The decision over a copy of the latest run, `unreadable` where there is none to be had."""
    run_id = (project.folder / "reports/latest").resolve().name
    try:
        return str(stored.judge(copy, run_id, config=None, profile=None).record.decision)
    except RunUnreadable:
        return "unreadable"


def _files(project: Project) -> list[str]:
    """Every file that judging rests on; the reports and the lock are not among them."""
    run = (project.folder / "reports/latest").resolve()
    spared = {"lock", "record.json", "report.html", "report.md", "junit.xml"}
    return sorted(
        path.relative_to(run).as_posix()
        for path in run.rglob("*")
        if path.is_file() and path.relative_to(run).as_posix() not in spared
    )


@pytest.mark.parametrize("decision", ["GO", "NO_GO", "INCONCLUSIVE"])
def test_no_file_of_a_run_can_be_taken_away_without_losing_the_go(
    finished: dict[str, Project], tmp_path: Path, decision: str
) -> None:
    project = finished[decision]
    run = (project.folder / "reports/latest").resolve()
    files = _files(project)
    assert {"plan.json", "run.json", "suites/s/journal.jsonl", "suites/s/junit.xml"} <= set(files)
    for number, name in enumerate(files):
        copy = tmp_path / str(number)
        shutil.copytree(run, copy / run.name)
        (copy / run.name / name).unlink()
        assert _judge_copy(project, copy) not in ("GO", "GO_WITH_WAIVERS"), name
        shutil.rmtree(copy)


def _cut_copy(project: Project, to: Path, name: str, length: int) -> Path:
    run = (project.folder / "reports/latest").resolve()
    shutil.copytree(run, to / run.name)
    path = to / run.name / name
    path.write_bytes(path.read_bytes()[:length])
    return to / run.name


_LAW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@given(data=st.data())
@_LAW
def test_no_file_of_a_run_can_be_cut_at_any_byte_without_losing_the_go(
    finished: dict[str, Project], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    project = finished[data.draw(st.sampled_from(sorted(finished)))]
    name = data.draw(st.sampled_from([name for name in _files(project) if _size(project, name)]))
    copy = tmp_path_factory.mktemp("cut")
    _cut_copy(project, copy, name, data.draw(st.integers(0, _size(project, name) - 1)))
    assert _judge_copy(project, copy) not in ("GO", "GO_WITH_WAIVERS")
    shutil.rmtree(copy)


@given(data=st.data())
@_LAW
def test_each_channel_notices_by_itself_that_it_was_cut(
    finished: dict[str, Project], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    # Sealed anew after the cut: what notices is the channel, not the seal. Samples of resources stand each for itself,
    # so that only the seal can miss the last of them.
    project = finished[data.draw(st.sampled_from(sorted(finished)))]
    channels = ("journal.jsonl", "junit.xml", "limits.json", "outcome.json", "metrics/main-")
    names = [name for name in _files(project) if name.startswith(tuple(f"suites/s/{start}" for start in channels))]
    name = data.draw(st.sampled_from(names))
    copy = tmp_path_factory.mktemp("cut")
    run = _cut_copy(project, copy, name, data.draw(st.integers(0, _size(project, name) - 1)))
    seal.seal(run / "suites" / "s")
    assert _judge_copy(project, copy) not in ("GO", "GO_WITH_WAIVERS"), name
    shutil.rmtree(copy)


@pytest.mark.parametrize("name", ["plan.json", "run.json", "suites/s/outcome.json"])
def test_the_very_last_byte_of_a_file_counts(go: Project, tmp_path: Path, name: str) -> None:
    run = _cut_copy(go, tmp_path, name, _size(go, name) - 1)
    seal.seal(run / "suites" / "s")
    assert _judge_copy(go, tmp_path) not in ("GO", "GO_WITH_WAIVERS")


def _size(project: Project, name: str) -> int:
    return (project.folder / "reports/latest" / name).stat().st_size
