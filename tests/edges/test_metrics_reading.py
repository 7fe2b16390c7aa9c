"""Reading metrics: no bytes are too bad to be read, only passed tests count, and a bad number is never a number."""

import base64
import json
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.evidence import merge
from gate.evidence.hdr import write_hdr
from gate.evidence.metrics import CHECKS, MetricsReading, read_metrics
from gate.evidence.properties import metric_name, read_benchmark, read_properties
from gate.model import Distribution, Metric, MetricKind, Proportion, Series, Status, Tally

Record = Mapping[str, Any]

HEAD = {"k": "head", "v": 1, "nonce": "n", "worker": "main", "pid": 7}
FORK = HEAD | {"k": "fork", "ppid": 7}
PASSED = {"a": 1, "b": 1, "twice": 2}


def f8(*values: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}d", *values)).decode()


def part(kind: str, test: str = "a", **fields: Any) -> Record:
    unit = "s" if kind == "histogram" else "1"
    return {"k": "data", "test": test, "a": 1, "name": kind, "kind": kind, "unit": unit, "span": 2.0} | fields


def samples(*values: float, **fields: Any) -> Record:
    return part("histogram", n=len(values), f8=f8(*values), **fields)


FOLDED = part("histogram", n=3, total=6.0, min=1.0, max=3.0, b=[[1.5, 1], [3.0, 2]], above=[[2.0, 1, 2]])
RATIO = part("ratio", hits=3, misses=1)
COUNTER = part("counter", n=2, total=5)
GAUGE = part("gauge", t=[1.0, 2.0], x=[5.0, -6.0])


def lines(*records: Record, head: Record = HEAD) -> bytes:
    ended = [head, *records, *([{"k": "end", "n": len(records) + 2}] if head is HEAD else [])]
    return b"".join(json.dumps(record).encode() + b"\n" for record in ended)


def read(folder: Path, *files: bytes, fork: bytes | None = None, **options: Any) -> MetricsReading:
    (folder / "metrics").mkdir(exist_ok=True)
    for index, data in enumerate(files):
        (folder / "metrics" / f"gw{index}-{index}.jsonl").write_bytes(data)
    if fork is not None:
        (folder / "metrics" / "main-fork-9.jsonl").write_bytes(fork)
    reading = read_metrics(folder, PASSED, nonce="n", **options)
    assert tuple(check.name for check in reading.checks) == CHECKS
    return reading


def broken(reading: MetricsReading) -> dict[str, Status]:
    return {c.name.removeprefix("metrics/"): c.status for c in reading.checks if c.status is not Status.PASS}


def data(reading: MetricsReading, name: str) -> Any:
    return next(metric.data for metric in reading.metrics if metric.name == name)


def test_nothing_recorded_is_nothing_and_no_fault(tmp_path: Path) -> None:
    reading = read_metrics(tmp_path, PASSED)
    assert (reading.metrics, broken(reading)) == ((), {})


def test_processes_and_tests_are_added_up(tmp_path: Path) -> None:
    one = lines(samples(1.0, 3.0), COUNTER, RATIO, GAUGE)
    other = lines(samples(2.0, test="b"), COUNTER, RATIO, part("gauge", t=[1.5], x=[7.0]))
    (tmp_path / "limits.json").write_text('{"histogram": [2.0, 9.0]}')
    reading = read(tmp_path, one, other)
    assert broken(reading) == {}
    assert data(reading, "histogram") == Distribution(
        count=3,
        total=6.0,
        minimum=1.0,
        maximum=3.0,
        exact=True,
        uppers=(1.0, 2.0, 3.0),
        counts=None,
        above=((2.0, 1, 2), (9.0, 0, 0)),
        span_s=4.0,
    )
    assert data(reading, "counter") == Tally(total=10.0, updates=4, span_s=4.0)
    assert data(reading, "ratio") == Proportion(hits=6, misses=2)
    assert data(reading, "gauge") == Series(times_s=(1.0, 1.5, 2.0), values=(5.0, 7.0, -6.0), sources=2)


