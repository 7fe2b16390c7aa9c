"""What real pytest writes, read back: the ways in which its XML is not what it seems."""

import os
import subprocess
import sys

import pytest

from gate.evidence.junit import nodeid_key, read_junit
from gate.model import CaseResult, Status

TESTS = r"""
import pytest

@pytest.fixture
def broken(): raise OSError("setup")
@pytest.fixture
def torn():
    yield
    raise OSError("teardown")
@pytest.fixture
def both(request):
    request.addfinalizer(lambda: 1 / 0)
    raise OSError("setup")

def test_pass(): pass
def test_fail(): assert 0, "\x1b[31mred\x1b[0m"
@pytest.mark.skip
def test_skip(): pass
@pytest.mark.xfail
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xpass(): pass
@pytest.mark.xfail(strict=True)
def test_xpass_strict(): pass
def test_setup_error(broken): pass
def test_teardown_error(torn): pass
def test_fail_and_teardown_error(torn): assert 0
def test_setup_and_teardown_error(both): pass
@pytest.mark.parametrize("v", ["a b", "[x]", "a/b.py::c", "\x1b", "é", "\U0001F600", "&<>\"'"])
def test_odd(v): pass
class TestC:
    def test_in_class(self, record_property): record_property("latency", "1.5 ms")
"""
NODE_IDS = """
def pytest_runtest_logreport(report):
    if report.when == "setup":
        with open("ids", "a", encoding="utf-8") as file:
            file.write(ascii(report.nodeid) + "\\n")
"""


@pytest.fixture
def run(tmp_path):
    def run(tests, *options):
        (tmp_path / "pkg").mkdir()
        (tmp_path / "pkg/test_all.py").write_text(tests)
        (tmp_path / "conftest.py").write_text(NODE_IDS)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=junit.xml", *options]
        env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, timeout=60, check=False)
        return read_junit(tmp_path / "junit.xml")

    return run


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_every_ending_of_a_test_is_read_as_what_it_was(run, tmp_path, family):
    reading = run(TESTS, "-o", f"junit_family={family}")
    results = {case.name: case.result for case in reading.cases if case.name != "test_fail_and_teardown_error"}
    assert {name: result for name, result in results.items() if result is not CaseResult.PASSED} == {
        "test_fail": CaseResult.FAILED,
        "test_skip": CaseResult.SKIPPED,
        "test_xfail": CaseResult.XFAILED,
        "test_xpass_strict": CaseResult.FAILED,
        "test_setup_error": CaseResult.ERROR,
        "test_teardown_error": CaseResult.ERROR,
        "test_setup_and_teardown_error": CaseResult.ERROR,
    }
    assert reading.problems == ()
    assert results["test_xpass"] is CaseResult.PASSED  # only the journal can tell
    assert reading.duplicates() == {("pkg.test_all", "test_fail_and_teardown_error"): 2}
    assert [(entry.name, entry.value) for entry in reading.properties] == [("latency", "1.5 ms")]
    assert {case.file for case in reading.cases} == ({"pkg/test_all.py"} if family == "xunit1" else {""})


def test_every_case_is_found_by_its_node_id(run, tmp_path):
    reading = run(TESTS)
    ids = [eval(line) for line in (tmp_path / "ids").read_text().splitlines()]
    assert len(ids) == 18
    assert {nodeid_key(nodeid) for nodeid in ids} == {(case.classname, case.name) for case in reading.cases}


def test_a_rerun_shows_as_the_same_case_twice_or_not_at_all(run):
    reading = run(
        "n = []\ndef test_flaky():\n    n.append(1)\n    assert len(n) > 1\n",
        "-p",
        "pytest_rerunfailures",
        "--reruns",
        "2",
    )
    assert reading.readable
    assert all(case.result is CaseResult.PASSED for case in reading.cases)
    assert reading.duplicates() == {("pkg.test_all", "test_flaky"): 2}


def test_a_module_that_cannot_be_imported_is_an_error(run):
    reading = run("import nothing_of_that_name\n")
    assert [case.result for case in reading.cases] == [CaseResult.ERROR]


def test_what_xdist_writes_agrees_with_itself(run):
    reading = run(TESTS, "-p", "xdist", "-n", "2")
    assert reading.problems == ()
    assert reading.counts.collected == 19


def test_a_run_that_dies_leaves_no_readable_report(run):
    reading = run("import os\ndef test_a(): pass\ndef test_b(): os._exit(0)\n")
    assert any(check.status is not Status.PASS for check in reading.checks)
