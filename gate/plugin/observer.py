"""What a pytest process sees that runs tests itself: the only process without pytest-xdist, or one of its workers.

Owns the hooks on the hot path, which cost a few microseconds per test: one record per execution, by index into the
collected ids, formatted by hand. The record of a test names the test that follows, so that after a crash the last one
tells what was running. Time is the plugin's own, bound before any test can replace it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gate.plugin import CLOCK
from gate.plugin.attempt import RAISED, RETURNED, SKIPPED, SWALLOWED, UNSEEN, Attempt
from gate.plugin.hidden import Hidden
from gate.plugin.session import Session
from gate.plugin.witness import Witness

if TYPE_CHECKING:
    from gate.plugin.series import Series
    from gate.plugin.spool import Spool

_MICROSECONDS = 1e6


class Observer(Session):
    """Follows each item from its collection to its last teardown."""

    def __init__(self, config: pytest.Config, invitation: dict[str, str], worker: str | None) -> None:
        super().__init__(config, invitation, worker)
        (self.clock,) = CLOCK
        self.call_started = 0.0
        self.call_ended = 0.0
        self._found: list[pytest.Item] = []
        self._deselected: set[str] = set()
        self._index: dict[str, int] = {}
        self._runs: dict[str, int] = {}
        self._announced = -1
        self._following = -1
        self._seen: list[tuple[str, int, int]] = []
        self._hidden = 0
        self._last = 0.0
        self._attempt = Attempt()
        self._hidden_files = Hidden(config)
        self._witness = Witness(config)
        config.pluginmanager.register(self._hidden_files, "gate.hidden")

    @property
    def attempt(self) -> int:
        """Which execution of the running test this is, from 1. Valid from its set-up to the end of its call."""
        return self._runs.get(self.alarms.current, 0) + 1

    def span_s(self, series: "Series", created: float) -> float:
        """How long the call phase of the running test took; 0.0 if it had none.

        What was recorded before or after the call took its time there, which a rate must not leave out: then the span
        begins with the recorder, `created` by the clock of the plugin, or ends now.
        """
        started = created if series.before_call else self.call_started
        ended = self.clock() if series.recorded > series.by_end_of_call else self.call_ended
        return max(0.0, ended - started)

    def open_spool(self) -> "Spool":
        """The file of metrics, made when the first test asks for it."""
        if self.spool is None:
            from gate.plugin.spool import Spool  # noqa: PLC0415  # only for suites that measure

            invitation = self.invitation
            started = float(invitation["started"])
            self.spool = Spool(Path(invitation["dir"]), self.worker, invitation["nonce"], started)
        return self.spool

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self._found.append(item)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        ids = [item.nodeid for item in items]
        self._deselected.update(ids)
        self.add_ids("deselected", ids)

    def pytest_plugin_registered(self) -> None:
        self._witness.watch_if_needed()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        items = session.items
        ids = [item.nodeid for item in items]
        self._index = {id_: index for index, id_ in reversed(list(enumerate(ids)))}
        kept = {id(item) for item in items}
        gone = (item.nodeid for item in self._found if id(item) not in kept)
        vanished = [id_ for id_ in gone if id_ not in self._index and id_ not in self._deselected]
        empty = self._hidden_files.empty_arguments(item.path for item in self._found)
        self._found.clear()
        self.add_ids("ids", ids)
        self.add_ids("vanished", vanished)
        self.add_ids("deselected", list(self._hidden_files.paths))
        self.add_ids("empty", empty)
        self.journal.add({"k": "collected", "n": len(ids)})

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        test = self.alarms.current = item.nodeid
        index = self._index.get(test, -1)
        if index != self._announced or index < 0:
            self.journal.write(b'{"k":"b","i":%d}\n' % index)
        self._following = -1 if nextitem is None else self._index.get(nextitem.nodeid, -1)
        self._last = self.clock()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        now = self.clock()
        when = call.when
        if when == "call":
            self.call_ended = now
            for series in self._live():
                series.by_end_of_call = series.recorded
        elif when == "setup":
            self.call_started = now
            for series in self._live():
                series.before_call = series.recorded
            if self._seen:  # an earlier execution was never reported
                self._hidden += len(self._seen)
                self._seen.clear()
        cause = _cause(item, call, escaped=self._witness.take(item, when))
        self._seen.append((when, cause, int((now - self._last) * _MICROSECONDS)))
        self._last = now

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        when, seen = report.when, self._seen
        cause, duration_us = UNSEEN, 0
        for position, entry in enumerate(seen):
            if entry[0] == when:
                _, cause, duration_us = seen.pop(position)
                break
        self._attempt.add(report, cause, duration_us)
        if when == "teardown":
            self._write(report.nodeid)

    def _live(self) -> Iterable["Series"]:
        return tuple(self.spool.live) if self.spool is not None else ()

    def _write(self, test: str) -> None:
        attempt, self._attempt = self._attempt, Attempt()
        attempt.hidden, self._hidden = self._hidden, 0
        self._runs[test] = self._runs.get(test, 0) + 1
        self._announced = self._following
        self.journal.write(attempt.line(self._index.get(test), test, self._following))


def _cause(item: pytest.Item, call: pytest.CallInfo[None], *, escaped: bool) -> int:
    excinfo = call.excinfo
    if excinfo is None:
        # unittest's results reach pytest by this list, which its own hook empties only later.
        kept = getattr(item, "_excinfo", None)
        if not kept:
            return SWALLOWED if escaped else RETURNED
        excinfo = kept[0]
    return SKIPPED if excinfo.typename in ("Skipped", "SkipTest") else RAISED
