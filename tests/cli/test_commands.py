"""The commands around a run: what is selected, what is refused, and what is written where."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cli.projects import GOOD_TEST, Project

TWO = """\
version: 1
project: p
suites:
  fast:
    title: Fast things
    paths: [suites/s]
    categories: [unit]
  wide:
    paths: [suites/w]
    categories: [integration]
    contains: [performance]
    min_tests: 2
profiles:
  nightly: {suites: {fast: {min_tests: 9}}}
"""
WIDE = """
import pytest
def test_usual(): pass
@pytest.mark.performance
def test_quick(): pass
"""


@pytest.fixture
def two(project: Project) -> Project:
    project.write("gates.yaml", TWO)
    project.write("suites/w/test_w.py", WIDE)
    project.write("pytest.ini", "[pytest]\nmarkers = performance: measures\n")
    return project


def ran(record: dict[str, object] | object) -> dict[str, int]:
    assert isinstance(record, dict)
    return {suite["name"]: suite["tests"]["passed"] for suite in record["suites"]}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([], {"fast": 2, "wide": 2}),
        (["--suite", "fast"], {"fast": 2}),
        (["--category", "integration"], {"wide": 2}),
        (["--integration-only"], {"wide": 2}),
        (["--performance-only"], {"wide": 1}),
        (["--unit-only", "--performance-only"], {"fast": 2, "wide": 1}),
        (["-k", "one or quick"], {"fast": 1, "wide": 1}),
    ],
)
def test_a_selection_runs_what_it_names_and_only_everything_is_a_release_decision(
    two: Project, args: list[str], expected: dict[str, int]
) -> None:
    run = two.gate("run", *args)
    assert (run.exit_code, run.decision) == (0, "GO"), run.stdout + run.stderr
    assert ran(run.record) == expected
    assert run.record["scope"] == ("partial" if args else "full")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--suite", "fsat"], ["fsat", "fast", "wide"]),
        (["--category", "unti"], ["unti", "unit", "integration", "performance"]),
        (["--unti-only"], ["--unti-only", "--unit-only"]),
        (["--profile", "nightyl"], ["nightyl", "nightly"]),
        (["--duration", "soon"], ["soon", "60s"]),
        (["--jobs", "0"], ["0", "1"]),
        (["-c", "gate.yaml"], ["gate.yaml", "gate init"]),
    ],
)
def test_a_wrong_name_is_refused_with_the_right_ones(two: Project, args: list[str], words: list[str]) -> None:
    run = two.gate("run", *args)
    assert run.exit_code == 2
    assert all(word in run.stderr for word in words), run.stderr
    assert not (two.folder / "reports").exists(), "nothing may have been run"


def test_every_problem_of_a_manifest_is_shown_at_once_and_nothing_runs(project: Project) -> None:
    project.manifest("timeuot: 5m\nthresholds: {x: p95 < fast}")
    for command in ("check", "run", "list"):
        run = project.gate(command)
        assert run.exit_code == 2
        assert "gates.yaml:" in run.stderr
        assert "timeout" in run.stderr
        assert "p95 < fast" in run.stderr or "'fast'" in run.stderr or "fast" in run.stderr
    assert not (project.folder / "reports").exists()


def test_a_profile_is_laid_over_the_manifest(two: Project) -> None:
    run = two.gate("run", "--profile", "nightly")
    assert run.decision == "INCONCLUSIVE"
    assert run.record["profile"] == "nightly"


def test_a_dry_run_says_what_would_run_and_runs_nothing(two: Project) -> None:
    run = two.gate("run", "--dry-run", "--performance-only")
    assert run.exit_code == 0
    assert "wide" in run.stdout
    assert "-m 'performance'" in run.stdout
    assert not (two.folder / "reports").exists()


def test_suites_are_listed_both_ways(two: Project) -> None:
    listed, by_option = two.gate("list"), two.gate("run", "--list-suites")
    assert listed.exit_code == by_option.exit_code == 0
    assert listed.stdout == by_option.stdout
    assert "Fast things" in listed.stdout


def test_quiet_prints_the_decision_alone(two: Project) -> None:
    assert two.gate("run", "--quiet").stdout == "GO\n"


def test_the_schema_is_json_that_knows_the_keys(project: Project) -> None:
    schema = json.loads(project.gate("schema").stdout)
    assert {"version", "project", "suites"} <= set(schema["properties"])


def test_help_shows_the_categories_of_the_manifest_and_examples(two: Project) -> None:
    text = two.gate("run", "--help").stdout
    assert "--performance-only" in text
    assert "Examples" in text
    two.write("gates.yaml", "version: [")
    assert two.gate("run", "--help").exit_code == 0, "help must work beside a broken manifest"


def test_waivers_are_visible_and_can_be_refused(project: Project) -> None:
    project.write("suites/s/test_s.py", "def test_x(metrics): metrics.counter('lost').add(1)\n")
    project.manifest(
        "thresholds: {lost: total == 0}",
        "waivers:\n  - {id: W-1, finding: s/threshold/lost.total, owner: ada, reason: r, ticket: T-1,"
        " expires: 2099-01-01}\n",
    )
    run = project.gate("run")
    assert (run.exit_code, run.decision) == (0, "GO_WITH_WAIVERS")
    assert run.record["waivers"][0]["state"] == "used"
    assert project.gate("run", "--require-clean").exit_code == 12


def test_a_secret_of_the_environment_reaches_no_file(project: Project) -> None:
    secret = "correct-horse-battery"
    project.write(
        "suites/s/test_s.py",
        f"""
        import os, pytest, warnings
        def test_x(record_property):
            print(os.environ["API_TOKEN"])
            record_property("note", os.environ["API_TOKEN"])
            assert os.environ["API_TOKEN"] == "{secret[:5]}"
        @pytest.mark.parametrize("x", [os.environ["API_TOKEN"]])
        def test_named(x): pass
        """,
    )
    run = project.gate("run", env={"API_TOKEN": secret})
    assert run.decision == "NO_GO"
    files = [path for path in (project.folder / "reports").rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [path.name for path in files if secret.encode() in path.read_bytes()] == []
    assert "[redacted]" in (project.folder / "reports/latest/report.md").read_text()


def test_eight_runs_at_once_share_no_file(project: Project) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: project.gate("run", "--quiet"), range(8)))
    assert [run.exit_code for run in runs] == [0] * 8, [run.stderr for run in runs]
    folders = [path for path in (project.folder / "reports").iterdir() if not path.is_symlink()]
    assert len(folders) == 8
    nonces = {json.loads((folder / "suites/s/outcome.json").read_text())["nonce"] for folder in folders}
    assert len(nonces) == 8
    newest = max(folder.name for folder in folders)
    assert (project.folder / "reports/latest").resolve().name == newest


def test_github_gets_a_summary_outputs_and_annotations(project: Project) -> None:
    project.write("suites/s/test_s.py", GOOD_TEST + "def test_bad(): assert False, '::set-output name=decision::GO'\n")
    summary, outputs = project.folder / "summary.md", project.folder / "outputs"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(outputs)}
    run = project.gate("run", env=env)
    assert run.exit_code == 10
    assert "NO_GO" in summary.read_text()
    assert "decision=NO_GO" in outputs.read_text()
    assert "::error" in run.stdout
    assert not any(line.startswith("::set-output") for line in run.stdout.splitlines())


def test_init_writes_a_manifest_that_decides(project: Project) -> None:
    (project.folder / "gates.yaml").unlink()
    project.write("tests/test_t.py", GOOD_TEST + "import pytest\n@pytest.mark.skip\ndef test_later(): pass\n")
    made = project.gate("init", "tests", "--run")
    assert made.exit_code == 0, made.stderr
    text = (project.folder / "gates.yaml").read_text()
    assert "min_tests: 2" in text
    assert "skipped: 1" in text
    assert project.gate("run").decision == "GO"
    again = project.gate("init")
    assert again.exit_code == 2
    assert "--force" in again.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[tool.pytest.ini_options]\ntestpaths = "checks"\n'),
        ("pyproject.toml", '[tool.pytest]\ntestpaths = ["checks"]\n'),
        ("pytest.toml", '[pytest]\ntestpaths = ["checks"]\n'),
        ("pytest.ini", "[pytest]\ntestpaths = checks\n"),
        ("setup.cfg", "[tool:pytest]\ntestpaths = checks\n"),
    ],
)
def test_init_finds_the_tests_where_pytest_is_told_to_look(project: Project, name: str, text: str) -> None:
    project.write(name, text)
    project.write("checks/test_t.py", GOOD_TEST)
    assert project.gate("init", "--force").exit_code == 0
    assert "paths: [checks]" in (project.folder / "gates.yaml").read_text()


def test_init_measures_without_a_finding_of_its_own(project: Project) -> None:
    made = project.gate("init", "suites/s", "--force", "--run")
    assert "GO" in made.stderr.split(), made.stderr


SUBTESTS = """
import unittest
import pytest
def test_all(subtests):
    for number in range(3):
        with subtests.test(number=number):
            assert number >= 0
