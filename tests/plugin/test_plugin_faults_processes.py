"""Processes are killed, stopped and resumed by `faults`: the one that is meant, or none."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from gate.plugin.faults import Faults

SLEEPER = [sys.executable, "-c", "print(flush=True)\nwhile True: __import__('time').sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(flush=True)\ntime.sleep(60)",
]


@pytest.fixture
def child(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(getattr(request, "param", SLEEPER), stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()  # it is up
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_killed_process_is_gone_and_its_end_is_its_parents_to_collect(
    faults: Faults, child: subprocess.Popen[bytes]
) -> None:
    faults.process(child.pid).kill()
    assert child.poll() == -signal.SIGKILL


def test_a_process_stands_still_with_all_its_threads_until_resumed(
    faults: Faults, child: subprocess.Popen[bytes]
) -> None:
    process, seen = faults.process(child.pid), psutil.Process(child.pid)
    process.stop()
    assert seen.status() == psutil.STATUS_STOPPED
    process.resume()
    assert seen.status() != psutil.STATUS_STOPPED
    with pytest.raises(AssertionError, match="inside"), process.stopped():
        assert seen.status() != psutil.STATUS_STOPPED, "inside"
    assert seen.status() != psutil.STATUS_STOPPED


def test_a_stopped_process_may_be_killed(faults: Faults, child: subprocess.Popen[bytes]) -> None:
    process = faults.process(child.pid)
    with process.stopped():
        process.kill()
    assert child.poll() == -signal.SIGKILL


def test_a_process_asked_to_end_tells_how_long_it_took(faults: Faults, child: subprocess.Popen[bytes]) -> None:
    began = time.perf_counter()
    assert 0 < faults.process(child.pid).terminate() <= time.perf_counter() - began
    assert child.poll() == -signal.SIGTERM


@pytest.mark.parametrize("child", [STUBBORN], indirect=True)
def test_a_process_that_does_not_end_when_asked_is_told(faults: Faults, child: subprocess.Popen[bytes]) -> None:
    with pytest.raises(TimeoutError, match=r"still there after 0\.05 s"):
        faults.process(child.pid).terminate(timeout_s=0.05)


def test_a_process_that_has_ended_is_never_hit(faults: Faults, child: subprocess.Popen[bytes]) -> None:
    process = faults.process(child.pid)
    process.kill()
    for act in (process.kill, process.stop, process.resume, process.terminate):
        with pytest.raises(ProcessLookupError, match="has ended"):
            act()
    with pytest.raises(ProcessLookupError):  # not yet collected, and gone all the same
        faults.process(child.pid)
    child.wait()
    with pytest.raises(ProcessLookupError, match="no process"):
        faults.process(child.pid)


def test_another_process_with_the_same_number_is_never_hit(faults: Faults, child: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL) as bystander:
        process = faults.process(child.pid)
        process.pid = bystander.pid  # as if the number had been given away again
        process.kill()
        assert (child.poll(), bystander.poll()) == (-signal.SIGKILL, None)
        bystander.kill()


@pytest.mark.parametrize("pid", [os.getpid(), os.getppid()], ids=["itself", "its parent"])
def test_what_the_test_stands_on_is_not_broken(faults: Faults, pid: int) -> None:
    with pytest.raises(ValueError, match="stands on"):
        faults.process(pid)
