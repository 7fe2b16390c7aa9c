"""The file of resource samples: written line by line, read whole or told why not."""

import pytest

from gate.evidence.resources import as_line, as_series, read_resources
from gate.model import MetricKind, ResourceSample, Status


def sample(at_s, **values):
    usual = {"rss_bytes": 100, "pss_bytes": 90, "cpu": 0.5, "fds": 10, "threads": 3, "processes": 2}
    return ResourceSample(at_s=at_s, **(usual | values))


SAMPLES = tuple(sample(float(n), rss_bytes=100 + n) for n in range(5))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "resources.jsonl"
    path.write_bytes(b"".join(map(as_line, SAMPLES)))
    return path


def test_samples_are_read_back_as_written(path):
    samples, check = read_resources(path)
    assert samples == SAMPLES
    assert (check.status, check.reason) == (Status.PASS, "5 samples")


def test_a_sample_is_one_line():
    assert as_line(SAMPLES[0]).count(b"\n") == 1


def test_no_file_is_missing_evidence(tmp_path):
    samples, check = read_resources(tmp_path / "resources.jsonl")
    assert samples == ()
    assert check.status is Status.MISSING


def test_a_linked_file_is_not_read(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    samples, check = read_resources(link)
    assert (samples, check.status) == ((), Status.ERROR)


def test_a_line_that_breaks_off_keeps_those_before_it_and_is_told(path):
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        samples, check = read_resources(path)
        assert samples == SAMPLES[: len(samples)]
        assert (check.status is Status.PASS) is whole[:length].endswith(b"\n")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data + b"\n",
        lambda data: data + b"{}\n",
        lambda data: data + b"[" * 100_000 + b"\n",
        lambda data: data + b"\xff\n",
        lambda data: data.replace(b'"fds": 10', b'"fds": -1'),
        lambda data: data.replace(b'"fds": 10', b'"fds": true'),
        lambda data: data.replace(b'"cpu": 0.5', b'"cpu": NaN'),
        lambda data: data.replace(b'"cpu": 0.5', b'"cpu": 1e999'),
        lambda data: data.replace(b'"at_s": 3.0', b'"at_s": 1.0'),
        lambda data: data.replace(b'"at_s": 4.0', b'"at_s": 1e999'),
        lambda data: data.replace(b'"threads"', b'"treads"'),
    ],
)
def test_a_damaged_line_is_told_and_never_a_number(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    samples, check = read_resources(path)
    assert check.status is Status.ERROR
    assert check.reason.startswith("line ")
    assert samples == SAMPLES[: len(samples)]


def test_samples_become_gauges_in_base_units():
    gauges = as_series(SAMPLES)
    assert {name: gauge.unit for name, gauge in gauges.items()} == {
        "process.rss": "B",
        "process.pss": "B",
        "process.cpu": "1",
        "process.fds": "1",
        "process.threads": "1",
        "process.processes": "1",
    }
    rss = gauges["process.rss"]
    assert rss.kind is MetricKind.GAUGE
    assert tuple(rss.data.times_s) == (0, 1, 2, 3, 4)
    assert tuple(rss.data.values) == (100, 101, 102, 103, 104)


def test_a_gauge_is_made_of_the_samples_that_have_it():
    pss = as_series([*SAMPLES, sample(9.0, pss_bytes=None)])["process.pss"]
    assert tuple(pss.data.times_s) == (0, 1, 2, 3, 4)
    assert "process.pss" not in as_series([sample(0.0, pss_bytes=None)])
    assert as_series(()) == {}
