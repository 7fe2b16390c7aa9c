"""What one sample costs: the recorder of the plugin beside those of other libraries.

Prints nanoseconds of processor time per sample, the loop around it taken off, and the ratio to appending to a plain
array; amortised over so many samples that folding, with two declared limits, is included. Timed blocks are printed
beside two bare readings of the clock, which is the least that any of them can cost.

    python benchmarks/recording.py [samples]
"""

import random
import sys
import time
from array import array
from collections.abc import Callable
from contextlib import AbstractContextManager

from hdrh.histogram import HdrHistogram
from prometheus_client import CollectorRegistry, Histogram

from gate.plugin.series import Samples, sampler

ROUNDS = 5
APPEND, RECORD = "array append", "metrics.histogram().record"
CLOCKS, TIMED = "two readings of the clock", "with metrics.histogram().time()"


def refuse(allowed: str, value: object) -> None:
    raise ValueError(allowed, value)


def recorder() -> tuple[Callable[[float], None], type[AbstractContextManager[None]]]:
    return sampler(Samples("m", lambda _: None, [0.01, 0.05]), refuse)  # type: ignore[arg-type]


def per_sample_ns(record: Callable[[float], object], samples: list[float]) -> float:
    """The least time per call over several rounds, loop included."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time_ns()
        for sample in samples:
            record(sample)
        best = min(best, (time.process_time_ns() - started) / len(samples))
    return best


def loop_ns(samples: list[float]) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time_ns()
        for _sample in samples:
            pass
        best = min(best, (time.process_time_ns() - started) / len(samples))
    return best


def block_ns(block: Callable[[], AbstractContextManager[None]], count: int) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time_ns()
        for _ in range(count):
            with block():
                pass
        best = min(best, (time.process_time_ns() - started) / count)
    return best


def clocks_ns(count: int) -> float:
    clock, best = time.perf_counter, float("inf")
    for _ in range(ROUNDS):
        started = time.process_time_ns()
        for _ in range(count):
            clock()
            clock()
        best = min(best, (time.process_time_ns() - started) / count)
    return best


def figures(count: int) -> dict[str, float]:
    """Nanoseconds by what was measured; a sample's without the loop around it."""
    seeded = random.Random(1)
    samples = [seeded.lognormvariate(-6, 1) for _ in range(count)]
    few = samples[: count // 10]
    overhead = loop_ns(samples)
    histogram = HdrHistogram(1, 10**9, 3)
    prometheus = Histogram("m", "m", registry=CollectorRegistry())
    record, timer = recorder()
    return {
        APPEND: per_sample_ns(array("d").append, samples) - overhead,
        RECORD: per_sample_ns(record, samples) - overhead,
        "hdrhistogram record_value": per_sample_ns(lambda s: histogram.record_value(int(s * 1e6)), few) - overhead,
        "prometheus_client observe": per_sample_ns(prometheus.observe, few) - overhead,
        CLOCKS: clocks_ns(len(few)),
        TIMED: block_ns(timer, len(samples)),
        "with prometheus_client time()": block_ns(prometheus.time, len(few)),
    }


def measure() -> list[tuple[str, float, float, str]]:
    """The budgets of 100 ns a sample and 250 ns a block, as ratios to what an append and two clock readings cost."""
    found = figures(400_000)
    peers = ", ".join(f"{name} {found[name]:.0f} ns" for name in found if "." not in name and " " in name)
    return [
        ("recording one sample", found[RECORD] / found[APPEND], 100 / 40, f"× array append; {found[RECORD]:.0f} ns"),
        ("timing one block", found[TIMED] / found[CLOCKS], 250 / 150, f"× two clock readings; {found[TIMED]:.0f} ns"),
        ("one sample against peers", found[RECORD] / found["prometheus_client observe"], 1.0, peers),
    ]


def main() -> None:
    found = figures(int(sys.argv[1]) if len(sys.argv) > 1 else 400_000)
    for name, ns in found.items():
        base = CLOCKS if name in (CLOCKS, TIMED) or name.startswith("with") else APPEND
        print(f"{name:36} {ns:7.1f} ns   {ns / found[base]:5.2f} x {base}")


if __name__ == "__main__":
    main()
