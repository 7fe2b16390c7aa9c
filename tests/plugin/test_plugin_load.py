"""`load` sends every call at its moment, leaves none out, and says what it measured and how well."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gate.model import Distribution, Metric, Tally
from gate.plugin.load import Load, LoadResult, pacing
from gate.plugin.load.arrivals import Schedule
from gate.plugin.load.book import Book
from gate.plugin.load.open_loop import OpenLoop
from gate.plugin.recording import Metrics
from tests.plugin.conftest import Gated, broken

linux = pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
WAYS = ("coroutines", "threads")


def sent(load: Load, way: str, request: Callable[[int], object], **options: Any) -> LoadResult:
    """The result of a run, by coroutines that call `request` or by threads."""
    options = {"rate_per_s": 1000, "metric": "latency"} | options
    if way == "threads":
        return load.run_sync(request, **options)

    async def awaited(n: int) -> None:
        request(n)

    return asyncio.run(load.run(awaited, **options))


# ---- what is sent ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_every_call_is_made_once_and_none_before_its_moment(load: Load, way: str) -> None:
    calls: dict[int, float] = {}
    began = time.perf_counter()
    result = sent(load, way, lambda n: calls.setdefault(n, time.perf_counter()), duration_s=0.1)
    assert time.perf_counter() - began >= 0.1
    assert (result.asked, result.done, result.errors, result.messages) == (100, 100, 0, ())
    assert sorted(calls) == list(range(100))
    assert all(at >= began + n / 1000 for n, at in calls.items())
    assert result.duration_s >= 0.1
    assert result.achieved_rate == 100 / result.duration_s


def test_a_rate_that_no_timer_could_ring_for_one_by_one_is_sent_in_full(load: Load) -> None:
    result = sent(load, "coroutines", lambda _: None, rate_per_s=500_000, duration_s=0.01)
    assert (result.asked, result.done) == (5000, 5000)


@pytest.mark.parametrize("way", WAYS)
def test_the_latency_of_a_call_counts_from_its_intended_moment(load: Load, way: str) -> None:
    # The k-th of 20 calls, one millisecond apart, is through after k + 1 times ten milliseconds.
    result = sent(load, way, lambda _: time.sleep(0.01), duration_s=0.02, max_in_flight=1)
    assert result.latency.max >= 20 * 0.01 - 0.019
    assert result.latency.p50 >= 10 * 0.01 - 0.009


@pytest.mark.parametrize("way", WAYS)
def test_waiting_for_a_free_place_is_no_lag_of_the_generator(load: Load, way: str) -> None:
    result = sent(load, way, lambda _: time.sleep(0.01), duration_s=0.02, max_in_flight=1)
    assert result.lag.p50 < result.latency.p50 / 4


def test_a_request_that_holds_the_event_loop_up_shows_as_lag(load: Load) -> None:
    result = sent(load, "coroutines", lambda n: time.sleep(0.05 if n == 0 else 0), duration_s=0.02)
    assert result.lag.max >= 0.03


@pytest.mark.parametrize("way", WAYS)
def test_no_more_calls_run_at_once_than_were_allowed(load: Load, way: str) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def enter(by: int) -> None:
        nonlocal running, most
        with lock:
            running += by
            most = max(most, running)

    def block(_: int) -> None:
        enter(1)
        time.sleep(0.003)
        enter(-1)

    async def wait(_: int) -> None:
        enter(1)
        await asyncio.sleep(0.003)
        enter(-1)

    options = {"rate_per_s": 5000, "duration_s": 0.02, "metric": "latency", "max_in_flight": 7}
    result = asyncio.run(load.run(wait, **options)) if way == "coroutines" else load.run_sync(block, **options)  # type: ignore[arg-type]
    assert (result.done, most) == (100, 7)


@pytest.mark.parametrize("way", WAYS)
def test_failed_calls_are_counted_and_the_first_few_say_why(load: Load, way: str) -> None:
    def fail_sometimes(n: int) -> None:
        if n % 2:
            raise ValueError(f"call {n:02}: {'x' * 1000}")

    result = sent(load, way, fail_sometimes, duration_s=0.04)
    assert (result.asked, result.done, result.errors) == (40, 20, 20)
    assert len(result.messages) == 5
    assert all(message.startswith("ValueError: call ") and len(message) == 300 for message in result.messages)


def test_a_request_that_was_cancelled_by_itself_has_failed(load: Load) -> None:
    def cancel(_: int) -> None:
        raise asyncio.CancelledError

    result = sent(load, "coroutines", cancel, duration_s=0.005)
    assert (result.done, result.errors, result.messages[0]) == (0, 5, "CancelledError: ")


@pytest.mark.parametrize("way", WAYS)
def test_a_test_may_be_failed_from_within_a_request(load: Load, way: str) -> None:
    calls: list[int] = []

    def judge(n: int) -> None:
        calls.append(n)
        if n == 3:
            pytest.fail("seen enough")

    with pytest.raises(pytest.fail.Exception, match="seen enough"):
        sent(load, way, judge, duration_s=60)
    assert len(calls) < 60_000


def test_a_run_that_is_cancelled_ends_its_calls_and_none_of_them_has_failed() -> None:
    ended: list[int] = []
    book = Book(Metrics("t", 1, None, lambda _, __: 0.0), "latency")

    async def scene() -> None:
        first = asyncio.Event()

        async def hang(n: int) -> None:
            first.set()
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(n)

        run = asyncio.create_task(OpenLoop(hang, Schedule(rate_per_s=1000, duration_s=60), book, 100).run())
        await first.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scene())
    assert ended == list(range(len(ended)))
    assert ended
    assert (book.done, book.errors, book.latencies) == (0, 0, [])


@linux
@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_of_a_run(load: Load, way: str) -> None:
    def left() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    before = left()
    sent(load, way, lambda _: None, duration_s=0.005)
    assert left() == before


# ---- when it is sent ------------------------------------------------------------------------------------------------


def test_a_constant_rate_does_not_drift() -> None:
    offsets = list(Schedule(rate_per_s=3000, duration_s=100).offsets_s())
    assert len(offsets) == 300_000
    assert offsets[-1] == 299_999 / 3000
    assert len(list(Schedule(rate_per_s=0.1, duration_s=1).offsets_s())) == 1
    assert len(list(Schedule(rate_per_s=1000, duration_s=0.0071).offsets_s())) == 8
    assert len(list(Schedule(rate_per_s=100, duration_s=1.1).offsets_s())) == 110  # 1.1 × 100 is a little more


def test_random_moments_have_the_rate_and_are_the_same_for_the_same_seed() -> None:
    def moments(seed: int) -> list[float]:
        return list(Schedule(rate_per_s=1000, duration_s=10, arrivals="poisson", seed=seed).offsets_s())

    found = moments(1)
    assert found == moments(1) != moments(2)
    assert 9_500 < len(found) < 10_500
    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 10
    # Of exponential gaps a share of 1/e is longer than the mean; of even ones none would be.
    gaps = [after - before for before, after in pairwise(found)]
    assert 0.33 < sum(gap > 0.001 for gap in gaps) / len(gaps) < 0.41


def test_load_may_come_at_random_moments(load: Load) -> None:
    result = sent(load, "coroutines", lambda _: None, duration_s=0.1, arrivals="poisson", seed=3)
    schedule = Schedule(rate_per_s=1000, duration_s=0.1, arrivals="poisson", seed=3)
    assert result.done == len(list(schedule.offsets_s()))


@pytest.mark.parametrize(
    "options",
    [
        {"rate_per_s": 0, "duration_s": 1},
        {"rate_per_s": float("inf"), "duration_s": 1},
        {"duration_s": -1},
        {"duration_s": float("nan")},
        {"duration_s": 1, "arrivals": "bursts"},
        {"duration_s": 1, "max_in_flight": 0},
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_load_that_means_nothing_is_refused(load: Load, way: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"above 0|allowed are|at least one"):
        sent(load, way, lambda _: None, **options)


@pytest.mark.parametrize(
    "alarm", [pytest.param(pacing.TimerFd, marks=linux), pacing.LoopTimer], ids=["timerfd", "event loop"]
)
def test_an_alarm_rings_once_and_not_before_the_latest_moment_it_was_set_to(alarm: Any) -> None:
    async def scene() -> list[float]:
        rings: asyncio.Queue[float] = asyncio.Queue()
        made = alarm(asyncio.get_running_loop(), lambda: rings.put_nowait(time.perf_counter()))
        now = time.perf_counter()
        made.set(now + 0.001)
        made.set(now + 0.02)
        first = await rings.get() - now
        for _ in range(9):
            await asyncio.sleep(0)
        assert rings.empty()
        now = time.perf_counter()
        made.set(now - 1)
        second = await rings.get() - now
        made.set(now + 3600)
        made.close()
        assert rings.empty()
        return [first, second]

    first, second = asyncio.run(scene())
    # The loop takes a timer as due when less than the resolution of its clock is left.
    assert first >= 0.02 - 1e-6
    assert second >= 0


def test_the_result_says_what_kept_the_time(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def pacing_of_a_run() -> str:
        result = sent(load, "coroutines", lambda _: None, duration_s=0.01)
        assert result.done == 10
        return result.pacing

    assert (pacing_of_a_run() == "timerfd") == (sys.platform == "linux")
    monkeypatch.setattr(pacing, "sys", SimpleNamespace(platform="another"))
    assert pacing_of_a_run() == "event loop, to a millisecond at best"


# ---- what is recorded -----------------------------------------------------------------------------------------------

RECORDS = """
    import asyncio

    def test_load(load):
        async def request(n):
            if n % 10 == 0:
                raise ValueError(n)
        result = asyncio.run(load.run(request, rate_per_s=20_000, duration_s=0.05, metric="api"))
        assert (result.done, result.errors) == (900, 100)

    def test_load_on_threads(load, metrics):
        load.run_sync(lambda n: None, rate_per_s=1000, duration_s=0.05, metric="api")
        metrics.counter("api_done").add(7)
