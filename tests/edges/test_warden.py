"""The gate itself is killed: nothing that it started is left, and no directory either."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import gate
from gate.execute.services.starting import await_end, end
from gate.execute.ward import Task, Ward
from tests.edges.bell import PATIENCE_S, Bell

ROOT = str(Path(gate.__file__).parents[1])
# A child with another in its own group, a daemon in a session of its own, and deaf ears.
FAMILY = """
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["sleep", "600"])
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    os.wait()
    os.write(os.open(os.environ["BELL"], os.O_WRONLY), b"x")
    time.sleep(600)
"""
GATE = """
    import sys, time
    from gate.execute.ward import Task, Ward
    ward = Ward(Task(
        commands=((sys.executable, "-I", "-c", sys.argv[1]),), cwd="/",
        env={"PATH": "/usr/bin:/bin", "BELL": sys.argv[4]},
        output=sys.argv[2], directories=(sys.argv[3],),
    ))
    time.sleep(600)
"""


class RunningGate:
    """A process that stands for the gate, with one child family below its warden."""

    def __init__(self, folder: Path) -> None:
        self.directory, bell = folder / "data", Bell(folder / "bell")
        files = (folder / "child.log", self.directory, bell.path)
        argv = [sys.executable, "-c", textwrap.dedent(GATE), textwrap.dedent(FAMILY), *files]
        self.process = subprocess.Popen(argv, cwd=ROOT, env={**os.environ, "PYTHONPATH": ROOT})
        bell.wait()
        bell.close()
        (self.directory / "row").write_text("data of a service")
        self.family = psutil.Process(self.process.pid).children(recursive=True)

    @property
    def warden(self) -> psutil.Process:
        return next(process for process in self.family if process.ppid() == self.process.pid)

    def left(self) -> list[psutil.Process]:
        """Who is still alive after patience; waiting is on the processes themselves."""
        return psutil.wait_procs(self.family, timeout=PATIENCE_S)[1]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningGate]:
    gate_process = RunningGate(tmp_path)
    yield gate_process
    gate_process.process.kill()
    gate_process.process.wait()
    gate_process.left()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_no_process_and_no_directory_outlives_a_killed_gate(running: RunningGate, signum: int) -> None:
    assert len(running.family) == 5, "a warden, a child and three below it"
    os.kill(running.process.pid, signum)
    assert running.process.wait() == -signum
    assert running.left() == []
    assert not running.directory.exists()


def test_a_gate_that_is_killed_while_it_stops_a_child_leaves_nothing(running: RunningGate) -> None:
    running.warden.send_signal(signal.SIGTERM)
    running.process.kill()
    assert running.left() == []


def test_a_stopped_family_does_not_outlive_a_killed_gate(running: RunningGate) -> None:
    for process in running.family:
        if process != running.warden:
            process.send_signal(signal.SIGSTOP)
    running.process.kill()
    assert running.left() == []


def test_a_warden_that_is_stopped_hears_the_end_of_the_gate_all_the_same(running: RunningGate) -> None:
    running.warden.send_signal(signal.SIGSTOP)
    running.process.kill()
    assert running.left() == []


def task(tmp_path: Path, code: str, **changes: object) -> Task:
    values = {
        "commands": ((sys.executable, "-I", "-c", textwrap.dedent(code)),),
        "cwd": str(tmp_path),
        "env": {},
        "output": str(tmp_path / "log"),
    }
    return Task(**(values | changes))  # type: ignore[arg-type]


def test_commands_run_one_after_the_other_and_the_first_that_fails_is_the_last(tmp_path: Path) -> None:
    say = (sys.executable, "-I", "-c", "print('one')")
    fail = (sys.executable, "-I", "-c", "print('two'); raise SystemExit(3)")
    ward = Ward(task(tmp_path, "", commands=(say, fail, say)))
    await_end(ward, timeout_s=PATIENCE_S)
    assert (ward.exit_code, ward.cause) == (3, "")
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_a_directory_is_private_and_gone_at_the_end(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    code = f"import os; print(oct(os.stat({str(directory)!r}).st_mode & 0o777)); open({str(directory / 'x')!r}, 'w')"
    await_end(Ward(task(tmp_path, code, directories=(str(directory),))), timeout_s=PATIENCE_S)
    assert (tmp_path / "log").read_text() == "0o700\n"
    assert not directory.exists()


def test_the_warden_keeps_the_deadline_by_itself(tmp_path: Path) -> None:
    ward = Ward(task(tmp_path, "import time; time.sleep(600)", deadline_s=0.2))
    await_end(ward, timeout_s=PATIENCE_S)
    assert (ward.exit_code, ward.cause) == (-signal.SIGINT, "deadline")


def test_each_step_of_an_end_is_taken_in_its_turn(tmp_path: Path) -> None:
    code = """
        import os, signal, time
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: print(signal.Signals(number).name, flush=True))
        os.write(os.open("bell", os.O_WRONLY), b"x")
        while True:
            time.sleep(600)
    """
    bell = Bell(tmp_path / "bell")
    steps = ((signal.SIGINT, 0.3), (signal.SIGTERM, 0.3))
    ward = Ward(task(tmp_path, code, stop_steps=steps))
    bell.wait()
    bell.close()
    end(ward)
    assert (tmp_path / "log").read_text() == "SIGINT\nSIGTERM\n"
    assert (ward.exit_code, ward.cause) == (-signal.SIGKILL, "stop")
