"""Suites as real processes: their outcome is told truly, and nothing of them is left afterwards."""

import dataclasses
import os
import re
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gate import codec
from gate.execute import process
from gate.execute.process import OUTPUT_LOG, RESOURCES, WardenExecutor
from gate.model import Ending, Invocation, Outcome, ResourceSample
from tests.edges.bell import PATIENCE_S, Bell

DAEMON = """
    import os, sys, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(600)
        os._exit(0)
    os.wait()
"""
STUBBORN = """
    import os, signal, time
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.write(os.open("bell", os.O_WRONLY), b"x")
    time.sleep(600)
"""

Run = Callable[..., Outcome]


@pytest.fixture
def invocation(tmp_path: Path) -> Callable[..., Invocation]:
    def make(code: str, *, timeout_s: float = PATIENCE_S, **changes: object) -> Invocation:
        made = Invocation(
            suite="unit",
            argv=(sys.executable, "-I", "-c", textwrap.dedent(code)),
            cwd=str(tmp_path),
            env={"PATH": os.environ["PATH"]},
            artefact_dir=str(tmp_path),
            timeout_s=timeout_s,
            nonce="n1",
        )
        return dataclasses.replace(made, **changes)  # type: ignore[arg-type]

    return make


def finish(executor: WardenExecutor, child: object) -> Outcome:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        outcome = child.poll()  # type: ignore[attr-defined]
        if outcome is not None:
            return outcome  # type: ignore[no-any-return]
        executor.wait(1.0)
    pytest.fail("the child did not end")


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[Bell]:
    """Rings when the child writes to the file `bell` in its directory."""
    made = Bell(tmp_path / "bell")
    yield made
    made.close()


@pytest.fixture
def run(invocation: Callable[..., Invocation]) -> Run:
    def to_the_end(code: str, **changes: object) -> Outcome:
        executor = WardenExecutor()
        return finish(executor, executor.start(invocation(code, **changes)))

    return to_the_end


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("code", "expected"),
    [("pass", 0), ("raise SystemExit(5)", 5), ("import os; os.kill(os.getpid(), 9)", -9)],
)
def test_an_exit_status_is_told_as_it_was(run: Run, code: str, expected: int) -> None:
    outcome = run(code)
    assert (outcome.ending, outcome.exit_code, outcome.leaks) == (Ending.EXITED, expected, ())
    assert outcome.nonce == "n1"


def test_a_child_that_a_signal_ended_says_which(run: Run) -> None:
    assert run("import os; os.kill(os.getpid(), 15)").reason == "ended by SIGTERM"


def test_a_command_that_is_not_there_is_not_started_and_named(run: Run) -> None:
    outcome = run("", argv=("no-such-tool", "--version"))
    assert outcome.ending is Ending.NOT_STARTED
    assert outcome.exit_code is None
    assert "no-such-tool" in outcome.reason


def test_a_directory_that_is_not_there_is_not_started(run: Run, tmp_path: Path) -> None:
    outcome = run("pass", cwd=str(tmp_path / "nowhere"))
    assert outcome.ending is Ending.NOT_STARTED


def test_an_output_that_exists_is_never_written_over(run: Run, tmp_path: Path) -> None:
    (tmp_path / OUTPUT_LOG).write_text("of another run")
    outcome = run("print('mine')")
    assert outcome.ending is Ending.NOT_STARTED
    assert (tmp_path / OUTPUT_LOG).read_text() == "of another run"


def test_both_outputs_are_kept_whole_in_a_private_file(run: Run, tmp_path: Path) -> None:
    run("import sys, os; os.write(1, b'x' * 300_000); sys.stderr.write('the end')")
    assert (tmp_path / OUTPUT_LOG).read_bytes() == b"x" * 300_000 + b"the end"
    assert (tmp_path / OUTPUT_LOG).stat().st_mode & 0o777 == 0o600


def test_the_child_gets_no_input_no_foreign_file_and_nothing_of_the_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_GATE", "1")
    run(
        """
        import os, sys
        print(repr(sys.stdin.read()), sorted(os.environ), sorted(os.listdir("/proc/self/fd")), sep="\\n")
        """
    )
    standard_input, names, files = (tmp_path / OUTPUT_LOG).read_text().splitlines()
    assert standard_input == "''"
    assert names == "['LC_CTYPE', 'PATH']", "Python itself adds the first"
    assert files == "['0', '1', '2', '3']", "the fourth is the listing itself"


def test_the_child_hears_signals_that_the_gate_was_started_to_ignore(run: Run, tmp_path: Path) -> None:
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run("import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)")
    finally:
        signal.signal(signal.SIGINT, former)
    assert (tmp_path / OUTPUT_LOG).read_text() == "True\n"


def test_a_daemon_that_left_group_and_session_is_reported_and_ended(run: Run, tmp_path: Path) -> None:
    outcome = run(DAEMON)
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)
    assert len(outcome.leaks) == 1
    found = re.fullmatch(r"pid (\d+) python.*: .*-I -c.*", outcome.leaks[0])
    assert found is not None
    assert gone(int(found[1]))


def test_a_descendant_that_ends_within_the_grace_is_no_leak(run: Run) -> None:
    outcome = run("import subprocess; subprocess.Popen(['sleep', '0.2'], start_new_session=True)")
    assert outcome.leaks == ()


