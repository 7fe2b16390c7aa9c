"""How fast a JUnit file of 100,000 cases is read: against counting with bare expat, and beside junitparser.

Run with `python -m benchmarks junit_reading`. The memory is what a process of its own adds for reading the file.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from xml.parsers import expat

import junitparser

from gate.evidence.junit import JunitReading, read_junit

CASES = 100_000
BUDGET = 1.5
MEMORY_BUDGET_MIB = 64
ROUNDS = 9
SLOW_ROUNDS = 3
FAILURE = (
    '<failure message="assert 1 == 2">def test():\n&gt;   assert 1 == 2\nE   assert 1 == 2\n\n'
    "tests/test_x.py:3: AssertionError</failure>"
)


def write(path: Path, cases: int) -> None:
    """A file as pytest writes it, every hundredth test failing."""
    with path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">')
        file.write(f'<testsuite name="pytest" errors="0" failures="{-(-cases // 100)}" skipped="0" tests="{cases}">')
        for n in range(cases):
            head = f'<testcase classname="tests.test_mod{n // 50}" name="test_case_{n}" time="{n % 2000 / 1000:.3f}"'
            file.write(f"{head} />" if n % 100 else f"{head}>{FAILURE}</testcase>")
        file.write("</testsuite></testsuites>")


def count_with_expat(path: Path) -> int:
    count = 0

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal count
        if name == "testcase":
            count += 1

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    with path.open("rb") as file:
        parser.ParseFile(file)
    assert count == CASES
    return count


def read_with_gate(path: Path) -> JunitReading:
    reading = read_junit(path)
    assert not reading.problems
    assert reading.counts.collected == CASES
    return reading


def read_with_junitparser(path: Path) -> object:
    xml = junitparser.JUnitXml.fromfile(str(path))
    assert sum(1 for suite in xml for _ in suite) == CASES
    return xml


def seconds(read: Callable[[Path], object], path: Path) -> float:
    began = time.perf_counter()
    kept = read(path)
    took = time.perf_counter() - began
    del kept
    return took


def added_mib(read: Callable[[Path], object], path: Path) -> float:
    """How far reading raises the peak of resident memory, in a fresh process."""
    program = (
        "import sys; from pathlib import Path; from benchmarks import junit_reading;"
        "status = Path('/proc/self/status');"
        "peak = lambda: int(status.read_text().partition('VmHWM:')[2].split()[0]);"
        f"before = peak(); junit_reading.{read.__name__}(Path(sys.argv[1])); print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, check=True)
    return int(done.stdout) / 1024


def measure() -> list[tuple[str, float, float, str]]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "junit.xml"
        write(path, CASES)
        ours, bare = [], []
        for _ in range(ROUNDS):  # in turn, so that both see the same moods of the machine
            bare.append(seconds(count_with_expat, path))
            ours.append(seconds(read_with_gate, path))
        theirs = [seconds(read_with_junitparser, path) for _ in range(SLOW_ROUNDS)]
        memory, their_memory = added_mib(read_with_gate, path), added_mib(read_with_junitparser, path)
    ratio = statistics.median(ours) / statistics.median(bare)
    slower = statistics.median(theirs) / statistics.median(bare)
    times = f"{statistics.median(ours) * 1000:.0f} ms; junitparser {slower:.1f} ×"
    return [
        ("reading 100,000 JUnit cases, × expat counting", ratio, BUDGET, times),
        ("memory for 100,000 JUnit cases, MiB", memory, MEMORY_BUDGET_MIB, f"junitparser {their_memory:.0f} MiB"),
    ]
