"""The journals of one suite → what happened, and a verdict on every rule about it.

Owns the third channel of evidence: the main process's journal and, under pytest-xdist, those of its workers, made to
agree. Promises never to raise whatever the bytes are, and always to report every name of `CHECKS`, so that absence is
visible as such. Comparing with exit status and JUnit XML is left to the collector.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gate.evidence import journal_checks
from gate.evidence.files import MIB, read_regular
from gate.evidence.journal_cases import Journals, cases_of, executions_of, flaky_of
from gate.evidence.journal_checks import CHECKS, Expected
from gate.evidence.records import Execution, JournalFile, parse, take
from gate.model import Alarm, Case, CaseResult, Check
from gate.protocols import SuiteProgress

__all__ = ["CHECKS", "JournalReading", "JournalTail", "read_journal"]

_CAP: Final = 256 * MIB
_NEWS: Final = 16 * MIB  # more than the longest record
_MOST_FILES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalReading:
    """Everything the journals say. `checks` has exactly one entry per name of `CHECKS`, in that order.

    `metrics_files` counts the records that each process says it wrote to its file of metrics; `running` names the tests
    that were running when a process ended without finishing; `unlisted` counts outcomes that have no case of their own
    in JUnit XML: subtests, and files skipped by more than one collector.
    """

    collected: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    collection_skips: tuple[str, ...] = ()
    collection_errors: tuple[str, ...] = ()
    subtest_skips: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()
    flaky: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    running: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    addopts: tuple[str, ...] = ()
    exit_status: int | None = None
    unlisted: int = 0
    metrics_files: Mapping[str, int] = field(default_factory=dict)
    checks: tuple[Check, ...]

    @property
    def passed(self) -> Mapping[str, int]:
        """The tests that passed, each with the number of its executions."""
        return {case.id: case.attempts for case in self.cases if case.result is CaseResult.PASSED}


def read_journal(
    directory: Path, nonce: str, *, marker: str | None = None, keyword: str | None = None, workers: int = 0
) -> JournalReading:
    """Read the journals in `directory`, written by the invocation `nonce` that was planned with the given options."""
    journals, trouble = _read_all(directory)
    expected = Expected(nonce=nonce, marker=marker or "", keyword=keyword or "", workers=workers)
    main = journals.main
    executions = executions_of(journals)
    cases = cases_of(journals, executions)
    start: Mapping[str, Any] = (main.start if main else None) or {}
    finish: Mapping[str, Any] = (main.finish if main else None) or {}
    every = journals.all
    return JournalReading(
        collected=tuple(dict.fromkeys(main.ids)) if main else (),
        deselected=_distinct(file.deselected for file in every),
        vanished=_distinct(file.vanished for file in every),
        collection_skips=_distinct([id_ for id_, o, _ in file.collection if o == "skipped"] for file in every),
        collection_errors=_distinct([id_ for id_, o, _ in file.collection if o != "skipped"] for file in every),
        subtest_skips=tuple(test for test, runs in executions.items() for o, _ in runs[-1].sub if o == "skipped"),
        cases=cases,
        flaky=flaky_of(executions),
        alarms=_alarms(journals),
        running=tuple(file.running for file in every if file.running and file.finish is None),
        workers=tuple(journals.workers),
        options={**start.get("options", {}), **finish.get("changed", {})},
        versions=_versions(start),
        addopts=_words(start.get("addopts")),
        exit_status=finish.get("exit"),
        unlisted=sum(len(run.sub) for runs in executions.values() for run in runs) + _skipped_again(main),
        metrics_files={name: count for file in every if file.end for name, count in file.end["metrics"].items()},
        checks=journal_checks.judge(journals, expected, executions, cases, trouble),
    )


def _read_all(directory: Path) -> tuple[Journals, str]:
    """The journals, and why the main one could not be read ("" when it could)."""
    trouble, main = "", None
    try:
        main = parse("journal.jsonl", read_regular(directory / "journal.jsonl", _CAP))
    except FileNotFoundError:
        trouble = "there is no journal.jsonl"
    except OSError as error:
        trouble = f"journal.jsonl cannot be read: {error}"
    workers: dict[str, JournalFile] = {}
    forks: list[JournalFile] = []
    for name in _names(directory):
        who = name.removeprefix("journal-").removesuffix(".jsonl")
        try:
            file = parse(name, read_regular(directory / name, _CAP))
        except OSError as error:
            file = JournalFile(name, problems=[f"{name} cannot be read: {error}"])
        if who.startswith("fork-"):
            forks.append(file)
        else:
            workers[who] = file
    return Journals(main=main, workers=workers, forks=tuple(forks)), trouble


def _names(directory: Path) -> list[str]:
    try:
        found = sorted(path.name for path in directory.iterdir() if path.name.startswith("journal-"))
    except OSError:
        return []
    return found[:_MOST_FILES]


def _alarms(journals: Journals) -> tuple[Alarm, ...]:
    """A worker's alarm is told twice, by the worker and by the main process; once is enough for it to count."""
    own: Counter[Alarm] = Counter()
    for file in (*journals.workers.values(), *journals.forks):
        own.update(file.alarms)
    told = Counter(journals.main.alarms if journals.main else ())
    return tuple((own | told).elements())


def _versions(start: Mapping[str, Any]) -> Mapping[str, str]:
    named = {name: start[name] for name in ("python", "pytest", "executable", "pytest_file") if name in start}
    return {name: version for name, version in {**named, **start.get("plugins", {})}.items() if type(version) is str}


def _skipped_again(main: JournalFile | None) -> int:
    skipped = [id_ for id_, outcome, _ in (main.collection if main else ()) if outcome == "skipped"]
    return len(skipped) - len(set(skipped))


def _distinct(groups: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for group in groups for item in group))


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(word) for word in value) if isinstance(value, list) else ()


class JournalTail:
    """Follows growing journals for live progress. Cheap: each poll reads only what is new. Never raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._main = _Follower(directory / "journal.jsonl")
        self._workers: dict[str, _Follower] = {}

    def poll(self) -> SuiteProgress:
        self._main.poll()
        main = self._main.file
        if main.up:
            for name in _names(self._directory):
                self._workers.setdefault(name, _Follower(self._directory / name)).poll()
        followed = (*self._workers.values(), self._main)
        return SuiteProgress(
            done=len(self._main.done),
            total=main.collected,
            failed=len(self._main.failed),
            current=next((follower.file.running for follower in followed if follower.file.running), ""),
            last_failure=self._main.last_failure,
        )


class _Follower:
    """The part of one file that has been read, and what it said so far."""

    def __init__(self, path: Path) -> None:
        self.file = JournalFile(path.name)
        self.done: set[str] = set()
        self.failed: set[str] = set()
        self.last_failure = ""
        self._path = path
        self._offset = 0
        self._lines = 0

    def poll(self) -> None:
        data = self._news()
        whole = data.rfind(b"\n") + 1
        self._offset += whole
        for line in data[:whole].splitlines():
            self._lines += 1
            take(self.file, line, self._lines)
        for execution in self.file.executions:
            self._count(execution)
        self.file.executions.clear()
        self.failed.update(test for test, _, _ in self.file.crashes)

    def _count(self, execution: Execution) -> None:
        self.done.add(execution.test)
        if any(phase.outcome == "failed" for phase in execution.phases):
            self.failed.add(execution.test)
            self.last_failure = execution.test

    def _news(self) -> bytes:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            return os.pread(fd, _NEWS, self._offset)
        except OSError:
            return b""
        finally:
            os.close(fd)