def test_exact_and_folded_samples_add_up_conservatively(tmp_path: Path) -> None:
    (tmp_path / "limits.json").write_text('{"histogram": [2.0]}')
    reading = read(tmp_path, lines(FOLDED), lines(samples(1.25, 2.0)))
    assert broken(reading) == {}
    found = data(reading, "histogram")
    assert (found.count, found.minimum, found.maximum, found.exact) == (5, 1.0, 3.0, False)
    assert found.uppers == (1.2578125, 1.5, 2.0, 3.0)
    assert found.counts == (1, 1, 1, 2)
    assert found.above == ((2.0, 1, 3),)


def test_very_many_exact_samples_are_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "EXACT", 2)
    found = data(read(tmp_path, lines(samples(1.0, 1.25, 4.0))), "histogram")
    assert (found.exact, found.uppers, found.counts) == (False, (1.0078125, 1.2578125, 4.0), (1, 1, 1))


@pytest.mark.parametrize("test", ["failed", "twice"])
def test_only_tests_that_passed_at_once_count(tmp_path: Path, test: str) -> None:
    reading = read(tmp_path, lines(samples(9.0, test=test), COUNTER))
    assert [metric.name for metric in reading.metrics] == ["counter"]
    assert broken(reading) == {}


def test_only_the_first_execution_counts(tmp_path: Path) -> None:
    assert read(tmp_path, lines(samples(9.0, a=2))).metrics == ()


@pytest.mark.parametrize(
    ("record", "check"),
    [
        pytest.param(samples(1.0) | {"n": 2}, "readable", id="a sample is missing"),
        pytest.param(samples(1.0) | {"f8": "!"}, "readable", id="no base64"),
        pytest.param(samples(float("nan")), "sane", id="nan"),
        pytest.param(samples(float("inf")), "sane", id="infinite"),
        pytest.param(samples(-0.001), "sane", id="negative"),
        pytest.param(samples(1.0, span=-1.0), "sane", id="negative span"),
        pytest.param(FOLDED | {"b": [[1.5, 1], [3.0, 1]]}, "readable", id="counts do not add up"),
        pytest.param(FOLDED | {"b": [[3.0, 2], [1.5, 1]]}, "readable", id="not ascending"),
        pytest.param(FOLDED | {"max": 9.0}, "readable", id="maximum above the last edge"),
        pytest.param(FOLDED | {"min": 4.0}, "readable", id="minimum above maximum"),
        pytest.param(FOLDED | {"above": [[2.0, 3, 2]]}, "readable", id="more above than at"),
        pytest.param(FOLDED | {"total": float("nan")}, "sane", id="total not a number"),
        pytest.param(FOLDED | {"above": []}, "readable", id="limit not counted"),
        pytest.param(COUNTER | {"total": -1}, "sane", id="negative counter"),
        pytest.param(COUNTER | {"total": True}, "readable", id="counter is true"),
        pytest.param(COUNTER | {"total": "5"}, "readable", id="counter is text"),
        pytest.param(COUNTER | {"total": 1e300}, "sane", id="counter out of range"),
        pytest.param(RATIO | {"hits": -1}, "sane", id="negative hits"),
        pytest.param(RATIO | {"hits": 1.5}, "readable", id="half a hit"),
        pytest.param(GAUGE | {"x": [1.0]}, "readable", id="a value is missing"),
        pytest.param(GAUGE | {"x": [1.0, float("inf")]}, "sane", id="infinite gauge"),
        pytest.param(GAUGE | {"kind": "gouge"}, "readable", id="unknown kind"),
        pytest.param(GAUGE | {"unit": "furlong"}, "readable", id="unknown unit"),
        pytest.param(
            {"k": "error", "test": "a", "name": "m", "what": "nan was recorded"}, "sane", id="left by the test"
        ),
        pytest.param({"k": "what"}, "readable", id="unknown record"),
        pytest.param(HEAD, "readable", id="a second head"),
        pytest.param(COUNTER | {"name": "ratio"}, "kinds", id="two kinds"),
        pytest.param(
            GAUGE | {"name": "counter", "kind": "counter", "n": 1, "total": 1, "unit": "B"}, "kinds", id="two units"
        ),
    ],
)
def test_each_fault_breaks_its_check(tmp_path: Path, record: Record, check: str) -> None:
    (tmp_path / "limits.json").write_text('{"histogram": [2.0]}')
    assert check in broken(read(tmp_path, lines(record, RATIO, COUNTER)))


