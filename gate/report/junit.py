"""The whole run as one JUnit XML: tests, thresholds and every other finding, for tools that know nothing of gates.

A test suite per suite of the manifest and one named `gate` for the decision and the findings of the run itself. What
blocks is a failure, what is not known and may not stay so an error; what failed but does not count (a ceiling of
severity, a waiver) passes with a note. The decision is a test case too, so that a run that saw nothing is not green.
The XML is written as text: 100,000 cases take a tenth of the time and memory that a tree of elements takes.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from gate import verdict
from gate.model import Case, CaseResult, Decision, Dossier, Finding, Record, Severity, Status, SuiteDossier
from gate.report import rows
from gate.report.text import clip_lines, one_line, visible

_LONGEST_DETAIL: Final = 20_000
# Beyond this many characters of tracebacks each further one is cut to a few lines.
_ALL_DETAILS: Final = 24_000_000
_SHORT_DETAIL: Final = 400
# Most ids are like this and need no escaping; asking first halves the time for a big run.
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._:/()=,\[\]-]{0,1000}")
_DECISIONS: Final = {
    Decision.GO: Status.PASS,
    Decision.GO_WITH_WAIVERS: Status.WARN,
    Decision.NO_GO: Status.FAIL,
    Decision.INCONCLUSIVE: Status.ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _TestCase:
    """One `<testcase>`; `outcome` is `failure`, `error`, `skipped` or "" for a pass."""

    classname: str
    name: str
    time_s: float = 0.0
    outcome: str = ""
    message: str = ""
    detail: str = ""
    note: str = ""


def render(dossier: Dossier) -> str:
    """The JUnit XML of the run."""
    suites = [("gate", dossier.record.duration_s, [*_run_cases(dossier.record)])]
    suites += [(suite.result.name, suite.result.duration_s, [*_suite_cases(suite)]) for suite in dossier.suites]
    counts = _counts(case for _, _, cases in suites for case in cases)
    room = _Room(_ALL_DETAILS)
    parts = ['<?xml version="1.0" encoding="utf-8"?>\n']
    parts += [f"<testsuites name={_attribute(dossier.record.project)} {counts} {_time(dossier.record.duration_s)}>\n"]
    for name, duration_s, cases in suites:
        parts += [f"<testsuite name={_attribute(name)} {_counts(cases)} {_time(duration_s)}>\n"]
        parts += [_xml(case, room) for case in cases]
        parts += ["</testsuite>\n"]
    return "".join([*parts, "</testsuites>\n"])


class _Room:
    """How much may still be written of all details together."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def cut(self, text: str) -> str:
        longest = _LONGEST_DETAIL if self._left > 0 else _SHORT_DETAIL
        text = visible(clip_lines(text, longest))
        self._left -= len(text)
        return text


# ---- what becomes a test case -----------------------------------------------------------------------------------


def _run_cases(record: Record) -> Iterator[_TestCase]:
    decision = Finding(
        id=f"gate/decision/{record.decision}",
        status=_DECISIONS[record.decision],
        severity=Severity.BLOCKER,
        reason=rows.headline(record),
    )
    yield _finding_case("gate", decision)
    for finding in record.findings:
        yield _finding_case("gate", finding)


def _suite_cases(suite: SuiteDossier) -> Iterator[_TestCase]:
    name = suite.result.name
    judged = {finding.id: finding for finding in suite.result.findings}
    shown = set()
    for case in suite.cases:
        finding_id = f"{name}/test/{case.id}"
        shown.add(finding_id)
        yield _test_case(suite, case, judged.get(finding_id))
    for threshold in suite.result.thresholds:
        if threshold.id not in judged:
            judged[threshold.id] = Finding(
                id=threshold.id,
                status=threshold.status,
                severity=threshold.severity,
                reason=threshold.reason,
                expected=threshold.source,
                waived_by=threshold.waived_by,
            )
    for finding_id, finding in judged.items():
        if finding_id not in shown:
            yield _finding_case(name, finding)


def _test_case(suite: SuiteDossier, case: Case, finding: Finding | None) -> _TestCase:
    outcome, note = "", ""
    if case.result in rows.FAILED:
        finding = finding or _unjudged(suite, case)
        outcome, note = _outcome(finding), _note(finding)
    elif case.result in (CaseResult.SKIPPED, CaseResult.XFAILED):
        outcome = "skipped"
    elif case.result is CaseResult.XPASSED:
        note = "passed although it was expected to fail"
    return _TestCase(
        classname=f"{suite.result.name}.test",
        name=case.id,
        time_s=case.duration_s,
        outcome=outcome,
        message=f"{case.result}: {_last_line(case.detail)}" if outcome else "",
        detail=case.detail if outcome else "",
        note=f"{note}\n{case.detail}" if note else "",
    )


def _unjudged(suite: SuiteDossier, case: Case) -> Finding:
    status = Status.MISSING if case.result is CaseResult.INCOMPLETE else Status.FAIL
    return Finding(id="", status=status, severity=suite.result.severity, reason=case.result.value)


def _finding_case(suite: str, finding: Finding) -> _TestCase:
    outcome, note = _outcome(finding), _note(finding)
    group, name = (suite, *finding.id.split("/", 2))[-2:]
    compared = f"observed: {finding.observed}\nexpected: {finding.expected}\n" if finding.expected is not None else ""
    detail = f"{finding.status}: {finding.reason}\n{compared}finding: {finding.id}"
    return _TestCase(
        classname=f"{suite}.{group}" if group != suite else suite,
        name=name,
        outcome=outcome,
        message=f"{finding.status}: {finding.reason}" if outcome else "",
        detail=detail if outcome else "",
        note=f"{note}\n{detail}" if note else "",
    )


def _outcome(finding: Finding) -> str:
    counted = verdict.counted(finding)
    if counted is Status.FAIL:
        return "failure"
    return "error" if counted in verdict.NOT_KNOWN else ""


def _note(finding: Finding) -> str:
    if finding.status is Status.PASS or _outcome(finding):
        return ""
    shown = rows.mark(finding.status, finding.severity, finding.waived_by)
    return f"{shown.word}, {shown.note}" if shown.note else shown.word


def _last_line(detail: str) -> str:
    return next((line for line in reversed(detail[-4000:].splitlines()) if line.strip()), "")


# ---- how it is written ------------------------------------------------------------------------------------------


def _xml(case: _TestCase, room: _Room) -> str:
    head = f"<testcase classname={_attribute(case.classname)} name={_attribute(case.name)} {_time(case.time_s)}"
    if not case.outcome and not case.note:
        return head + "/>\n"
    body = f"<system-out>{_content(case.note, room)}</system-out>" if case.note else ""
    if case.outcome:
        message = quoteattr(one_line(case.message))
        body += f"<{case.outcome} message={message}>{_content(case.detail, room)}</{case.outcome}>"
    return f"{head}>{body}</testcase>\n"


def _counts(cases: Iterable[_TestCase]) -> str:
    outcomes = [case.outcome for case in cases]
    failures, errors, skipped = (outcomes.count(name) for name in ("failure", "error", "skipped"))
    return f'tests="{len(outcomes)}" failures="{failures}" errors="{errors}" skipped="{skipped}"'


def _attribute(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return f'"{text}"'
    return quoteattr(visible(text if len(text) <= 1000 else one_line(text, 1000)))


def _content(text: str, room: _Room) -> str:
    return escape(room.cut(text))


def _time(seconds: float) -> str:
    return f'time="{max(seconds, 0.0):.6f}"'
