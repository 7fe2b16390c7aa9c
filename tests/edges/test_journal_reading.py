"""Reading journals: no bytes are too bad to be read, and nothing that is missing looks like success."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.evidence.journal import CHECKS, JournalReading, JournalTail, read_journal
from gate.model import CaseResult, Status

OPTIONS = {"collectonly": False, "keyword": "", "markexpr": "", "dist": "no", "numprocesses": None}
PASSED = [["setup", "passed", 10, 0], ["call", "passed", 20, 0], ["teardown", "passed", 30, 0]]

Record = Mapping[str, Any]


def start(**changes: Any) -> Record:
    return {"k": "start", "v": 1, "nonce": "n", "pid": 7, "worker": None, "optimize": 0, "options": OPTIONS} | changes


def whole(*middle: Record, ids: tuple[str, ...] = ("a", "b", "c"), status: int = 0, **first: Any) -> list[Record]:
    """A journal without fault around the records of its tests."""
    records = [start(**first), {"k": "ids", "ids": list(ids)}, {"k": "collected", "n": len(ids)}, *middle]
    records.append({"k": "finish", "exit": status, "collected": len(ids), "failed": 0, "changed": {}})
    return [*records, {"k": "end", "pid": 7, "n": len(records) + 1, "metrics": {}}]


def ran(index: int, **changes: Any) -> Record:
    return {"k": "t", "i": index, "d": [10, 20, 30], "n": index + 1} | changes


GOOD = whole({"k": "b", "i": 0}, ran(0), ran(1), {"k": "t", "i": 2, "ph": PASSED, "n": -1})


def as_bytes(records: list[Record]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def read(folder: Path, data: bytes, name: str = "journal.jsonl", **planned: Any) -> JournalReading:
    (folder / name).write_bytes(data)
    reading = read_journal(folder, "n", **planned)
    assert tuple(check.name for check in reading.checks) == CHECKS
    return reading


def broken(reading: JournalReading) -> dict[str, Status]:
    return {c.name.removeprefix("journal/"): c.status for c in reading.checks if c.status is not Status.PASS}


def test_a_whole_journal_breaks_nothing(tmp_path: Path) -> None:
    reading = read(tmp_path, as_bytes(GOOD))
    assert broken(reading) == {}
    assert reading.passed == {"a": 1, "b": 1, "c": 1}
    assert [case.duration_s for case in reading.cases] == pytest.approx([6e-5] * 3)
    assert reading.exit_status == 0


def test_cut_off_at_any_byte_it_is_never_whole(tmp_path: Path) -> None:
    data = as_bytes(GOOD)
    for length in range(len(data)):
        assert broken(read(tmp_path, data[:length])), f"cut at {length}"


def test_with_any_record_taken_out_or_told_twice_it_is_never_whole(tmp_path: Path) -> None:
    for index in range(len(GOOD)):
        assert broken(read(tmp_path, as_bytes(GOOD[:index] + GOOD[index + 1 :]))), GOOD[index]
        assert broken(read(tmp_path, as_bytes(GOOD[: index + 1] + GOOD[index:]))), GOOD[index]


@given(st.binary(max_size=200), st.integers(0, 2**16))
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_or_pass(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert broken(read(folder, noise))
    data = as_bytes(GOOD)
    at %= len(data)
    read(folder, data[:at] + noise + data[at:])
    read(folder, data[:at] + noise + data[at + len(noise) :])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.integers(0, len(GOOD) - 1), st.data())
@settings(max_examples=400, deadline=None)
def test_no_value_in_any_field_raises(
    tmp_path_factory: pytest.TempPathFactory, index: int, data: st.DataObject
) -> None:
    extra = [
        {
            "k": k,
            "w": "gw0",
            "id": "a",
            "x": "",
            "c": "C",
            "m": "M",
            "o": "failed",
            "n": 1,
            "same": True,
            "error": None,
            "ids": [],
        }
        for k in ("up", "down", "node", "crash", "alarm", "collect", "vanished", "deselected", "fork")
    ]
    records = [dict(record) for record in (*GOOD[:-2], *extra, *GOOD[-2:])]
    record = records[data.draw(st.integers(0, len(records) - 1))]
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(JSON)
    folder = tmp_path_factory.getbasetemp()
    read(folder, as_bytes(records))
    JournalTail(folder).poll()


@pytest.mark.parametrize(
    ("records", "rule"),
    [
        pytest.param([], "present", id="nothing"),
        pytest.param(whole(ran(0), ran(1), ran(2), nonce="m"), "nonce", id="another nonce"),
        pytest.param([start(), *GOOD], "process", id="two starts"),
        pytest.param(whole(ran(0), ran(1), ran(2), pid=8), "process", id="another process ended it"),
        pytest.param(whole(ran(0), ran(1), ran(2), optimize=1), "options", id="optimised"),
        pytest.param(whole(ran(0), ran(1), ran(2), options=OPTIONS | {"lf": True}), "options", id="last failed"),
        pytest.param(whole(ran(0), ran(1), ran(2), options={}), "options", id="options unknown"),
        pytest.param(whole(ran(0), ran(1), ran(2), options=OPTIONS | {"keyword": "x"}), "options", id="narrowed"),
        pytest.param(whole(ran(0), ran(1)), "items", id="one did not run"),
        pytest.param(whole(ran(0), ran(1), ran(2, d=[1, 2])), "complete", id="a phase is missing"),
        pytest.param(whole(ran(0), ran(1), ran(2), {"k": "vanished", "ids": ["d"]}), "items", id="one was dropped"),
        pytest.param(whole(ran(0), ran(1), ran(2), {**ran(9), "i": None, "id": "d"}), "items", id="one too many"),
        pytest.param(whole(ran(0), ran(1), ran(2), ids=("a", "b", "c", "c")), "items", id="collected twice"),
        pytest.param(whole(ran(0), ran(1), {"k": "t", "i": 2, "ph": PASSED[:2], "n": -1}), "items", id="no tear-down"),
        pytest.param(whole(ran(0), ran(1), {"k": "t", "i": 2, "ph": PASSED[::2], "n": -1}), "items", id="no call"),
        pytest.param(whole(ran(0), ran(1), ran(2), status=1), "exit", id="failure of nothing"),
        pytest.param(whole(ran(0), ran(1), ran(2), status=5), "exit", id="unknown status"),
        pytest.param(whole(ran(0), ran(1), ran(2), {"k": "up", "w": "gw0"}), "workers", id="unplanned worker"),
    ],
)
def test_each_fault_breaks_its_rule(tmp_path: Path, records: list[Record], rule: str) -> None:
    assert rule in broken(read(tmp_path, as_bytes(records)))


@pytest.mark.parametrize("addopts", [["-m", "not slow"], ["-mnot slow"], ["-q", "-m", "x", "-m=not slow"]])
def test_a_marker_of_the_project_itself_may_stand_where_none_was_planned(tmp_path: Path, addopts: list[str]) -> None:
    records = whole(ran(0), ran(1), ran(2), addopts=addopts, options=OPTIONS | {"markexpr": "not slow"})
    assert broken(read(tmp_path, as_bytes(records))) == {}
    assert broken(read(tmp_path, as_bytes(records), marker="slow")) == {"options": Status.FAIL}
    other = whole(ran(0), ran(1), ran(2), addopts=addopts, options=OPTIONS | {"markexpr": "slow"})
    assert broken(read(tmp_path, as_bytes(other))) == {"options": Status.FAIL}


@pytest.mark.parametrize(
    ("outcome", "cause", "expected_failure", "fault"),
    [
        ("passed", 0, False, False),
        ("passed", 1, False, True),
        ("passed", 2, False, True),
        ("passed", 3, False, True),
        ("passed", -1, False, True),
        ("skipped", 2, False, False),
        ("skipped", 1, False, True),
        ("skipped", 0, False, True),
        ("skipped", 1, True, False),
        ("passed", 0, True, False),
        ("passed", 1, True, True),
        ("failed", 1, False, False),
        ("failed", 0, False, False),
        ("failed", -1, False, False),
        ("rerun", -1, False, True),
        ("passed", 9, False, True),
    ],
)
def test_a_report_must_have_something_behind_it(
    tmp_path: Path, outcome: str, cause: int, expected_failure: bool, fault: bool
) -> None:
    phases = [PASSED[0], ["call", outcome, 1, cause], PASSED[2]]
    record = {"k": "t", "i": 0, "ph": phases, "n": -1} | ({"xf": ""} if expected_failure else {})
    assert ("outcomes" in broken(read(tmp_path, as_bytes(whole(record, ids=("a",)))))) == fault


def test_success_over_a_failed_test_is_a_contradiction(tmp_path: Path) -> None:
    failed = {"k": "t", "i": 0, "ph": [PASSED[0], ["call", "failed", 1, 1], PASSED[2]], "n": -1, "x": "why"}
    reading = read(tmp_path, as_bytes(whole(failed, ids=("a",))))
    assert broken(reading) == {"exit": Status.FAIL}
    assert reading.cases[0].detail == "why"
    assert broken(read(tmp_path, as_bytes(whole(failed, ids=("a",), status=1)))) == {}


def test_the_order_of_executions_decides_the_result(tmp_path: Path) -> None:
    failed = {"k": "t", "i": 0, "ph": [PASSED[0], ["call", "rerun", 1, 1], PASSED[2]], "n": 0}
    reading = read(tmp_path, as_bytes(whole(failed, ran(0), ids=("a",))))
    assert (reading.flaky, reading.cases[0].attempts) == (("a",), 2)
    assert reading.cases[0].result is CaseResult.PASSED
    (case,) = read(tmp_path, as_bytes(whole(failed, ids=("a",)))).cases
    assert case.result is CaseResult.INCOMPLETE


DISTRIBUTED = OPTIONS | {"dist": "load", "numprocesses": 1}


def distributed(*, down: str | None = None, same: bool = True, crash: bool = False) -> list[Record]:
    middle: list[Record] = [{"k": "up", "w": "gw0"}, {"k": "node", "w": "gw0", "n": 2, "same": same}]
    middle += [ran(0, w="gw0"), ran(1, w="gw0"), {"k": "down", "w": "gw0", "error": down}]
    middle += [{"k": "crash", "id": "b", "w": "gw0", "x": "gone"}] if crash else []
    return whole(*middle, ids=("a", "b"), options=DISTRIBUTED, status=1 if crash else 0)


def worker(*tests: Record, name: str = "gw0", ids: tuple[str, ...] = ("a", "b")) -> list[Record]:
    return whole(*tests, ids=ids, worker=name)


FAILED_B = {"k": "t", "i": 1, "ph": [PASSED[0], ["call", "failed", 1, 1], PASSED[2]], "n": -1}


@pytest.mark.parametrize(
    ("main", "own", "fault"),
    [
        pytest.param(distributed(), worker(ran(0), ran(1)), None, id="agreed"),
        pytest.param(distributed(), None, "left no journal", id="no journal"),
        pytest.param(distributed(), worker(ran(0), ran(1))[:-1], "no end", id="cut off"),
        pytest.param(distributed(), worker(ran(0)), "differ about b", id="one test less"),
        pytest.param(distributed(), worker(ran(0), FAILED_B), "differ about b", id="another result"),
        pytest.param(distributed(), worker(ran(0), ran(1), ids=("a", "b", "c")), "other tests", id="other tests"),
        pytest.param(distributed(same=False), worker(ran(0), ran(1)), "other tests", id="workers differ"),
        pytest.param(distributed(down="lost"), worker(ran(0), ran(1)), "broke down", id="broke down"),
        pytest.param(distributed(crash=True), worker(ran(0), ran(1)), "crashed", id="crashed"),
        pytest.param(distributed(), worker(ran(0), ran(1), name="gw1"), "another worker", id="another name"),
    ],
)
def test_workers_and_main_process_must_agree(
    tmp_path: Path, main: list[Record], own: list[Record] | None, fault: str | None
) -> None:
    if own is not None:
        (tmp_path / "journal-gw0.jsonl").write_bytes(as_bytes(own))
    reading = read(tmp_path, as_bytes(main), workers=1)
    said = next(check.reason for check in reading.checks if check.name == "journal/workers")
    assert (fault in said) if fault else (broken(reading) == {})


def test_too_few_workers_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "journal-gw0.jsonl").write_bytes(as_bytes(worker(ran(0), ran(1))))
    assert {"workers", "options"} <= broken(read(tmp_path, as_bytes(distributed()), workers=2)).keys()


def test_a_journal_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(as_bytes(GOOD))
    (tmp_path / "journal.jsonl").symlink_to("elsewhere")
    assert set(broken(read_journal(tmp_path, "n")).values()) == {Status.ERROR}


def test_lone_surrogates_do_not_reach_the_report(tmp_path: Path) -> None:
    records = whole(ran(0), ids=("a\udcff",), args=["\udcff"], addopts=["\udcff"], plugins={"p\udcff": "1\udcff"})
    reading = read(tmp_path, as_bytes(records))
    assert reading.cases[0].id == "a\\udcff"
    f"{reading}".encode()
    assert broken(reading) == {}


def test_shuffled_records_never_raise(tmp_path: Path) -> None:
    order = random.Random(1)
    for _ in range(100):
        read(tmp_path, as_bytes(order.sample(GOOD, len(GOOD))))
