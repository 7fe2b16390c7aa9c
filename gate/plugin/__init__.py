"""What runs inside pytest: the journal, and the fixtures `metrics`, `load` and `faults`.

Owns the door: it is loaded by the gate with `-p gate.plugin` and by entry point under a bare pytest, once either way.
Without a gate around it the plugin is inert: the fixture works and discards, nothing is hooked, shown or written. The
invitation of the gate is taken out of the environment, so that a pytest started by a test does not answer to it.
"""

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from gate.plugin.faults import Faults
    from gate.plugin.load import Load
    from gate.plugin.recording import Metrics

# The clock of everything measured here, bound before any test can replace it, and held by a tuple: tools that freeze
# time also replace each attribute of a module that is the function itself.
CLOCK: Final = (time.perf_counter,)
_STARTED: Final = time.perf_counter()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    invitation = getattr(config, "workerinput", {}).get("gate") or _take_invitation()
    if invitation is None:
        return
    config.pluginmanager.register(_observer(config, invitation), "gate.observer")


def _observer(config: pytest.Config, invitation: dict[str, str]) -> object:
    # Imported here: a bare pytest does not pay for it.
    from gate.plugin.controller import Controller  # noqa: PLC0415
    from gate.plugin.observer import Observer  # noqa: PLC0415

    worker = getattr(config, "workerinput", {}).get("workerid")
    distributes = worker is None and getattr(config.option, "dist", "no") != "no" and config.option.tx
    try:
        return Controller(config, invitation) if distributes else Observer(config, invitation, worker)
    except OSError as error:
        raise pytest.UsageError(f"gate: the journal cannot be written: {error}") from error


def _take_invitation() -> dict[str, str] | None:
    nonce, directory = os.environ.pop("GATE_NONCE", ""), os.environ.pop("GATE_DIR", "")
    if not nonce or not directory:
        return None
    return {
        "nonce": nonce,
        "dir": directory,
        "run": os.environ.get("GATE_RUN", ""),
        "suite": os.environ.get("GATE_SUITE", ""),
        "started": repr(_STARTED),
    }


@pytest.fixture
def metrics(request: pytest.FixtureRequest) -> "Iterator[Metrics]":
    """Records what the test measures: `histogram`, `counter`, `ratio` and `gauge` by name.

    The data belong to this test and count only if it passes at its first attempt. `rate` refers to the time of the
    test's call phase. Recording after the test's end, a bad value, or a name used for two things raises.
    """
    from gate.plugin.recording import Metrics  # noqa: PLC0415  # a suite that measures nothing does not pay for it

    recorder = Metrics.for_test(request.config, request.node.nodeid)
    yield recorder
    recorder.close()


# Named apart from the modules `faults` and `load`, which take those names here as soon as anybody imports them.
@pytest.fixture(name="load")
def _load(metrics: "Metrics") -> "Load":
    """Sends load at a fixed rate, `await load.run(…)` or `load.run_sync(…)`, and records latency, lag and errors."""
    from gate.plugin.load import Load  # noqa: PLC0415  # as above

    return Load(metrics)


@pytest.fixture(name="faults")
def _faults() -> "Iterator[Faults]":
    """Breaks the network and the processes of the system under test: `proxy(url)` and `process(pid)`.

    At the end of the test everything is mended: proxies are closed, stopped processes go on.
    """
    from gate.plugin.faults import Faults  # noqa: PLC0415  # as above

    with Faults() as faults:
        yield faults
