"""What the journal says about tests that end in every ordinary way, and about hooks that say otherwise."""

import pytest

from gate.model import CaseResult, Status
from tests.plugin.conftest import Gated, broken, reason

ORDINARY = """
    import unittest
    import pytest

    def test_passes(): pass
    def test_fails(): assert 0, "the reason"
    @pytest.mark.skip(reason="not today")
    def test_skips(): pass
    @pytest.mark.xfail
    def test_xfails(): assert 0
    @pytest.mark.xfail
    def test_xpasses(): pass
    @pytest.fixture
    def bad(): raise OSError("no set-up")
    def test_cannot_start(bad): pass
    @pytest.fixture
    def worse():
        yield
        raise OSError("no tear-down")
    def test_cannot_end(worse): pass
    def test_parts(subtests):
        with subtests.test("good"): pass
        with subtests.test("bad"): assert 0, "the part"
    class TestOld(unittest.TestCase):
        def test_old_fails(self): self.fail("old")
        def test_old_skips(self): self.skipTest("old")
        def test_old_passes(self): pass
"""

RESULTS = {
    "test_passes": CaseResult.PASSED,
    "test_fails": CaseResult.FAILED,
    "test_skips": CaseResult.SKIPPED,
    "test_xfails": CaseResult.XFAILED,
    "test_xpasses": CaseResult.XPASSED,
    "test_cannot_start": CaseResult.ERROR,
    "test_cannot_end": CaseResult.ERROR,
    "test_parts": CaseResult.FAILED,
    "test_old_fails": CaseResult.FAILED,
    "test_old_skips": CaseResult.SKIPPED,
    "test_old_passes": CaseResult.PASSED,
}


def results(gated: Gated, **planned: object) -> dict[str, CaseResult]:
    return {case.id.split("::")[-1]: case.result for case in gated.journal(**planned).cases}


def test_every_ordinary_ending_is_told_and_breaks_no_rule(gated: Gated) -> None:
    gated.write(ORDINARY)
    assert gated.run().returncode == 1
    reading = gated.journal()
    assert results(gated) == RESULTS
    assert broken(reading) == {}
    assert reading.exit_status == 1
    details = {case.id.split("::")[-1]: case.detail for case in reading.cases}
    assert "the reason" in details["test_fails"]
    assert "the part" in details["test_parts"]
    assert "not today" in details["test_skips"]
    assert "no tear-down" in details["test_cannot_end"]
    assert reading.passed == {"test_it.py::test_passes": 1, "test_it.py::TestOld::test_old_passes": 1}


def test_workers_tell_the_same_as_one_process(gated: Gated) -> None:
    gated.write(ORDINARY)
    gated.run("-n2", plugins=("gate.plugin", "xdist.plugin"))
    reading = gated.journal(workers=2)
    assert results(gated, workers=2) == RESULTS
    assert broken(reading) == {}
    assert {case.worker for case in reading.cases} == {"gw0", "gw1"}
    assert broken(gated.journal(workers=0)).keys() == {"options", "workers"}


def test_a_repeated_test_is_flaky_and_its_last_result_counts(gated: Gated) -> None:
    gated.write("""
        count = []
        def test_second_time_lucky():
            count.append(1)
            assert len(count) > 1
        def test_steady(): pass
    """)
    assert gated.run("--reruns=2", plugins=("gate.plugin", "pytest_rerunfailures")).returncode == 0
    reading = gated.journal()
    assert reading.flaky == ("test_it.py::test_second_time_lucky",)
    assert reading.passed == {"test_it.py::test_second_time_lucky": 2, "test_it.py::test_steady": 1}
    assert broken(reading) == {}


FLIPPED_REPORT = """
    import pytest
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(item, call):
        report = yield
        report.outcome = "{outcome}"
        report.longrepr = {longrepr}
        return report
"""
SWALLOWED = """
    import pytest
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(item):
        try:
            return (yield)
        except Exception:
            return None
"""
FORGED = """
    import pytest
    from _pytest.reports import TestReport
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        for when in ("setup", "call", "teardown"):
            item.ihook.pytest_runtest_logreport(
                report=TestReport(item.nodeid, item.location, {}, "passed", None, when))
        return True
"""


@pytest.mark.parametrize(
    ("conftest", "said"),
    [
        pytest.param(FLIPPED_REPORT.format(outcome="passed", longrepr=None), "reported as passed", id="to passed"),
        pytest.param(
            FLIPPED_REPORT.format(outcome="skipped", longrepr=("f", 1, "r")), "reported as skipped", id="to skipped"
        ),
        pytest.param(SWALLOWED, "did not return", id="exception swallowed"),
        pytest.param(FORGED, "without having been executed", id="reports forged"),
    ],
)
def test_a_failure_that_a_hook_turned_into_something_else_is_found(gated: Gated, conftest: str, said: str) -> None:
    gated.write(conftest, "conftest.py")
    gated.write("def test_fails(): assert 0")
    assert gated.run().returncode == 0
    reading = gated.journal()
    assert broken(reading)["outcomes"] is Status.FAIL
    assert said in reason(reading, "outcomes")


def test_a_flipped_unittest_failure_is_found(gated: Gated) -> None:
    gated.write(FLIPPED_REPORT.format(outcome="passed", longrepr=None), "conftest.py")
    gated.write("""
        import unittest
        class TestOld(unittest.TestCase):
            def test_old_fails(self): self.fail("old")
    """)
    assert gated.run().returncode == 0
    assert broken(gated.journal()) == {"outcomes": Status.FAIL}


def test_an_exit_status_turned_into_success_is_found(gated: Gated) -> None:
    gated.write("def pytest_sessionfinish(session): session.exitstatus = 0", "conftest.py")
    gated.write("def test_fails(): assert 0")
    assert gated.run().returncode == 0
    assert broken(gated.journal()) == {"exit": Status.FAIL}


def test_an_execution_that_was_never_reported_makes_a_test_flaky(gated: Gated) -> None:
    gated.write(
        """
        import pytest
        from _pytest.runner import runtestprotocol
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            runtestprotocol(item, nextitem=nextitem, log=False)
            runtestprotocol(item, nextitem=nextitem)
            return True
        """,
        "conftest.py",
    )
    gated.write("count = []\ndef test_second_time_lucky():\n    count.append(1)\n    assert len(count) > 1\n")
    assert gated.run().returncode == 0
    assert gated.journal().flaky == ("test_it.py::test_second_time_lucky",)
