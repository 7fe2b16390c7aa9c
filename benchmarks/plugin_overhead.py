"""What the plugin costs: a suite of trivial tests with and without it, side by side.

Prints the medians of interleaved runs and their ratio to `pytest --junitxml`; the budget is +6 % of wall time. The time
of the processor is printed beside it, which a busy machine disturbs less. Byte code is written and warmed up first,
since otherwise each run compiles what it imports.

    python benchmarks/plugin_overhead.py [tests] [rounds]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 1.06


def run(folder: Path, number: int, *, observed: bool) -> tuple[float, float]:
    """Wall time and processor time of one pytest process, in seconds."""
    evidence = folder / f"evidence-{number}"
    evidence.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "GATE", "PYTHONDONTWRITE"))}
    env |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={evidence}/junit.xml"]
    if observed:
        env |= {"GATE_NONCE": "n", "GATE_DIR": str(evidence), "GATE_RUN": "r", "GATE_SUITE": "s"}
        argv += ["-p", "gate.plugin"]
    before, started = os.times(), time.perf_counter()
    subprocess.run([*argv, "test_trivial.py"], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    elapsed, after = time.perf_counter() - started, os.times()
    busy = after.children_user + after.children_system - before.children_user - before.children_system
    return elapsed, busy


def compare(tests: int, rounds: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Medians of (wall, processor) seconds without and with the plugin."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / "test_trivial.py").write_text("".join(f"def test_{n}(): pass\n" for n in range(tests)))
        times: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for number in range(-1, rounds):
            # The order alternates, so that a machine that slows down does not favour either.
            for observed in (False, True) if number % 2 else (True, False):
                found = run(folder, 2 * number + observed, observed=observed)
                if number >= 0:
                    times[observed].append(found)
    bare, whole = (
        (statistics.median(wall for wall, _ in times[observed]), statistics.median(busy for _, busy in times[observed]))
        for observed in (False, True)
    )
    return bare, whole


def measure() -> list[tuple[str, float, float, str]]:
    bare, whole = compare(5000, 5)
    note = f"× pytest --junitxml, wall; processor × {whole[1] / bare[1]:.3f}"
    return [("5,000 trivial tests under the plugin", whole[0] / bare[0], BUDGET, note)]


def main() -> None:
    tests, rounds = (int(word) for word in [*sys.argv[1:], *("5000", "5")[len(sys.argv) - 1 :]])
    bare, whole = compare(tests, rounds)
    print(f"{tests} tests, {rounds} rounds, medians; the budget is a ratio of {BUDGET} in wall time")
    for name, before, after in zip(("wall", "processor"), bare, whole, strict=True):
        per_test_us = (after - before) / tests * 1e6
        print(f"{name:10} {before:.3f} s -> {after:.3f} s   ratio {after / before:.3f}   {per_test_us:.1f} us per test")


if __name__ == "__main__":
    main()
