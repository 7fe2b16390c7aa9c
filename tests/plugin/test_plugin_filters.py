"""Warnings that count under every configuration of the project's own filters, seen in real pytest processes."""

import pytest

from gate.plugin.filters import louder_filters
from tests.plugin.conftest import Gated

PLUGINS = ("gate.plugin", "gate.plugin.filters")
DYING_THREAD = """
    import threading
    def test_it():
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
"""
NEVER_AWAITED = """
    import gc
    async def work(): ...
    def test_it():
        work()
        gc.collect()
"""
OLD = """
    import warnings
    def test_it():
        warnings.warn("old", DeprecationWarning)
"""


def categories(gated: Gated) -> list[str]:
    return [alarm.category for alarm in gated.journal().alarms]


def ini(gated: Gated, *filters: str) -> None:
    lines = "".join(f"    {line}\n" for line in filters)
    gated.write(f"[pytest]\nfilterwarnings =\n{lines}", "pytest.ini")


@pytest.mark.parametrize("line", ["ignore", "ignore::pytest.PytestWarning", "ignore:Exception in thread"])
def test_a_thread_that_died_is_heard_though_the_project_ignores_it(gated: Gated, line: str) -> None:
    ini(gated, line)
    gated.write(DYING_THREAD)
    assert gated.run(plugins=PLUGINS).returncode == 0
    assert categories(gated) == ["PytestUnhandledThreadExceptionWarning"]


def test_without_the_louder_filters_it_would_not_be_heard(gated: Gated) -> None:
    ini(gated, "ignore")
    gated.write(DYING_THREAD)
    gated.run(plugins=PLUGINS[:1])
    assert categories(gated) == []


@pytest.mark.parametrize("filters", [("error",), ("ignore", "error::pytest.PytestUnhandledThreadExceptionWarning")])
def test_what_the_project_makes_an_error_stays_an_error(gated: Gated, filters: tuple[str, ...]) -> None:
    ini(gated, *filters)
    gated.write(DYING_THREAD)
    assert gated.run(plugins=PLUGINS).returncode == 1


def test_an_ignore_after_an_error_is_heard_and_fails_no_test(gated: Gated) -> None:
    ini(gated, "error", "ignore::pytest.PytestUnhandledThreadExceptionWarning")
    gated.write(DYING_THREAD)
    assert gated.run(plugins=PLUGINS).returncode == 0
    assert categories(gated) == ["PytestUnhandledThreadExceptionWarning"]


@pytest.mark.parametrize("line", ["ignore", "ignore::RuntimeWarning", "ignore:.*never awaited"])
def test_a_coroutine_that_was_never_awaited_is_heard_though_the_project_ignores_it(gated: Gated, line: str) -> None:
    ini(gated, line)
    gated.write(NEVER_AWAITED)
    assert gated.run(plugins=PLUGINS).returncode == 0
    assert categories(gated) == ["RuntimeWarning"]


def test_an_ignore_on_the_command_line_is_heard_too(gated: Gated) -> None:
    gated.write(DYING_THREAD)
    assert gated.run("-W", "ignore", plugins=PLUGINS).returncode == 0
    assert categories(gated) == ["PytestUnhandledThreadExceptionWarning"]


def test_other_warnings_stay_as_the_project_wants_them(gated: Gated) -> None:
    ini(gated, "error", "ignore::DeprecationWarning")
    gated.write(OLD)
    run = gated.run(plugins=PLUGINS)
    assert run.returncode == 0
    assert "old" not in run.stdout


def test_workers_hear_them_too(gated: Gated) -> None:
    ini(gated, "ignore")
    gated.write(DYING_THREAD)
    assert gated.run("-n", "1", plugins=("xdist", *PLUGINS)).returncode == 0
    assert categories(gated) == ["PytestUnhandledThreadExceptionWarning"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", ["always:coroutine :RuntimeWarning:"]),
        ("coroutine 'work'", ["always:coroutine 'work':RuntimeWarning:"]),
        ("cor", ["always:coroutine :RuntimeWarning:"]),
        ("overflow", []),
    ],
)
def test_a_literal_message_is_narrowed_to_coroutines(message: str, expected: list[str]) -> None:
    line = f"ignore:{message}:RuntimeWarning"
    assert list(louder_filters(line, literal=True)) == [line, *expected]