def test_a_name_with_two_meanings_is_no_metric(tmp_path: Path) -> None:
    reading = read(tmp_path, lines(RATIO), lines(COUNTER | {"name": "ratio"}))
    assert (reading.metrics, broken(reading)) == ((), {"kinds": Status.FAIL})


def test_cut_off_at_any_byte_a_file_is_never_readable(tmp_path: Path) -> None:
    whole = lines(samples(1.0), RATIO)
    for length in range(len(whole)):
        assert broken(read(tmp_path, whole[:length])), f"cut at {length}"


def test_files_are_missed_when_the_journal_tells_of_them(tmp_path: Path) -> None:
    whole = lines(COUNTER)
    assert broken(read(tmp_path, whole, files={"gw0-0.jsonl": 3})) == {}
    assert broken(read(tmp_path, whole, files={"gw0-0.jsonl": 4})) == {"readable": Status.ERROR}
    assert broken(read(tmp_path, whole, files={"gw0-0.jsonl": 3, "gw1-1.jsonl": 2})) == {"readable": Status.ERROR}
    assert broken(read(tmp_path, whole, files={"gw1-1.jsonl": 2})) == {"readable": Status.ERROR}


def test_files_of_another_invocation_are_refused(tmp_path: Path) -> None:
    other = json.dumps(HEAD | {"nonce": "m"}).encode() + b"\n" + json.dumps({"k": "end", "n": 2}).encode() + b"\n"
    assert broken(read(tmp_path, other)) == {"readable": Status.ERROR}


def test_a_forked_child_needs_no_end_but_whole_lines(tmp_path: Path) -> None:
    child = lines(COUNTER, head=FORK)
    reading = read(tmp_path, lines(COUNTER), fork=child)
    assert (data(reading, "counter").total, broken(reading)) == (10.0, {})
    assert broken(read(tmp_path, lines(COUNTER), fork=child[:-1]))["forks"] is Status.ERROR
    went_on = child + json.dumps({"k": "end", "n": 3}).encode() + b"\n"
    assert broken(read(tmp_path, lines(COUNTER), fork=went_on))["forks"] is Status.ERROR
    assert broken(read(tmp_path, lines(COUNTER), fork=lines(COUNTER)))["forks"] is Status.ERROR


def test_a_link_in_place_of_a_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "elsewhere").write_bytes(lines(COUNTER))
    (tmp_path / "metrics" / "main-7.jsonl").symlink_to(tmp_path / "elsewhere")
    reading = read_metrics(tmp_path, PASSED)
    assert (reading.metrics, broken(reading)) == ((), {"readable": Status.ERROR})


