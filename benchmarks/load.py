"""What the fixture `load` can send: its lag and its cost, beside sleepers.

Sends trivial calls, 20,000 a second, from one event loop on one core. How late a machine wakes anybody is not the
generator's doing: right before each round a bare `time.sleep` is measured, and the budget of a millisecond is what the
generator may add to it, in the best of a few rounds. The processor time tells how near the rate is to what one core can
do, and does not depend on others.

    python -m benchmarks.load [calls per second]
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from gate.plugin.load import Load, LoadResult
from gate.plugin.recording import Metrics

RATE_PER_S = 20_000
SLEEPERS_PER_S = 1000
ROUNDS = 6
SECONDS = 1.0


async def trivial(_: int) -> None:
    pass


async def in_thread(seconds: float) -> None:
    time.sleep(seconds)  # noqa: ASYNC251  # what is measured


def sent(rate_per_s: float) -> tuple[LoadResult, float]:
    """One run of load, and its share of a core."""
    load = Load(Metrics("benchmark", 1, None, lambda _, __: 0.0))
    began = time.process_time()
    result = asyncio.run(load.run(trivial, rate_per_s=rate_per_s, duration_s=SECONDS, metric="latency"))
    return result, (time.process_time() - began) / result.duration_s


async def lags_of(sleep: Callable[[float], Awaitable[None]], rate_per_s: float) -> list[float]:
    """How late a sleeper comes to each of its moments, ascending."""
    lags = []
    began = time.perf_counter()
    for n in range(int(rate_per_s * SECONDS)):
        due = began + n / rate_per_s
        while (left := due - time.perf_counter()) > 0:
            await sleep(left)
        lags.append(time.perf_counter() - due)
    return sorted(lags)


def measure() -> list[tuple[str, float, float, str]]:
    """20,000 calls a second: none dropped, sent within a millisecond of their moment, on one core."""
    rounds = []
    for _ in range(ROUNDS):
        woken = asyncio.run(lags_of(in_thread, SLEEPERS_PER_S))
        result, share = sent(RATE_PER_S)
        late = woken[int(len(woken) * 0.99)]
        rounds.append((max(0.0, result.lag.p99 - late), late, share, result))
    dropped = max(RATE_PER_S * SECONDS - result.done for *_, result in rounds)
    added, late, _, best = min(rounds, key=lambda one: (one[0], one[3].lag.p99))
    slept = asyncio.run(lags_of(asyncio.sleep, SLEEPERS_PER_S))
    paced, _ = sent(SLEEPERS_PER_S)
    tighter = slept[len(slept) // 2] / paced.lag.p50
    lags = f"p50 {best.lag.p50 * 1e6:.0f} µs, p99 {best.lag.p99 * 1e3:.2f} ms, a bare sleeper's {late * 1e3:.2f} ms"
    return [
        ("load at 20,000/s: dropped", dropped, 0, f"calls; {best.achieved_rate:.0f} done per second"),
        ("load at 20,000/s: lag", added * 1000, 1.0, f"ms at p99 over a bare sleeper's; {lags}"),
        ("load at 20,000/s: processor", min(share for _, _, share, _ in rounds), 1.0, f"of a core; by {best.pacing}"),
        ("load at 1,000/s: lag", 1 / tighter, 1.0, f"× asyncio.sleep at p50; {tighter:.1f} × tighter"),
    ]


def main() -> None:
    result, share = sent(float(sys.argv[1]) if len(sys.argv) > 1 else RATE_PER_S)
    print(
        f"{result.done} of {result.asked} calls, {result.achieved_rate:.0f}/s, {share:.0%} of a core, {result.pacing}"
    )
    print(f"lag      {result.lag}")
    print(f"latency  {result.latency}")


if __name__ == "__main__":
    main()
