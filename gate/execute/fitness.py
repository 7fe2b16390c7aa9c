"""Whether the machine was fit to measure on.

Owns the reading of load, foreign processor time, steal and throttling, and a fixed piece of work whose time shows a
slow clock that no counter shows. `unfit_reason` is pure and compares samples; a number that missed a limit on an unfit
machine proves nothing. What follows from it is left to the judge.

Limits, with their reasons:

    outside_cpu  0.5 of a core   a third of that moves a p99 already; below it is the noise of any desktop
    steal        5 %             a hypervisor that takes more is visible in every latency
    throttled    5 %             of the time between the samples, by the control group's quota
    probe        1.5 times       the same work took that much longer at one moment than at another
"""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gate.execute import tree
from gate.model import FitnessSample

MAX_OUTSIDE_CPU: Final = 0.5
MAX_STEAL: Final = 0.05
MAX_THROTTLED: Final = 0.05
MAX_PROBE_RATIO: Final = 1.5
_MIN_SPAN_S: Final = 0.1
_PROBE_ROUNDS: Final = 250_000
_PROBE_REPETITIONS: Final = 5
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
_CGROUP: Final = Path("/sys/fs/cgroup")
_Counters = tuple[float, float, float, float, float]


class FitnessMeter:
    """Takes samples; `outside_cpu` (cores) and `steal` (fraction) cover the time since the sample before.

    The first sample covers a tenth of a second that the meter waits for.
    """

    def __init__(self) -> None:
        self._last = _counters()

    def sample(self, when: str, *, probe: bool = True) -> FitnessSample:
        """The state now; `when` names the moment in the run. With `probe` it costs a tenth of a second of work."""
        self._await_span()
        now = _counters()
        passed_s = now[0] - self._last[0]
        busy_s, total_s = now[1] - self._last[1], max(now[2] - self._last[2], 1e-9)
        own_s, steal_s = now[3] - self._last[3], now[4] - self._last[4]
        sample = FitnessSample(
            at_s=time.time(),
            when=when,
            load_1m=os.getloadavg()[0],
            outside_cpu=round(max(0.0, (busy_s - own_s) / passed_s), 4),
            steal=round(min(1.0, max(0.0, steal_s / total_s)), 4),
            throttled_s=throttled_s(),
            probe_s=probe_s() if probe else None,
        )
        self._last = _counters()
        return sample

    def _await_span(self) -> None:
        missing_s = self._last[0] + _MIN_SPAN_S - time.monotonic()
        if missing_s > 0:
            time.sleep(missing_s)


def unfit_reason(samples: Sequence[FitnessSample]) -> str | None:
    """Why numbers taken between the first and the last sample are not to be trusted; None if nothing speaks against it.

    Fewer than two samples span no time and say nothing.
    """
    reasons = [reason for before, after in itertools.pairwise(samples) for reason in _reasons(before, after)]
    if len(samples) > 1:
        reasons += _probe_reasons([sample.probe_s for sample in samples if sample.probe_s])
    return "; ".join(dict.fromkeys(reasons)) or None


def _reasons(before: FitnessSample, after: FitnessSample) -> Iterator[str]:
    if after.outside_cpu > MAX_OUTSIDE_CPU:
        yield f"other processes used {after.outside_cpu:.2f} cores (at most {MAX_OUTSIDE_CPU:g})"
    if after.steal > MAX_STEAL:
        yield f"the hypervisor took {after.steal:.1%} of the processor (at most {MAX_STEAL:.0%})"
    span_s = after.at_s - before.at_s
    throttled = (after.throttled_s - before.throttled_s) / span_s if span_s > 0 else 0.0
    if throttled > MAX_THROTTLED:
        yield f"the processor quota held processes back for {throttled:.1%} of the time (at most {MAX_THROTTLED:.0%})"


def _probe_reasons(probes_s: Sequence[float]) -> Iterator[str]:
    ratio = max(probes_s) / min(probes_s) if probes_s else 1.0
    if ratio > MAX_PROBE_RATIO:
        yield f"the same work took up to {ratio:.2f} times as long as at its fastest (at most {MAX_PROBE_RATIO:g})"


def probe_s() -> float:
    """The time in seconds of a fixed loop in pure Python, the least of a few repetitions."""
    return min(_time_probe() for _ in range(_PROBE_REPETITIONS))


def _time_probe() -> float:
    started, total = time.perf_counter(), 0
    for number in range(_PROBE_ROUNDS):
        total += number & 7
    return time.perf_counter() - started


def throttled_s() -> float:
    """Seconds for which the processor quota of this control group has held it back so far; 0 without a quota."""
    for line in _cpu_stat_lines():
        name, _, value = line.partition(" ")
        if name == "throttled_usec":  # version 2
            return int(value) / 1e6
        if name == "throttled_time":  # version 1
            return int(value) / 1e9
    return 0.0


def _cpu_stat_lines() -> list[str]:
    """cpu.stat of the own control group, else of the root that a container sees."""
    for folder in (*_own_cgroups(), _CGROUP, _CGROUP / "cpu", _CGROUP / "cpu,cpuacct"):
        with contextlib.suppress(OSError):
            return (folder / "cpu.stat").read_text("ascii").splitlines()
    return []


def _own_cgroups() -> Iterator[Path]:
    with contextlib.suppress(OSError):
        for line in (_PROC / "self" / "cgroup").read_text("utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                yield _CGROUP / path.lstrip("/")
            elif "cpu" in controllers.split(","):
                yield _CGROUP / controllers / path.lstrip("/")


def _counters() -> _Counters:
    """Monotonic time, then busy, total, own and stolen processor time so far, in seconds."""
    user, nice, system, idle, iowait, irq, softirq, steal = _cpu_fields()
    busy = user + nice + system + irq + softirq
    own = tree.read_stat(os.getpid())
    mine = (own.cpu_ticks + own.reaped_ticks) if own else 0
    below = sum(stat.cpu_ticks + stat.reaped_ticks for stat in tree.below(os.getpid()))
    ticks = (busy, busy + idle + iowait + steal, mine + below, steal)
    busy_s, total_s, own_s, steal_s = (count / _TICKS_PER_S for count in ticks)
    return (time.monotonic(), busy_s, total_s, own_s, steal_s)


def _cpu_fields() -> list[int]:
    try:
        line = (_PROC / "stat").read_text("ascii").partition("\n")[0]
    except OSError:
        return [0] * 8
    fields = [int(field) for field in line.split()[1:9]]
    return fields + [0] * (8 - len(fields))
