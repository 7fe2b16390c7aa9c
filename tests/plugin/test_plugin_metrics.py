"""What tests record arrives whole, from threads, tasks, forked children and workers, and only if the test passed."""

import json

import pytest

from gate.model import Distribution, Metric, MetricKind, Proportion, Series, Status, Tally
from tests.plugin.conftest import Gated, broken, reason

EVERY_KIND = """
    import asyncio, os, threading
    import pytest

    def test_kinds(metrics):
        latency = metrics.histogram("latency", unit="s")
        for n in range(10):
            latency.record(n / 1000)
        with latency.time():
            pass
        with metrics.time("latency"):
            pass
        metrics.counter("ticks").add(3)
        metrics.counter("ticks").add(0.5)
        metrics.counter("lost")
        metrics.ratio("cache").hit()
        metrics.ratio("cache").miss(3)
        metrics.gauge("memory", unit="MB").set(2)
        metrics.gauge("level").set(-1)
        metrics.histogram("delay", unit="ms").record(9)
        metrics.histogram("size", unit="KiB").record(2)
        metrics.record("waits", 0.25)

    def test_threads(metrics):
        shared, counter = metrics.histogram("shared"), metrics.counter("shared_count")
        def work():
            for _ in range(30_000):
                shared.record(0.5)
                counter.add()
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

    def test_tasks(metrics):
        waited = metrics.histogram("waited")
        async def wait(seconds):
            with waited.time():
                await asyncio.sleep(seconds)
        async def both():
            await asyncio.gather(wait(0.03), wait(0.01))
        asyncio.run(both())

    def test_forks(metrics):
        forked = metrics.histogram("forked")
        forked.record(1.0)
        pid = os.fork()
        if not pid:
            for _ in range(3):
                forked.record(2.0)
            metrics.counter("children").add()
            os._exit(0)
        os.waitpid(pid, 0)
        forked.record(3.0)

    def test_many(metrics):
        many = metrics.histogram("many")
        for n in range(150_000):
            many.record(n * 1e-6)

    def test_fails(metrics):
        metrics.histogram("latency").record(99.0)
        metrics.counter("of_failed").add()
        assert 0

    @pytest.mark.xfail
    def test_xfails(metrics):
        metrics.histogram("latency").record(99.0)
        assert 0

    def test_processes_do_not_get_it(metrics):
        import pickle
        with pytest.raises(TypeError, match="another process"):
            pickle.dumps(metrics)
"""


