"""A warden that is stopped, by a test that may do so, hears nothing; the suite ends all the same."""

import os
import sys
from pathlib import Path

import psutil

from gate.execute.process import WardenExecutor
from gate.model import Ending, Invocation
from tests.edges.bell import PATIENCE_S, Bell

STOPS_ITS_WARDEN = """
import os, signal, threading
os.kill(os.getppid(), signal.SIGSTOP)
os.write(os.open("bell", os.O_WRONLY), b"x")
threading.Event().wait()
"""


def test_a_stopped_warden_is_ended_with_its_suite_long_after_the_timeout(tmp_path: Path) -> None:
    bell = Bell(tmp_path / "bell")
    now_s = 0.0
    executor = WardenExecutor(clock=lambda: now_s)
    child = executor.start(
        Invocation(
            suite="unit",
            argv=(sys.executable, "-I", "-c", STOPS_ITS_WARDEN),
            cwd=str(tmp_path),
            env={"PATH": os.environ["PATH"]},
            artefact_dir=str(tmp_path),
            timeout_s=10.0,
            nonce="n1",
        )
    )
    bell.wait()
    bell.close()
    warden = psutil.Process(child.ward.warden_pid)
    (suite,) = warden.children()
    now_s = 11.0
    assert child.poll() is None
    assert child.due_in_s() > 1.0, "the gate asks once and then waits, instead of asking again and again"
    now_s = 100.0
    while (outcome := child.poll()) is None:
        executor.wait(1.0)
    assert outcome.ending is Ending.KILLED
    assert outcome.exit_code is None
    suite.wait(PATIENCE_S)
    assert not suite.is_running()