def test_some(subtests):
    for number in range(3):
        with subtests.test(number=number):
            if number == 1: pytest.skip("not here")
class TestOld(unittest.TestCase):
    def test_some(self):
        for number in range(3):
            with self.subTest(number=number):
                if number == 1: self.skipTest("not here")
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_a_skipped_subtest_needs_a_budget_and_leaves_its_test_passed(project: Project, workers: int) -> None:
    project.write("suites/s/test_s.py", SUBTESTS)
    project.manifest(f"workers: {workers}")
    run = project.gate("run")
    assert run.findings() == {"s/budget/skipped": "MISSING"}
    assert run.record["suites"][0]["tests"]["passed"] == 3
    project.manifest(f"workers: {workers}\nbudgets: {{skipped: 2}}")
    assert project.gate("run").decision == "GO"


def test_a_file_that_is_skipped_by_two_collectors_is_one_skip(project: Project) -> None:
    project.write("suites/s/test_later.py", 'import pytest\npytest.skip("later", allow_module_level=True)\n')
    project.manifest("budgets: {skipped: 1}\npytest_args: [--doctest-modules]")
    assert project.gate("run").findings() == {}


def test_measurements_of_pytest_benchmark_meet_thresholds(project: Project) -> None:
    project.write(
        "suites/s/test_s.py",
        """
        def test_sum(benchmark): benchmark(sum, range(100))
        def test_none(benchmark): pass
        """,
    )
    limits = "thresholds: {test_sum: ['p50 < 1 s', 'count >= 5'], test_none: count == 0}"
    project.manifest("pytest_args: [--benchmark-max-time=0.01]\nbudgets: {warnings: any}\n" + limits)
    run = project.gate("run")
    assert run.findings() == {"s/threshold/test_none.count": "MISSING"}
    assert run.record["suites"][0]["thresholds"][0]["observed"] > 0


