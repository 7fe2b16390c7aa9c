"""One execution of one test, gathered from its reports until it is written as one record.

Owns the form of the record. A test that passed in the ordinary way takes a short form with no more than index and
durations; anything else is told phase by phase. A report that no exception or return of the test stands behind, or
that claims success against an exception, is marked as such; the judgement is left to `gate.evidence.journal`.
"""

from typing import Final

import pytest

from gate.plugin.journal import encode

# What stood behind a report: nothing seen, a return, an exception, a skip, an exception that a hook swallowed.
UNSEEN, RETURNED, RAISED, SKIPPED, SWALLOWED = -1, 0, 1, 2, 3
_LONGEST: Final = 32 * 1024
_ORDINARY: Final = ("setup", "call", "teardown")


class Attempt:
    """Phases are (when, outcome, microseconds, what stood behind it)."""

    __slots__ = ("expected_failure", "hidden", "phases", "plain", "sub", "text")

    def __init__(self) -> None:
        self.phases: list[tuple[str, str, int, int]] = []
        self.plain = True
        self.text = ""
        self.expected_failure: str | None = None
        self.sub: list[tuple[str, str]] = []
        self.hidden = 0

    def add(self, report: pytest.TestReport, cause: int, duration_us: int) -> None:
        outcome, details = str(report.outcome), report.__dict__
        if "context" in details and "subtests" in type(report).__module__:
            self.plain = False
            self.sub.append((outcome, _text(report) if outcome != "passed" else ""))
            return
        self.phases.append((str(report.when), outcome, duration_us, cause))
        if outcome != "passed" or cause != RETURNED or "wasxfail" in details:
            self.plain = False
            self._explain(report, outcome)

    def line(self, index: int | None, test: str, following: int, worker: str | None = None) -> bytes:
        """The record; `following` is the index of the test that runs next, -1 for none."""
        phases = self.phases
        if self.plain and not self.hidden and index is not None and worker is None and len(phases) == 3:
            (s, _, s_us, _), (c, _, c_us, _), (t, _, t_us, _) = phases
            if (s, c, t) == _ORDINARY:
                return b'{"k":"t","i":%d,"d":[%d,%d,%d],"n":%d}\n' % (index, s_us, c_us, t_us, following)
        record: dict[str, object] = {"k": "t", "i": index, "ph": phases, "n": following}
        if index is None:
            record["id"] = test
        if self.expected_failure is not None:
            record["xf"] = self.expected_failure
        optional = {"w": worker, "x": self.text, "sub": self.sub, "hidden": self.hidden}
        record |= {key: value for key, value in optional.items() if value}
        return encode(record)

    def _explain(self, report: pytest.TestReport, outcome: str) -> None:
        if "wasxfail" in report.__dict__:
            self.expected_failure = str(report.wasxfail)[:_LONGEST]
        if outcome != "passed" and not self.text:
            self.text = _text(report)


def _text(report: pytest.TestReport) -> str:
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])[:_LONGEST]
    text = report.longreprtext
    # The error is at the end of a traceback, so that is the part to keep.
    return text if len(text) <= _LONGEST else "…" + text[-_LONGEST:]
