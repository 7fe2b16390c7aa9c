"""Whether the machine was fit to measure on."""

import dataclasses
from pathlib import Path

import pytest

from gate.execute import fitness
from gate.execute.fitness import FitnessMeter, throttled_s, unfit_reason
from gate.model import FitnessSample

CALM = FitnessSample(at_s=100.0, when="", load_1m=0.1, outside_cpu=0.0, steal=0.0, throttled_s=1.0, probe_s=0.01)


def after(**changes: float) -> FitnessSample:
    return dataclasses.replace(CALM, at_s=200.0, **changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"outside_cpu": 0.5}, None),
        ({"outside_cpu": 0.51}, "other processes used 0.51 cores (at most 0.5)"),
        ({"steal": 0.05}, None),
        ({"steal": 0.06}, "the hypervisor took 6.0% of the processor (at most 5%)"),
        ({"throttled_s": 6.0}, None),
        ({"throttled_s": 6.1}, "the processor quota held processes back for 5.1% of the time (at most 5%)"),
        ({"probe_s": 0.015}, None),
        ({"probe_s": 0.016}, "the same work took up to 1.60 times as long as at its fastest (at most 1.5)"),
        ({"probe_s": 0.006}, "the same work took up to 1.67 times as long as at its fastest (at most 1.5)"),
        ({"load_1m": 99.0}, None),
    ],
)
def test_a_machine_is_unfit_above_each_limit(changes: dict[str, float], reason: str | None) -> None:
    assert unfit_reason((CALM, after(**changes))) == reason


def test_what_came_before_the_first_sample_does_not_count() -> None:
    assert unfit_reason((dataclasses.replace(CALM, outside_cpu=2.0), after())) is None


@pytest.mark.parametrize("samples", [(), (dataclasses.replace(CALM, outside_cpu=2.0),)])
def test_fewer_than_two_samples_say_nothing(samples: tuple[FitnessSample, ...]) -> None:
    assert unfit_reason(samples) is None


def test_every_reason_is_given_once() -> None:
    noisy = dataclasses.replace(after(outside_cpu=1.0, steal=0.5), at_s=200.0)
    again = dataclasses.replace(noisy, at_s=300.0)
    reason = unfit_reason((CALM, noisy, again))
    assert reason is not None
    assert (reason.count("other processes"), reason.count("hypervisor")) == (1, 1)


def test_no_probe_is_no_reason() -> None:
    assert unfit_reason((CALM, dataclasses.replace(after(), probe_s=None))) is None


def test_a_sample_is_taken_of_this_machine() -> None:
    sample = FitnessMeter().sample("before")
    assert sample.when == "before"
    assert sample.probe_s is not None
    assert 0 < sample.probe_s < 5
    assert 0 <= sample.steal <= 1
    assert sample.outside_cpu >= 0
    assert sample.load_1m >= 0


def test_a_probe_can_be_left_out() -> None:
    assert FitnessMeter().sample("between", probe=False).probe_s is None


@pytest.mark.parametrize(
    ("file", "content", "seconds"),
    [
        ("run/cpu.stat", "usage_usec 5\nthrottled_usec 2500000\n", 2.5),
        ("cpu/job/cpu.stat", "nr_throttled 1\nthrottled_time 1500000000\n", 1.5),
        ("cpu.stat", "usage_usec 5\nthrottled_usec 500000\n", 0.5),
        ("cpu/cpu.stat", "throttled_time 250000000\n", 0.25),
        ("nothing", "", 0.0),
    ],
)
def test_throttled_time_is_read_from_both_versions_of_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, content: str, seconds: float
) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("4:memory:/job\n3:cpu:/job\n0::/run\n")
    (tmp_path / "fs" / file).parent.mkdir(parents=True)
    (tmp_path / "fs" / file).write_text(content)
    monkeypatch.setattr(fitness, "_PROC", tmp_path)
    monkeypatch.setattr(fitness, "_CGROUP", tmp_path / "fs")
    assert throttled_s() == seconds
