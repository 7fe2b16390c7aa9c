"""Run directories are private, apart from each other, and never half written."""

import fcntl
import json
import multiprocessing
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from gate.errors import GateError, RunUnreadable
from gate.store import RECORD, RunDirectory, RunState, open_run, point_latest, runs

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def run(tmp_path):
    with RunDirectory.create(tmp_path / "reports", NOON) as run:
        yield run


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def create(root, later_s=0):
    run = RunDirectory.create(root, NOON + timedelta(seconds=later_s))
    run.close()
    return run


def test_a_run_has_a_private_directory_named_by_its_time_in_utc(tmp_path):
    local = datetime(2026, 1, 31, 13, 30, tzinfo=timezone(timedelta(hours=1, minutes=30)))
    with RunDirectory.create(tmp_path, local) as run:
        assert run.run_id.startswith("20260131T120000Z-")
        assert run.path.parent == tmp_path
        assert mode(run.path) == 0o700


def test_a_suite_gets_a_fresh_private_directory(run):
    directory = run.suite_dir("soak")
    assert directory == run.path / "suites/soak"
    assert mode(directory) == 0o700
    assert list(directory.iterdir()) == []
    with pytest.raises(FileExistsError):
        run.suite_dir("soak")


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "a b", "-a", "a\n", "x" * 65])
def test_a_suite_directory_has_a_plain_name(run, name):
    with pytest.raises(ValueError, match="no name of a suite"):
        run.suite_dir(name)


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../b", "./a", "a//b", "a\0"])
def test_a_file_name_stays_inside_the_run(run, name):
    with pytest.raises(ValueError, match="no file name inside a run"):
        run.write(name, b"")
    with pytest.raises(ValueError, match="no file name inside a run"):
        run.read(name)