def test_limits_that_cannot_be_read_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "limits.json").write_text("{")
    assert broken(read(tmp_path, lines(COUNTER))) == {"readable": Status.ERROR}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_value_in_any_field_and_no_bytes_raise(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    records = [dict(record) for record in (samples(1.0), FOLDED, COUNTER, RATIO, GAUGE)]
    record = data.draw(st.sampled_from(records))
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(JSON)
    whole = bytearray(lines(*records))
    at, noise = data.draw(st.integers(0, len(whole))), data.draw(st.binary(max_size=20))
    folder = tmp_path_factory.getbasetemp()
    read(folder, bytes(whole))
    whole[at:at] = noise
    read(folder, bytes(whole))


# ---- HdrHistogram logs --------------------------------------------------------------------------------------------


def test_hdr_logs_are_read_by_its_tools_with_the_same_quantiles(tmp_path: Path) -> None:
    values = [random.Random(n).lognormvariate(-6, 1) for n in range(1000)]
    (path,) = write_hdr(read(tmp_path, lines(samples(*values))).metrics, tmp_path)
    assert path.name == "histogram.hlog"
    log = HistogramLogReader(str(path), HdrHistogram(1, 10**12, 3))
    try:
        histogram = log.get_next_interval_histogram()
    finally:
        log.close()
    assert histogram.get_total_count() == len(values)
    for percent in (50, 90, 99, 99.9, 100):
        true = sorted(values)[round(len(values) * percent / 100) - 1]
        assert histogram.get_value_at_percentile(percent) / 1e9 == pytest.approx(true, rel=2e-3)


def test_hdr_logs_are_written_for_histograms_with_samples_only(tmp_path: Path) -> None:
    reading = read(tmp_path, lines(samples(), COUNTER, GAUGE, RATIO))
    assert write_hdr(reading.metrics, tmp_path) == ()


# ---- metrics of tests that know nothing of gate --------------------------------------------------------------------


def test_properties_that_a_threshold_asks_for_become_samples() -> None:
    properties = [
        ("a", "Decode-Time", "12.5 ms"),
        ("b", "decode_time", "10 ms"),
        ("failed", "decode_time", "99 s"),
        ("twice", "decode_time", "98 s"),
        ("a", "items", "7"),
        ("a", "colour", "red"),
    ]
    reading = read_properties(properties, PASSED, {"decode_time": (0.011,), "items": ()})
    time, items = reading.metrics
    assert reading.check.status is Status.PASS
    assert (time.name, time.kind, time.unit, time.data.uppers) == (  # type: ignore[union-attr]
        "decode_time",
        MetricKind.HISTOGRAM,
        "s",
        (0.01, 0.0125),
    )
    assert time.data.above == ((0.011, 1, 1),)  # type: ignore[union-attr]
    assert (items.unit, items.data.uppers) == ("", (7.0,))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text", ["red", "nan", "inf", "-1 ms", "1,234.5", "0x10", "", "٣", "1_000", "5 furlong", "5 /s"]
)
def test_a_property_that_is_asked_for_and_is_no_measure_breaks_the_check(text: str) -> None:
    reading = read_properties([("a", "m", text)], PASSED, {"m": ()})
    assert (reading.metrics, reading.check.status) == ((), Status.ERROR)


def test_a_property_in_two_units_breaks_the_check() -> None:
    reading = read_properties([("a", "m", "1 s"), ("b", "m", "1 MB")], PASSED, {"m": ()})
    assert (reading.metrics, reading.check.status) == ((), Status.ERROR)


def benchmark(**changes: Any) -> bytes:
    found = {"name": "test_decode[Big JSON]", "fullname": "a", "stats": {"data": [0.2, 0.1]}} | changes
    return json.dumps({"benchmarks": [found]}).encode()


def test_benchmarks_that_a_threshold_asks_for_become_samples() -> None:
    limits = {metric_name("test_decode[Big JSON]"): (0.15,)}
    assert limits.keys() == {"test_decode_big_json"}
    reading = read_benchmark(benchmark(), PASSED, limits)
    (metric,) = reading.metrics
    assert isinstance(metric, Metric)
    assert (metric.unit, metric.data.uppers, metric.data.above) == (  # type: ignore[union-attr]
        "s",
        (0.1, 0.2),
        ((0.15, 1, 1),),
    )
    assert read_benchmark(benchmark(fullname="failed"), PASSED, limits).metrics == ()
    assert read_benchmark(benchmark(), PASSED, {}).metrics == ()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        benchmark(stats={}),
        benchmark(stats={"data": [-1]}),
        benchmark(stats={"data": [True]}),
    ],
)
def test_benchmarks_that_cannot_be_read_break_the_check(text: bytes) -> None:
    reading = read_benchmark(text, PASSED, {"test_decode_big_json": ()})
    assert (reading.metrics, reading.check.status) == ((), Status.ERROR)
