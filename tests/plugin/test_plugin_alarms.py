"""Trouble that no outcome shows is heard: in threads, in forgotten coroutines, in asyncio, and after the last hook."""

from tests.plugin.conftest import Gated, broken

TROUBLE = """
    import asyncio, logging, threading, warnings

    def test_thread():
        def burst(): raise OSError("in a thread")
        thread = threading.Thread(target=burst)
        thread.start()
        thread.join()
    def test_forgotten():
        async def work(): pass
        work()
    def test_returns():
        return 1
    def test_asyncio():
        logging.getLogger("asyncio").error("Task exception was never retrieved")
    def test_deprecated():
        warnings.warn("old", DeprecationWarning)
    class TestWithInit:
        def __init__(self): pass
"""
HEARD = {
    ("PytestUnhandledThreadExceptionWarning", "test_thread"),
    ("RuntimeWarning", "test_forgotten"),
    ("PytestReturnNotNoneWarning", "test_returns"),
    ("asyncio", "test_asyncio"),
    ("PytestCollectionWarning", ""),
}


def test_each_kind_of_trouble_is_an_alarm_with_its_test(gated: Gated) -> None:
    gated.write(TROUBLE)
    assert gated.run().returncode == 0
    reading = gated.journal()
    assert {(alarm.category, alarm.test.rpartition("::")[2]) for alarm in reading.alarms} - HEARD == set()
    assert HEARD - {(alarm.category, alarm.test.rpartition("::")[2]) for alarm in reading.alarms} == set()
    assert broken(reading) == {}


def test_alarms_of_workers_are_counted_once(gated: Gated) -> None:
    gated.write("def test_returns():\n    return 1\n")
    gated.run("-n1", plugins=("gate.plugin", "xdist.plugin"))
    assert [alarm.category for alarm in gated.journal(workers=1).alarms] == ["PytestReturnNotNoneWarning"]


def test_trouble_after_the_last_hook_is_heard(gated: Gated) -> None:
    gated.write(
        """
        import threading
        def burst(): raise OSError("late")
        def pytest_unconfigure():
            thread = threading.Thread(target=burst)
            thread.start()
            thread.join()
        """,
        "conftest.py",
    )
    gated.write("def test_a(): pass")
    done = gated.run()
    assert done.returncode == 0
    assert [alarm.category for alarm in gated.journal().alarms] == ["PytestUnhandledThreadExceptionWarning"]
    assert "late" in done.stderr
