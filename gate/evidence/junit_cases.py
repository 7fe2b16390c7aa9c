"""The cases and properties of one JUnit file.

Owns how they are kept: in columns, so that a hundred thousand passing tests are a few lists. Promises that an entry can
only make a case worse. Filling the table is left to `junit_parser`, judging it to `junit`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple, overload

from gate.model import CaseResult, TestCounts

_WORSE: Final = (CaseResult.PASSED, CaseResult.XFAILED, CaseResult.SKIPPED, CaseResult.ERROR, CaseResult.FAILED)


class JunitCase(NamedTuple):
    """One `<testcase>`; `duration_s` None where the file states no usable time; `attempts` counts Surefire's reruns."""

    classname: str
    name: str
    file: str
    result: CaseResult
    duration_s: float | None
    detail: str
    attempts: int


class JunitProperty(NamedTuple):
    """One `<property>`; `case` is the index of its case, None for one of a suite."""

    case: int | None
    suite: str
    name: str
    value: str


class CaseTable(Sequence[JunitCase]):
    """The cases of a file in its order, kept in columns: 100,000 passing cases are five lists, not 100,000 objects."""

    __slots__ = ("attempts", "classnames", "details", "durations", "files", "names", "results")

    def __init__(self) -> None:
        self.classnames: list[str] = []
        self.names: list[str] = []
        self.durations: list[float | None] = []
        self.results: dict[int, CaseResult] = {}  # these four hold only what is not the usual
        self.details: dict[int, str] = {}
        self.files: dict[int, str] = {}
        self.attempts: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> JunitCase: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[JunitCase]: ...
    def __getitem__(self, index: int | slice) -> JunitCase | Sequence[JunitCase]:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(len(self))))
        at = range(len(self))[index]
        return JunitCase(
            self.classnames[at],
            self.names[at],
            self.files.get(at, ""),
            self.results.get(at, CaseResult.PASSED),
            self.durations[at],
            self.details.get(at, ""),
            self.attempts.get(at, 1),
        )

    def worsen(self, at: int, result: CaseResult) -> None:
        """Let case `at` be `result` unless it is something worse already."""
        if _WORSE.index(result) > _WORSE.index(self.results.get(at, CaseResult.PASSED)):
            self.results[at] = result

    def counts(self) -> TestCounts:
        by = Counter(self.results.values())
        return TestCounts(
            collected=len(self),
            passed=len(self) - by.total(),
            failed=by[CaseResult.FAILED],
            errors=by[CaseResult.ERROR],
            skipped=by[CaseResult.SKIPPED],
            xfailed=by[CaseResult.XFAILED],
            flaky=len(self.attempts),
        )
