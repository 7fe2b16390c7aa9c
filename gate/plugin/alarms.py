"""Warnings that count: something went wrong that no test's outcome shows.

Owns the list of categories and the ways by which they are heard: pytest's own hook, the logger of asyncio, and warnings
issued while pytest shuts down, after its last hook. What is merely deprecated is not among them.
"""

import logging
import warnings
from typing import Final

from gate.plugin.journal import RecordFile

CATEGORIES: Final = frozenset(
    {
        "PytestUnhandledThreadExceptionWarning",
        "PytestUnraisableExceptionWarning",
        "PytestUnhandledCoroutineWarning",
        "PytestReturnNotNoneWarning",
        "PytestAssertRewriteWarning",
        "PytestCollectionWarning",
        "PytestUnknownMarkWarning",
        "PytestConfigWarning",
    }
)
# Of categories that hold harmless warnings as well, those that begin like this: what was left undone, and a test method
# of unittest that was no test, because it returned its verdict or is a generator.
BEGINNINGS: Final = (
    ("RuntimeWarning", "coroutine "),
    ("DeprecationWarning", "It is deprecated to return a value that is not None from a test case"),
)
_LONGEST: Final = 4096
_MOST: Final = 1000  # a loop that warns must not fill the disk; the budget is broken long before


class Alarms:
    """Writes an `alarm` record for every warning that counts."""

    def __init__(self, journal: RecordFile) -> None:
        self.current = ""  # the id of the running test
        self._journal = journal
        self._count = 0
        self._late: warnings.catch_warnings[list[warnings.WarningMessage]] | None = None
        self._heard: list[warnings.WarningMessage] = []
        self._log_filter = _AsyncioErrors(self)

    def open(self) -> None:
        # A filter, not a handler: configuring logging anew drops handlers, but keeps filters.
        logging.getLogger("asyncio").addFilter(self._log_filter)

    def warned(self, warning: warnings.WarningMessage, test: str) -> None:
        name, text = warning.category.__name__, str(warning.message)
        if name in CATEGORIES or any(name == kind and text.startswith(start) for kind, start in BEGINNINGS):
            self.add(name, text, test)

    def add(self, category: str, text: str, test: str) -> None:
        self._count += 1
        if self._count <= _MOST:
            self._journal.add({"k": "alarm", "c": category, "m": text[:_LONGEST], "id": test})

    def listen_late(self) -> None:
        """From now on hear warnings directly: pytest's hook is no longer called."""
        self._late = warnings.catch_warnings(record=True)
        self._heard = self._late.__enter__()

    def close(self) -> None:
        logging.getLogger("asyncio").removeFilter(self._log_filter)
        if self._late is None:
            return
        self._late.__exit__(None, None, None)
        for warning in self._heard:
            self.warned(warning, "")
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)


class _AsyncioErrors(logging.Filter):
    def __init__(self, alarms: Alarms) -> None:
        super().__init__()
        self._alarms = alarms

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            self._alarms.add("asyncio", record.getMessage(), self._alarms.current)
        return True
