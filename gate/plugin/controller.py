"""What the main process of pytest-xdist hears: workers coming and going, what they collected, and their reports.

Owns the second account of every test, which must agree with the journal that the worker itself wrote. This process runs
no test, so it cannot see what stood behind a report; that part is the worker's.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from gate.plugin.attempt import RETURNED, Attempt
from gate.plugin.session import Session

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

_MICROSECONDS = 1e6


class Controller(Session):
    """Follows the workers through the hooks of pytest-xdist."""

    def __init__(self, config: pytest.Config, invitation: dict[str, str]) -> None:
        super().__init__(config, invitation, None)
        self._ids: Sequence[str] | None = None
        self._index: dict[str, int] = {}
        self._running: dict[tuple[str, str], Attempt] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: "WorkerController") -> None:
        node.workerinput["gate"] = self.invitation

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: "WorkerController") -> None:
        self.journal.add({"k": "up", "w": node.gateway.id})

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: "WorkerController", error: object | None) -> None:
        self.journal.add({"k": "down", "w": node.gateway.id, "error": None if error is None else str(error)[:4096]})

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: "WorkerController", ids: Sequence[str]) -> None:
        if self._ids is None:
            self._ids = list(ids)
            self._index = {id_: index for index, id_ in reversed(list(enumerate(ids)))}
            self.add_ids("ids", self._ids)
            self.journal.add({"k": "collected", "n": len(self._ids)})
        same = list(ids) == self._ids
        self.journal.add({"k": "node", "w": node.gateway.id, "n": len(ids), "same": same})

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        node = getattr(report, "node", None)
        worker, test = node.gateway.id if node is not None else "?", report.nodeid
        if report.when not in ("setup", "call", "teardown"):
            self.journal.add({"k": "crash", "id": test, "w": worker, "x": report.longreprtext[:4096]})
            return
        attempt = self._running.setdefault((worker, test), Attempt())
        attempt.add(report, RETURNED, int(report.duration * _MICROSECONDS))
        if report.when == "teardown":
            del self._running[worker, test]
            self.journal.write(attempt.line(self._index.get(test), test, -1, worker))