def test_what_the_addopts_of_a_project_deselect_needs_a_budget(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\naddopts = -m 'not slow'\nmarkers = slow\n")
    project.write("suites/s/test_s.py", GOOD_TEST + "import pytest\n@pytest.mark.slow\ndef test_later(): pass\n")
    assert project.gate("run").findings() == {"s/budget/deselected": "MISSING"}
    project.manifest("budgets: {deselected: 1}")
    assert project.gate("run").decision == "GO"


def test_a_folder_that_cannot_hold_runs_is_said_before_anything_runs(project: Project) -> None:
    (project.folder / "taken").write_text("")
    run = project.gate("run", "--output", "taken/runs")
    assert run.exit_code == 70
    assert "taken/runs" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_manifest_that_changes_during_the_run_keeps_the_go_away(project: Project) -> None:
    project.write(
        "suites/s/test_s.py", "import pathlib\ndef test_x():\n    pathlib.Path('gates.yaml').open('a').write('#')\n"
    )
    assert "run/manifest" in project.gate("run").findings()


def test_another_tool_that_writes_junit_counts(project: Project) -> None:
    project.write(
        "tool.py",
        """
        import pathlib
        pathlib.Path("out.xml").write_text(
            '<testsuite tests="2"><testcase classname="c" name="a"/><testcase classname="c" name="b"/></testsuite>'
        )
        """,
    )
    project.write(
        "gates.yaml",
        "version: 1\nproject: p\nsuites:\n  k6: {command: [python, tool.py], junit: out.xml, min_tests: 2}\n",
    )
    run = project.gate("run")
    assert (run.exit_code, ran(run.record)) == (0, {"k6": 2}), run.stdout + run.stderr
    project.write("tool.py", "pass\n")
    run = project.gate("run")
    assert run.decision == "INCONCLUSIVE", "a file left by the run before is no evidence"
    assert "k6/evidence/junit.present" in run.findings()


def test_a_url_in_the_environment_replaces_a_service(project: Project) -> None:
    project.write(
        "suites/s/test_s.py",
        "import os\ndef test_x(): assert os.environ['REDIS_URL'].startswith('redis://127.0.0.1')\n",
    )
    project.manifest("needs: [redis]", "services: {redis: {provider: redis}}\n")
    refused = project.gate("run", env={"REDIS_URL": "redis://127.0.0.1:1/0"})
    assert refused.decision == "INCONCLUSIVE"
    assert refused.record["services"][0]["state"] == "failed"
    assert project.gate("run").record["services"][0]["state"] == "ready"


def test_color_codes_appear_only_where_they_are_wanted(project: Project) -> None:
    assert "\x1b" not in project.gate("run", env={"NO_COLOR": "1"}).stdout
    assert "\x1b" not in project.gate("run").stdout


def test_a_rerun_within_its_budget_is_a_go(project: Project) -> None:
    project.write(
        "suites/s/test_s.py",
        """
        import pathlib
        mark = pathlib.Path(__file__).with_suffix(".mark")
        def test_flaky():
            first = not mark.exists()
            mark.touch()
            assert not first
        def test_other(): pass
        """,
    )
    project.manifest("pytest_args: [--reruns=2]\nbudgets: {flaky: 1}")
    run = project.gate("run")
    assert (run.exit_code, run.findings()) == (0, {}), run.stdout
    assert run.record["suites"][0]["tests"]["flaky"] == 1
