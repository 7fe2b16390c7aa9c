"""Ctrl-C, TERM, HUP and kill -9 in mid-run: nothing is left running, what finished is kept, and no GO comes out."""

import json
import signal
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from tests.cli.projects import GOOD_TEST, Project
from tests.edges.bell import Bell

WAITS = """
import pathlib, subprocess, sys, threading
def test_waits():
    daemon = "import os, threading; os.setsid(); print('up', flush=True); threading.Event().wait()"
    child = subprocess.Popen([sys.executable, "-c", daemon], stdout=subprocess.PIPE)
    child.stdout.readline()
    pathlib.Path("waiting").write_text("here")
    threading.Event().wait()
"""
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture
def waiting(project: Project) -> Iterator[tuple[Project, subprocess.Popen[str]]]:
    """A run whose first suite has finished and whose second waits for ever, beside a daemon and real servers."""
    project.write("suites/t/test_t.py", WAITS)
    project.manifest(
        "estimate: 9h\nneeds: [redis]",
        "  t: {paths: [suites/t], needs: [redis], estimate: 1s}\nservices: {redis: {provider: redis}}\n",
    )
    bell = Bell(project.folder / "waiting")
    gate = project.start("run", "--jobs", "1")
    try:
        assert bell.wait() == "here"
        yield project, gate
    finally:
        bell.close()
        if gate.poll() is None:
            gate.kill()
        gate.communicate()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_everything_and_the_report_is_written(
    waiting: tuple[Project, subprocess.Popen[str]], number: signal.Signals
) -> None:
    project, gate = waiting
    gate.send_signal(number)
    stdout, stderr = gate.communicate(timeout=60)
    record = project.record()
    assert gate.returncode == {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}[number.name], stdout + stderr
    assert record["decision"] == "INCONCLUSIVE"
    status = {suite["name"]: suite["status"] for suite in record["suites"]}
    assert status["s"] == "PASS"
    assert status["t"] != "PASS"
    assert (project.folder / "reports/latest/report.html").exists()
    assert not project.processes()


def test_two_signals_in_a_row_end_it_too(waiting: tuple[Project, subprocess.Popen[str]]) -> None:
    project, gate = waiting
    gate.send_signal(signal.SIGINT)
    gate.send_signal(signal.SIGTERM)
    gate.communicate(timeout=60)
    assert gate.returncode in (130, 143)
    assert project.record()["decision"] == "INCONCLUSIVE"
    assert not project.processes()


def test_kill_9_leaves_no_process_and_no_decision_and_the_next_run_is_clean(
    waiting: tuple[Project, subprocess.Popen[str]],
) -> None:
    project, gate = waiting
    family = psutil.Process(gate.pid).children(recursive=True)
    assert {"valkey-server", "python"} <= {process.name().partition(":")[0] for process in family}
    gate.kill()
    gate.communicate()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
    assert project.record() == {}
    refused = project.gate("report")
    assert refused.exit_code == 2
    assert "record" in refused.stderr
    finished = json.loads((project.folder / "reports/latest/suites/s/outcome.json").read_text())
    assert finished["exit_code"] == 0

    project.write("suites/t/test_t.py", GOOD_TEST)
    run = project.gate("run")
    assert (run.exit_code, run.decision) == (0, "GO"), run.stdout + run.stderr


def test_fail_fast_starts_nothing_more_after_a_failure(project: Project) -> None:
    project.write("suites/t/test_t.py", "def test_bad(): assert False\n")
    project.manifest("estimate: 1s")
    with (project.folder / "gates.yaml").open("a") as file:
        file.write("  t: {paths: [suites/t], estimate: 9h}\n")
    run = project.gate("run", "--jobs", "1", "--fail-fast")
    assert run.decision == "NO_GO"
    assert run.findings()["s/execution/ended"] == "MISSING"
    assert run.record["not_run"] == ["s"]