"""


def test_latency_lag_and_errors_become_metrics(gated: Gated) -> None:
    gated.write(RECORDS)
    done = gated.run("-W", "error")
    assert "2 passed" in done.stdout, done.stdout
    reading = gated.metrics()
    assert broken(reading) == {}
    found: dict[str, Metric] = {metric.name: metric for metric in reading.metrics}
    for name in ("api", "api_lag"):
        data = found[name].data
        assert isinstance(data, Distribution)
        assert (data.count, found[name].unit) == (1050, "s")
    assert found["api_lag"].data.total < found["api"].data.total  # type: ignore[union-attr]
    tallies = [found[name].data for name in ("api_done", "api_errors")]
    assert [tally.total for tally in tallies if isinstance(tally, Tally)] == [957, 100]


def test_without_a_gate_load_works_and_records_nothing(gated: Gated) -> None:
    gated.write(RECORDS)
    gated.env.update(GATE_NONCE="", GATE_DIR="")
    assert "2 passed" in gated.run("-W", "error").stdout
    assert list(gated.evidence.iterdir()) == []


def test_the_quantiles_of_very_many_calls_are_never_better_than_the_truth() -> None:
    for count in (1000, 200_000):
        book = Book(Metrics("t", 1, None, lambda _, __: 0.0), "latency")
        book.latencies.extend(n / count for n in range(1, count + 1))
        book.lags.extend(0.0 for _ in range(count))
        book.done = count
        latency = book.result(1.0, "").latency
        for p, got in ((0.5, latency.p50), (0.95, latency.p95), (0.999, latency.p999)):
            assert p <= got < p * 1.01
        assert latency.max == 1.0