def test_a_suite_over_its_time_is_ended_and_says_so(run: Run) -> None:
    outcome = run("import time; time.sleep(600)", timeout_s=0.3)
    assert outcome.ending is Ending.TIMED_OUT
    assert "0.3 s" in outcome.reason


def test_a_suite_that_answers_its_timeout_with_success_is_timed_out_all_the_same(run: Run) -> None:
    outcome = run(
        """
        import time
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            raise SystemExit(0)
        """,
        timeout_s=0.4,
    )
    assert (outcome.ending, outcome.exit_code) == (Ending.TIMED_OUT, 0)


def test_a_stopped_run_interrupts_its_child_so_that_it_can_write_down_what_it_has(
    invocation: Callable[..., Invocation], tmp_path: Path, bell: Bell
) -> None:
    executor = WardenExecutor()
    child = executor.start(
        invocation(
            """
            import os, time
            try:
                os.write(os.open("bell", os.O_WRONLY), b"x")
                time.sleep(600)
            except KeyboardInterrupt:
                print("interrupted", flush=True)
            """
        )
    )
    bell.wait()
    child.stop("the user asked for it")
    outcome = finish(executor, child)
    assert (outcome.ending, outcome.reason) == (Ending.KILLED, "the user asked for it")
    assert "interrupted" in (tmp_path / OUTPUT_LOG).read_text()


def test_a_second_request_ends_a_child_that_hears_nothing(
    invocation: Callable[..., Invocation], tmp_path: Path, bell: Bell
) -> None:
    executor = WardenExecutor()
    child = executor.start(invocation(STUBBORN))
    bell.wait()
    child.stop("first")
    child.kill("second")
    outcome = finish(executor, child)
    assert (outcome.ending, outcome.exit_code, outcome.reason) == (Ending.KILLED, -signal.SIGKILL, "first")


def test_a_child_that_is_stopped_still_ends(invocation: Callable[..., Invocation], tmp_path: Path, bell: Bell) -> None:
    executor = WardenExecutor()
    child = executor.start(invocation("import os, time; os.write(os.open('bell', 1), b'x'); time.sleep(600)"))
    bell.wait()
    child.poll()
    assert child.ward.pid is not None
    os.kill(child.ward.pid, signal.SIGSTOP)
    child.stop("over")
    outcome = finish(executor, child)
    assert (outcome.ending, outcome.exit_code) == (Ending.KILLED, -signal.SIGINT)


def test_processes_that_fork_faster_than_they_are_looked_at_end_too(
    invocation: Callable[..., Invocation], tmp_path: Path, bell: Bell
) -> None:
    """A chain: each process leaves the session, forks a successor and ends."""
    executor = WardenExecutor()
    child = executor.start(
        invocation(
            """
            import os, time
            os.write(os.open("bell", os.O_WRONLY), b"x")
            end = time.monotonic() + 60
            for _ in range(3):
                os.fork()
            while time.monotonic() < end:
                if os.fork():
                    os._exit(0)
                os.setsid()
            """
        )
    )
    bell.wait()
    child.kill("enough")
    outcome = finish(executor, child)
    assert "could not be ended" not in outcome.reason


def test_a_lost_warden_takes_its_child_along_and_the_gate_ends_the_rest(
    invocation: Callable[..., Invocation], tmp_path: Path, bell: Bell
) -> None:
    executor = WardenExecutor()
    child = executor.start(
        invocation(textwrap.dedent(DAEMON) + "os.write(os.open('bell', os.O_WRONLY), b'x')\ntime.sleep(600)")
    )
    bell.wait()
    below = psutil.Process(child.ward.warden_pid).children(recursive=True)
    assert len(below) == 2
    os.kill(child.ward.warden_pid, signal.SIGKILL)
    outcome = finish(executor, child)
    assert outcome.ending is Ending.KILLED
    assert outcome.reason == "its warden ended with SIGKILL"
    assert [each for each in below if not gone(each.pid)] == []


def test_a_warden_that_does_not_answer_is_ended_with_all_below_it(
    invocation: Callable[..., Invocation], bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_SILENCE_S", 0.2)
    executor = WardenExecutor()
    child = executor.start(invocation(textwrap.dedent(DAEMON) + "os.write(os.open('bell', 1), b'x')\ntime.sleep(600)"))
    bell.wait()
    below = psutil.Process(child.ward.warden_pid).children(recursive=True)
    os.kill(child.ward.warden_pid, signal.SIGSTOP)
    child.stop("over")
    assert finish(executor, child).ending is Ending.KILLED
    assert [each for each in below if not gone(each.pid)] == []


def test_resources_are_sampled_in_lines_that_read_back(run: Run, tmp_path: Path) -> None:
    run("import time; end = time.monotonic() + 0.8\nwhile time.monotonic() < end: pass")
    lines = (tmp_path / RESOURCES).read_text().splitlines()
    samples = [codec.loads(ResourceSample, line) for line in lines]
    assert len(samples) >= 2
    assert samples[-1].cpu > 0
    assert samples[-1].rss_bytes > 1_000_000
    assert (samples[-1].processes, samples[-1].threads, samples[-1].fds) == (1, 1, 3)