def test_a_linked_folder_is_never_followed(run, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_bytes(b"theirs")
    (run.path / "suites").symlink_to(outside)
    with pytest.raises(RunUnreadable, match="suites"):
        run.suite_dir("soak")
    with pytest.raises(RunUnreadable, match="suites"):
        run.read("suites/x")
    with pytest.raises(RunUnreadable, match="suites"):
        run.write("suites/x", b"mine")
    assert (outside / "x").read_bytes() == b"theirs"


def test_a_linked_file_is_replaced_by_writing_and_refused_by_reading(run, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"theirs")
    (run.path / "x").symlink_to(outside)
    with pytest.raises(RunUnreadable):
        run.read("x")
    run.write("x", b"mine")
    assert (outside.read_bytes(), run.read("x")) == (b"theirs", b"mine")


def test_a_pipe_is_refused_and_never_waited_for(run):
    os.mkfifo(run.path / "x")
    with pytest.raises(RunUnreadable, match="not a regular file"):
        run.read("x")


def test_a_file_over_the_cap_is_refused(run):
    run.write("x", b"12345")
    assert run.read("x", cap=5) == b"12345"
    with pytest.raises(RunUnreadable, match="more than 4 bytes"):
        run.read("x", cap=4)


def test_a_run_is_running_while_its_directory_is_held_and_finished_by_its_record(tmp_path):
    run = RunDirectory.create(tmp_path, NOON)
    seen = open_run(tmp_path, run.run_id)
    assert seen.state is RunState.RUNNING
    run.close()
    run.close()
    assert seen.state is RunState.UNFINISHED
    run.write_record(b"{}\n")
    assert seen.state is RunState.FINISHED


def test_a_run_whose_process_was_killed_is_unfinished(tmp_path):
    program = (
        "import sys, datetime, pathlib; from gate.store import RunDirectory;"
        "run = RunDirectory.create(pathlib.Path(sys.argv[1]), datetime.datetime.now(datetime.UTC));"
        "print(run.run_id, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        run = open_run(tmp_path, child.stdout.readline().strip())
        assert run.state is RunState.RUNNING
        child.kill()
        child.wait()
    assert run.state is RunState.UNFINISHED
    with pytest.raises(RunUnreadable, match="never finished"):
        run.read_record()


def test_a_running_run_has_no_record_yet(run):
    with pytest.raises(RunUnreadable, match="still running"):
        run.read_record()


@pytest.mark.parametrize("data", [b"", b"{}", b'{"decision": "GO"}', b"\xff", b"[" * 100_000])
def test_a_damaged_record_is_no_decision(run, data):
    run.write_record(data)
    with pytest.raises(RunUnreadable, match="damaged"):
        run.read_record()


def test_a_record_that_reads_back_differently_is_no_decision(run, monkeypatch):
    monkeypatch.setattr("gate.store.write_atomic", lambda path, data: path.write_bytes(data[:-1]))
    with pytest.raises(GateError, match="other bytes"):
        run.write_record(b"{}\n")
    assert run.state is RunState.RUNNING


def test_runs_are_listed_newest_first(tmp_path):
    ids = [create(tmp_path, later_s).run_id for later_s in (0, 7, 3)]
    (tmp_path / "README.md").touch()
    (tmp_path / "20260131T120000Z-zzzzzz").mkdir()
    (tmp_path / "20260131T120000Z-000000").symlink_to(tmp_path / ids[0])
    assert runs(tmp_path) == (ids[1], ids[2], ids[0])
    assert runs(tmp_path / "nowhere") == ()


def test_a_run_is_opened_by_id_by_path_and_as_latest(tmp_path, monkeypatch):
    run = create(tmp_path / "reports")
    point_latest(tmp_path / "reports", run)
    monkeypatch.chdir(tmp_path)
    root = Path("reports")
    for which in (run.run_id, "latest", str(run.path), f"reports/{run.run_id}"):
        assert open_run(root, which).path.samefile(run.path)
        assert open_run(root, which).run_id == run.run_id


@pytest.mark.parametrize("which", ["", "latest", "nonsense", "20260131T120000Z-ffffff", "..", "/nowhere", "a\0b"])
def test_an_unknown_run_is_refused_with_the_newest_as_a_hint(tmp_path, which):
    newest = create(tmp_path)
    with pytest.raises(RunUnreadable) as caught:
        open_run(tmp_path, which)
    assert newest.run_id in caught.value.hint


def test_without_any_run_the_hint_says_how_to_make_one(tmp_path):
    with pytest.raises(RunUnreadable) as caught:
        open_run(tmp_path, "latest")
    assert "gate run" in caught.value.hint


def test_latest_moves_forward_only(tmp_path):
    old, new = create(tmp_path, 0), create(tmp_path, 1)
    point_latest(tmp_path, old)
    point_latest(tmp_path, new)
    point_latest(tmp_path, old)
    assert open_run(tmp_path, "latest").run_id == new.run_id
    assert (tmp_path / "latest").is_symlink()


def test_latest_is_compared_and_moved_under_one_lock(tmp_path, monkeypatch):
    refused = []

    def look(root):
        rival = os.open(root, os.O_RDONLY)
        with pytest.raises(BlockingIOError) as caught:
            fcntl.flock(rival, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(rival)
        refused.append(caught.value)

    monkeypatch.setattr("gate.store._latest", look)
    point_latest(tmp_path, create(tmp_path))
    assert len(refused) == 1


def test_a_file_is_on_disk_before_it_gets_its_name_and_the_name_before_it_is_reported(run, monkeypatch):
    steps = []
    real_sync, real_rename = os.fsync, os.rename

    def sync(descriptor):
        steps.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        real_sync(descriptor)

    def rename(*args, **kwargs):
        steps.append("rename")
        real_rename(*args, **kwargs)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "rename", rename)
    run.write("x", b"1")
    assert steps == ["file", "rename", "directory"]


def test_latest_moves_on_from_a_run_that_was_removed(tmp_path):
    old, new = create(tmp_path, 0), create(tmp_path, 1)
    point_latest(tmp_path, new)
    (new.path / "lock").unlink()
    new.path.rmdir()
    point_latest(tmp_path, old)
    assert open_run(tmp_path, "latest").run_id == old.run_id


@pytest.mark.parametrize("target", ["/etc", "..", "../reports", "nowhere"])
def test_latest_leads_nowhere_but_to_a_run(tmp_path, target):
    (tmp_path / "latest").symlink_to(target)
    with pytest.raises(RunUnreadable):
        open_run(tmp_path, "latest")


def take_part(root, barrier, results):
    barrier.wait()
    with RunDirectory.create(root, NOON) as run:
        point_latest(root, run)
        path = run.suite_dir("soak") / "x"
        path.write_text(run.run_id)
        run.write_record(run.run_id.encode())
        results.put((run.run_id, path.stat().st_ino, run.state.value))


def test_eight_runs_at_once_share_no_file(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(8), context.Queue()
    children = [context.Process(target=take_part, args=(tmp_path, barrier, results)) for _ in range(8)]
    for child in children:
        child.start()
    answers = [results.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    assert {child.exitcode for child in children} == {0}
    assert len({run_id for run_id, _, _ in answers}) == len({inode for _, inode, _ in answers}) == 8
    for run_id, _, _ in answers:
        assert open_run(tmp_path, run_id).read(RECORD) == run_id.encode()
    assert open_run(tmp_path, "latest").run_id == max(run_id for run_id, _, _ in answers)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["latest", *runs(tmp_path)])


# In a child: do the work, but fail or die at the n-th call that changes something on disk, for n = 1, 2, … until that
# call is no longer reached. What lies on disk is checked each time; the last n is printed.
FAULTS = r"""
import json, os, pathlib, shutil, signal, sys
from datetime import UTC, datetime
from gate.store import RECORD, RunDirectory, RunState, open_run, point_latest, runs
from gate.errors import GateError

CALLS = ("open", "write", "fsync", "rename", "mkdir", "symlink", "unlink")
root, how = pathlib.Path(sys.argv[1]), sys.argv[2]
OLD, NEW = b"old" * 50_000, b"new!" * 50_000

left = 0

def inject(at):
    global left
    left = at
    def wrap(real):
        def call(*args, **kwargs):
            global left
            left -= 1
            if left == 0:
                if how == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(28, "No space left on device")
            return real(*args, **kwargs)
        return call
    for name in CALLS:
        setattr(os, name, wrap(REAL[name]))

REAL = {name: getattr(os, name) for name in CALLS}

def work(earlier):
    with RunDirectory.create(root, datetime(2026, 2, 1, tzinfo=UTC)) as run:
        point_latest(root, run)
        run.write("report.md", NEW)
        earlier.write("report.md", NEW)
        run.write_record(NEW)

def check(earlier, step):
    assert earlier.read("report.md") in (OLD, NEW), step
    for run_id in runs(root):
        run = open_run(root, run_id)
        assert run.state is not RunState.RUNNING
        for name in ("report.md", RECORD):
            if (run.path / name).exists():
                assert run.read(name) in (OLD, NEW), (step, name)
    assert open_run(root, "latest").run_id in runs(root)
    if how != "kill":
        assert not list(root.rglob("*.tmp")), step

step, reached = 0, True
while reached:
    step += 1
    earlier = RunDirectory.create(root, datetime(2026, 1, 1, tzinfo=UTC))
    earlier.write("report.md", OLD)
    point_latest(root, earlier)
    earlier.close()
    child = os.fork()
    if child == 0:
        inject(step)
        try:
            work(earlier)
        except (OSError, GateError):
            os._exit(3)
        os._exit(4 if left <= 0 else 0)  # 4: the fault was met and got over
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    reached = code != 0
    assert code in (0, 3, 4, -9), code
    check(earlier, step)
    shutil.rmtree(root)
print(json.dumps(step))
"""


@pytest.mark.parametrize("how", ["kill", "fail"])
def test_a_fault_at_any_step_leaves_old_or_new_and_nothing_between(tmp_path, how):
    program = tmp_path / "faults.py"
    program.write_text(FAULTS)
    done = subprocess.run(
        [sys.executable, program, tmp_path / "reports", how],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) > 25
