"""The command line and the environment that a suite gets, and that pytest takes them as they are meant."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest

import gate
from gate.errors import GateError
from gate.execute.command import RunContext, build_invocation
from gate.execute.environment import clean
from gate.execute.foreign import clear_junit, take_junit
from gate.model import Invocation, PlannedSuite, Suite

ROOT = str(Path(gate.__file__).parents[1])
TAKEN_AWAY = (
    *("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "GATE_NONCE", "LD_PRELOAD", "LD_AUDIT"),
    *("PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONBREAKPOINT"),
    *("PYTHONINSPECT", "PYTHONDONTWRITEBYTECODE", "PYTHONSAFEPATH", "PYTHONTRACEMALLOC", "PYTHONDEVMODE"),
)


def invocation(
    tmp_path: Path, *, marker: str | None = None, keyword: str | None = None, environ: Mapping[str, str] | None = None,
    service_env: Mapping[str, str] | None = None, extra_env: Mapping[str, str] | None = None, **suite: object,
) -> Invocation:  # fmt: skip
    values = {"name": "unit", "title": "unit", "paths": (".",), "env": {}} | suite
    context = RunContext(
        run_id="r1",
        project_dir=str(tmp_path),
        environ=os.environ if environ is None else environ,
        python=sys.executable,
        extra_env=extra_env or {},
        plugin_path=ROOT,
    )
    (tmp_path / "evidence").mkdir(exist_ok=True)
    return build_invocation(
        PlannedSuite(suite=Suite(**values), marker=marker, keyword=keyword),  # type: ignore[arg-type]
        context,
        nonce="n1",
        artefact_dir=str(tmp_path / "evidence"),
        service_env=service_env or {},
    )


def execute(made: Invocation) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        made.argv, cwd=made.cwd, env=dict(made.env), capture_output=True, text=True, timeout=60, check=False
    )


def cases(tmp_path: Path) -> list[ET.Element]:
    return list(ET.parse(tmp_path / "evidence" / "junit.xml").iter("testcase"))


def test_selection_becomes_options_and_the_gates_own_come_last(tmp_path: Path) -> None:
    argv = invocation(tmp_path, marker="performance", keyword="fast", workers=2, pytest_args=("-v",)).argv
    assert argv[:6] == (sys.executable, "-P", "-m", "pytest", ".", "-v")
    assert argv[6:12] == ("-n", "2", "-m", "performance", "-k", "fast")
    assert argv[-1] == f"--junitxml={tmp_path}/evidence/junit.xml"


def test_no_worker_means_no_option_for_workers(tmp_path: Path) -> None:
    assert "-n" not in invocation(tmp_path).argv


@pytest.mark.parametrize("path", ["-x", "@arguments"])
def test_a_path_that_reads_like_an_option_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(GateError, match="as an option"):
        invocation(tmp_path, paths=(path,))


@pytest.mark.parametrize("word", ["--", "@arguments"])
def test_a_word_that_would_hide_the_options_after_it_is_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(GateError, match="not allowed"):
        invocation(tmp_path, pytest_args=(word,))


def test_a_results_folder_that_pytest_would_expand_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "$HOME"
    folder.mkdir()
    with pytest.raises(GateError, match="expand"):
        invocation(folder)


@pytest.mark.parametrize("name", TAKEN_AWAY)
def test_what_changes_python_or_pytest_is_not_passed_on(name: str) -> None:
    assert name not in clean({name: "1", "PATH": "/bin"}, python="/venv/bin/python")


@pytest.mark.parametrize("name", ["HOME", "PYTHONHASHSEED", "PYTHONUTF8", "COVERAGE_PROCESS_START", "LANG"])
def test_what_changes_no_result_is_passed_on(name: str) -> None:
    assert clean({name: "1"}, python="/venv/bin/python")[name] == "1"


@pytest.mark.parametrize("path", ["/bin", "/bin:/venv/bin", "/venv/bin:/bin", "/bin::/venv/bin:"])
def test_the_interpreters_folder_comes_first_on_the_path_and_once(path: str) -> None:
    assert clean({"PATH": path}, python="/venv/bin/python")["PATH"] == "/venv/bin:/bin"


def test_a_suite_overrides_a_service_a_drill_overrides_a_suite_and_nothing_overrides_the_gate(tmp_path: Path) -> None:
    made = invocation(
        tmp_path,
        environ={"A": "0", "GATE_RUN": "0"},
        service_env={"A": "1", "B": "1", "C": "1"},
        env={"B": "2", "C": "2", "GATE_NONCE": "2"},
        extra_env={"C": "3"},
        duration_s=90.0,
    )
    assert [made.env[name] for name in "ABC"] == ["1", "2", "3"]
    told = {name: value for name, value in made.env.items() if name.startswith("GATE_")}
    assert told == {
        "GATE_NONCE": "n1",
        "GATE_RUN": "r1",
        "GATE_SUITE": "unit",
        "GATE_DIR": str(tmp_path / "evidence"),
        "GATE_DURATION": "90",
    }


def test_a_declared_command_runs_as_declared(tmp_path: Path) -> None:
    made = invocation(tmp_path, paths=(), command=("npx", "playwright", "test"), junit="out.xml")
    assert made.argv == ("npx", "playwright", "test")
    assert made.env["GATE_DIR"] == str(tmp_path / "evidence")


def test_pytest_writes_its_results_and_keeps_properties_even_where_warnings_are_errors(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (tmp_path / "test_it.py").write_text("def test_it(record_property): record_property('p95', '0.1')\n")
    run = execute(invocation(tmp_path))
    assert run.returncode == 0, run.stdout
    assert [element.attrib for element in cases(tmp_path)[0].iter("property")] == [{"name": "p95", "value": "0.1"}]


def test_the_projects_own_options_cannot_take_the_gates_back(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = -p no:gate.plugin --junitxml=other.xml --showlocals -o junit_family=xunit2\n"
    )
    (tmp_path / "test_it.py").write_text("def test_it(tmp_path):\n    secret = 'hunter22'\n    assert False\n")
    run = execute(invocation(tmp_path))
    assert run.returncode == 1
    assert len(cases(tmp_path)) == 1
    assert (tmp_path / "evidence" / "journal.jsonl").exists()
    assert not (tmp_path / "other.xml").exists()
    assert "hunter22" not in run.stdout.replace("secret = 'hunter22'", "", 1)


def test_pytest_keeps_its_memory_out_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): assert False\n")
    execute(invocation(tmp_path))
    assert not (tmp_path / ".pytest_cache").exists()


def test_two_options_of_narrowing_reach_pytest(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = performance\n")
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.performance\ndef test_fast(): ...\n"
        "@pytest.mark.performance\ndef test_slow(): ...\n"
        "def test_fast_too(): ...\n"
    )
    execute(invocation(tmp_path, marker="performance", keyword="fast"))
    assert [case.get("name") for case in cases(tmp_path)] == ["test_fast"]


def foreign(junit: str) -> Suite:
    return Suite(name="ui", title="ui", command=("tool",), junit=junit, env={})


def test_the_junit_file_of_an_earlier_run_is_cleared_and_the_new_one_taken(tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.mkdir()
    (tmp_path / "out.xml").write_text("<old/>")
    clear_junit(foreign("out.xml"), tmp_path)
    assert not take_junit(foreign("out.xml"), tmp_path, evidence)
    (tmp_path / "out.xml").write_text("<new/>")
    assert take_junit(foreign("out.xml"), tmp_path, evidence)
    assert (evidence / "junit.xml").read_text() == "<new/>"


@pytest.mark.parametrize("junit", ["../out.xml", "/etc/out.xml", "link/out.xml"])
def test_a_junit_file_outside_the_project_is_never_removed(tmp_path: Path, junit: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "link").symlink_to(tmp_path)
    (tmp_path / "out.xml").write_text("precious")
    with pytest.raises(GateError, match="outside the project"):
        clear_junit(foreign(junit), project)
    assert (tmp_path / "out.xml").read_text() == "precious"


def test_a_link_in_place_of_a_junit_file_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "real.xml").write_text("<old/>")
    (tmp_path / "out.xml").symlink_to(tmp_path / "real.xml")
    assert not take_junit(foreign("out.xml"), tmp_path, tmp_path)


def test_a_pipe_in_place_of_a_junit_file_does_not_hold_the_gate_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.xml")
    assert not take_junit(foreign("out.xml"), tmp_path, tmp_path)


def test_a_suite_of_pytest_has_no_foreign_file(tmp_path: Path) -> None:
    (tmp_path / "out.xml").write_text("<mine/>")
    suite = Suite(name="unit", title="unit", paths=("tests",), junit="out.xml", env={})
    clear_junit(suite, tmp_path)
    assert (tmp_path / "out.xml").exists()