def by_name(metrics: tuple[Metric, ...]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


def distribution(metric: Metric) -> Distribution:
    assert isinstance(metric.data, Distribution)
    return metric.data


def test_every_kind_arrives(gated: Gated) -> None:
    (gated.evidence / "limits.json").write_text(json.dumps({"many": [0.1, 0.149999], "latency": [0.005]}))
    gated.write(EVERY_KIND)
    done = gated.run()
    assert "1 failed, 6 passed, 1 xfailed" in done.stdout
    reading = gated.metrics()
    assert broken(reading) == {}
    found = by_name(reading.metrics)

    latency = distribution(found["latency"])
    assert (found["latency"].kind, found["latency"].unit) == (MetricKind.HISTOGRAM, "s")
    assert (latency.count, latency.maximum, latency.exact) == (12, 0.009, True)
    assert latency.above == ((0.005, 4, 5),)
    assert latency.span_s > 0
    assert found["ticks"].data == Tally(total=3.5, updates=2, span_s=latency.span_s)
    assert found["lost"].data == Tally(total=0.0, updates=0, span_s=latency.span_s)
    assert found["cache"].data == Proportion(hits=1, misses=3)
    memory, level = found["memory"].data, found["level"].data
    assert isinstance(memory, Series)
    assert isinstance(level, Series)
    assert (memory.values, found["memory"].unit, memory.sources) == ((2e6,), "B", 1)
    assert (level.values, found["level"].unit) == ((-1.0,), "")
    assert distribution(found["delay"]).uppers == (0.009,)
    assert (distribution(found["size"]).uppers, found["size"].unit) == ((2048.0,), "B")
    assert distribution(found["waits"]).uppers == (0.25,)

    assert distribution(found["shared"]).count == 180_000
    assert found["shared_count"].data.total == 180_000  # type: ignore[union-attr]
    short, long = distribution(found["waited"]).uppers
    assert 0.01 <= short < 0.03 <= long
    assert distribution(found["forked"]).uppers == (1.0, 2.0, 2.0, 2.0, 3.0)
    assert found["children"].data.total == 1  # type: ignore[union-attr]

    many = distribution(found["many"])
    assert (many.count, many.minimum, many.maximum, many.exact) == (150_000, 0.0, 149_999 * 1e-6, False)
    values = [n * 1e-6 for n in range(150_000)]
    assert many.above == tuple(
        (at, sum(v > at for v in values), sum(v >= at for v in values)) for at in (0.1, 0.149999)
    )
    assert "of_failed" not in found


def test_workers_record_into_files_of_their_own(gated: Gated) -> None:
    gated.write("""
        import pytest
        @pytest.mark.parametrize("n", range(8))
        def test_n(metrics, n):
            metrics.histogram("latency").record(float(n))
            metrics.gauge("g").set(n)
    """)
    gated.run("-n2", plugins=("gate.plugin", "xdist.plugin"))
    reading = gated.metrics()
    assert broken(reading) == {}
    found = by_name(reading.metrics)
    assert distribution(found["latency"]).uppers == tuple(map(float, range(8)))
    gauge = found["g"].data
    assert isinstance(gauge, Series)
    assert gauge.sources == 2
    assert all(0 <= at_s < 60 for at_s in gauge.times_s)
    assert {path.name.partition("-")[0] for path in (gated.evidence / "metrics").iterdir()} == {"gw0", "gw1"}


def test_data_of_a_repeated_test_count_not_at_all(gated: Gated) -> None:
    gated.write("""
        count = []
        def test_second_time_lucky(metrics):
            count.append(1)
            metrics.counter("of_repeated").add()
            assert len(count) > 1
        def test_steady(metrics): metrics.counter("of_steady").add()
    """)
    gated.run("--reruns=1", plugins=("gate.plugin", "pytest_rerunfailures"))
    assert by_name(gated.metrics().metrics).keys() == {"of_steady"}


@pytest.mark.parametrize(
    ("use", "said"),
    [
        ("metrics.histogram('m').record(float('nan'))", "nan was recorded"),
        ("metrics.histogram('m').record(float('inf'))", "inf was recorded"),
        ("metrics.histogram('m').record(-1.0)", "-1.0 was recorded"),
        ("metrics.histogram('m').record(-1)", "-1 was recorded"),
        ("metrics.histogram('m').record(True)", "True was recorded"),
        ("metrics.histogram('m').record('1')", "'1' was recorded"),
        ("metrics.histogram('m', unit='ms').record('1')", "'1' was recorded"),
        ("metrics.counter('m').add(-1)", "-1 was recorded"),
        ("metrics.counter('m').add(float('nan'))", "nan was recorded"),
        ("metrics.counter('m').add(True)", "True was recorded"),
        ("metrics.ratio('m').hit(-1)", "-1 was recorded"),
        ("metrics.ratio('m').miss(0.5)", "0.5 was recorded"),
        ("metrics.gauge('m').set(float('-inf'))", "-inf was recorded"),
        ("metrics.gauge('m').set(False)", "False was recorded"),
        ("metrics.counter('m'); metrics.gauge('m')", "used as gauge and as counter"),
        ("metrics.gauge('m', unit='MB'); metrics.gauge('m', unit='KB')", "used as gauge in KB and as gauge in MB"),
        ("metrics.gauge('m', unit='furlong')", "unknown unit"),
        ("metrics.histogram('m', unit='/s')", "unknown unit"),
        ("metrics.counter('No Name')", "not a name"),
    ],
)
def test_a_bad_value_raises_and_is_left_as_evidence(
    use: str, said: str, tmp_path: object, request: pytest.FixtureRequest
) -> None:
    from gate.plugin import recording

    kept: list[dict[str, object]] = []
    recording._MEANINGS.pop("m", None)
    metrics = recording.Metrics("t", 1, _Kept(kept), lambda _, __: 0.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"cannot be|is no"):
        exec(use, {"metrics": metrics})
    assert [said in str(record["what"]) for record in kept if record["k"] == "error"] == [True]


class _Kept:
    """Keeps records in a list where a file would be."""

    forked = False
    started = 0.0

    def __init__(self, records: list[dict[str, object]]) -> None:
        self.live: set[object] = set()
        self.add = records.append

    def limits(self, metric: str) -> list[float]:
        return []


def test_an_error_that_the_test_caught_still_breaks_a_check(gated: Gated) -> None:
    gated.write("""
        def test_hides(metrics):
            try: metrics.histogram("latency").record(float("nan"))
            except ValueError: pass
    """)
    assert gated.run().returncode == 0
    reading = gated.metrics()
    assert broken(reading) == {"sane": Status.FAIL}
    assert "nan was recorded" in reason(reading, "sane")


def test_recording_after_the_end_of_the_test_raises(gated: Gated) -> None:
    gated.write("""
        import pytest
        kept = []
        def test_first(metrics):
            kept.append(metrics.histogram("latency"))
            kept[0].record(0.5)
        def test_second():
            with pytest.raises(RuntimeError, match="after the end of its test"):
                kept[0].record(0.5)
    """)
    assert gated.run().returncode == 0
    assert distribution(by_name(gated.metrics().metrics)["latency"]).count == 1


def test_timing_with_a_unit_that_is_no_time_raises(gated: Gated) -> None:
    gated.write("""
        import pytest
        def test_sizes(metrics):
            with pytest.raises(TypeError, match="no unit of time"):
                metrics.histogram("size", unit="B").time()
    """)
    assert gated.run().returncode == 0


def test_a_file_of_metrics_that_is_taken_away_is_missed(gated: Gated) -> None:
    gated.write("def test_a(metrics): metrics.counter('c').add()")
    gated.run()
    (file,) = (gated.evidence / "metrics").iterdir()
    file.unlink()
    assert broken(gated.metrics()) == {"readable": Status.ERROR}


def test_a_child_that_is_killed_loses_nothing_it_recorded(gated: Gated) -> None:
    gated.write("""
        import os, signal
        def test_forks(metrics):
            latency = metrics.histogram("latency")
            pid = os.fork()
            if not pid:
                latency.record(7.0)
                os.kill(os.getpid(), signal.SIGKILL)
            os.waitpid(pid, 0)
    """)
    gated.run()
    assert broken(gated.metrics()) == {}
    assert distribution(by_name(gated.metrics().metrics)["latency"]).uppers == (7.0,)
