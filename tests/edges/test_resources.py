"""What a process tree uses, compared with what its processes were made to use."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gate import codec
from gate.evidence.resources import read_resources
from gate.execute import tree
from gate.execute.resources import PSS_EVERY, Sampler
from gate.model import ResourceSample, Status

MIB = 1 << 20
# The root of the tree runs what it is told and answers each time.
ROOT = """
import os, subprocess, sys, threading, time
for line in sys.stdin:
    exec(eval(line))
    print("done", flush=True)
"""


class Tree:
    """A process with nothing below it yet, and the samples taken of what is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", ROOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.sampler = Sampler(self.process.pid, str(path))

    def do(self, code: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(repr(code) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def sample(self, at_s: float) -> ResourceSample:
        self.sampler.take(at_s)
        return self.samples()[-1]

    def samples(self) -> list[ResourceSample]:
        return [codec.loads(ResourceSample, line) for line in self.path.read_text().splitlines()]


@pytest.fixture
def below(tmp_path: Path) -> Iterator[Tree]:
    made = Tree(tmp_path / "resources.jsonl")
    yield made
    made.do("[child.kill() for child in globals().get('children', ())]")
    made.process.communicate()


CHILD = (
    "children = [subprocess.Popen([sys.executable, '-I', '-c', {code!r}], stdout=subprocess.PIPE)]; "
    "children[0].stdout.readline()"
)


def test_the_root_itself_is_not_counted(below: Tree) -> None:
    sample = below.sample(1.0)
    assert (sample.processes, sample.rss_bytes, sample.threads, sample.fds, sample.cpu) == (0, 0, 0, 0, 0.0)


def test_memory_threads_and_files_of_a_child_are_counted(below: Tree) -> None:
    code = (
        "import os, threading, time\n"
        "data = b'x' * (64 << 20)\n"
        "files = [os.open(os.devnull, os.O_RDONLY) for _ in range(7)]\n"
        "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "print(flush=True); time.sleep(600)"
    )
    below.do(CHILD.format(code=code))
    sample = below.sample(1.0)
    assert (sample.processes, sample.threads, sample.fds) == (1, 2, 3 + 7)
    assert 64 * MIB < sample.rss_bytes < 96 * MIB
    assert sample.pss_bytes is not None
    assert 64 * MIB < sample.pss_bytes < 96 * MIB


def test_the_time_of_a_child_that_has_ended_is_counted_once(below: Tree) -> None:
    below.sample(1.0)
    below.do("subprocess.run([sys.executable, '-I', '-c', 'import time\\nwhile time.process_time() < 0.5: pass'])")
    assert below.sample(2.0).cpu == pytest.approx(0.5, abs=0.1)
    assert below.sample(3.0).cpu == 0.0


def test_processor_time_is_in_cores_over_the_time_that_went_by(below: Tree) -> None:
    below.do("subprocess.run([sys.executable, '-I', '-c', 'import time\\nwhile time.process_time() < 0.4: pass'])")
    assert below.sample(0.2).cpu == pytest.approx(2.0, abs=0.5)


def test_pss_is_taken_less_often(below: Tree) -> None:
    below.do(CHILD.format(code="import time; print(flush=True); time.sleep(600)"))
    for number in range(2 * PSS_EVERY):
        below.sampler.take(float(number))
    seen = [number for number, sample in enumerate(below.samples()) if sample.pss_bytes is not None]
    assert seen == [0, PSS_EVERY]


def test_the_evidence_reads_back_what_was_sampled(below: Tree) -> None:
    below.sample(0.1)
    below.sample(0.6)
    samples, check = read_resources(below.path)
    assert check.status is Status.PASS
    assert [sample.at_s for sample in samples] == [0.1, 0.6]


def test_a_file_of_another_run_is_not_appended_to(below: Tree) -> None:
    with pytest.raises(FileExistsError):
        Sampler(below.process.pid, str(below.path))


def test_a_tree_is_seen_alike_without_the_kernels_list_of_children(
    below: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    below.do(CHILD.format(code="import time; print(flush=True); time.sleep(600)"))
    listed = {stat.pid for stat in tree.descendants(below.process.pid)}
    monkeypatch.setattr(tree, "_LISTS_CHILDREN", False)
    assert {stat.pid for stat in tree.descendants(below.process.pid)} == listed
    assert set(tree.children(below.process.pid)) == listed
    assert len(listed) == 1


@pytest.mark.parametrize("name", ["plain", "two words", ") 1 2 (", "(x)"])
def test_a_process_may_have_any_name(name: str) -> None:
    code = f"import sys; open('/proc/self/comm', 'w').write({name!r}); print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-I", "-c", code]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stat = tree.read_stat(process.pid)
        process.communicate()
    assert stat is not None
    assert (stat.name, stat.parent) == (name, os.getpid())


def test_a_process_that_is_gone_has_no_state() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert tree.read_stat(process.pid) is None
