"""The hooks that every observed pytest process has in common: start, collection, warnings, finish and end.

Owns the order of things: `start` before anything is collected, `finish` with the exit status as the last hook left it,
`end` when pytest has torn itself down. `gate.plugin.observer` adds what a process that runs tests sees, and
`gate.plugin.controller` what the main process of pytest-xdist hears from its workers.
"""

import os
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from gate.plugin.alarms import Alarms
from gate.plugin.facts import effective_options, start_record
from gate.plugin.journal import RecordFile

if TYPE_CHECKING:
    from gate.plugin.spool import Spool

IDS_PER_RECORD: Final = 500
_LONGEST: Final = 32 * 1024


class Session:
    """Writes the frame of a journal."""

    def __init__(self, config: pytest.Config, invitation: dict[str, str], worker: str | None) -> None:
        """Create the journal and write its first record. Raises OSError when the file cannot be made."""
        self.invitation = invitation
        self.worker = worker
        directory = Path(invitation["dir"])
        self.journal = RecordFile(
            directory / (f"journal-{worker}.jsonl" if worker else "journal.jsonl"),
            directory / "journal-fork-{pid}.jsonl",
            {"nonce": invitation["nonce"], "worker": worker},
        )
        self.alarms = Alarms(self.journal)
        self.spool: Spool | None = None  # made by the first test that measures
        self._config = config
        self.journal.add(start_record(config, invitation, worker))
        self._options = effective_options(config)
        self.alarms.open()
        # Registered before the other plugins register theirs: run after them, when nothing is left to be heard.
        config.add_cleanup(self._end)

    def add_ids(self, kind: str, ids: Sequence[str]) -> None:
        for start in range(0, len(ids), IDS_PER_RECORD):
            self.journal.add({"k": kind, "ids": ids[start : start + IDS_PER_RECORD]})

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome == "passed":
            return
        text = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else report.longreprtext
        self.journal.add({"k": "collect", "id": report.nodeid, "o": report.outcome, "x": text[-_LONGEST:]})

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        self.alarms.warned(warning_message, nodeid)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        try:
            yield
            if self._config.pluginmanager.has_plugin("pytest-benchmark"):
                from gate.plugin import benchmarks  # noqa: PLC0415  # only for suites that have benchmarks

                benchmarks.write(self._config, Path(self.invitation["dir"]))
        finally:
            changed = {k: v for k, v in effective_options(self._config).items() if self._options.get(k) != v}
            self.journal.add(
                {
                    "k": "finish",
                    "exit": int(session.exitstatus),
                    "collected": session.testscollected,
                    "failed": session.testsfailed,
                    "changed": changed,
                }
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        self.alarms.listen_late()

    def _end(self) -> None:
        self.alarms.close()
        written = self.spool.close() if self.spool else {}
        self.journal.add({"k": "end", "pid": os.getpid(), "n": self.journal.count + 1, "metrics": written})
        self.journal.close()
