"""One streaming pass over a JUnit file.

Owns what each element and attribute means in every dialect that is read. Promises memory that grows with the number of
cases alone, and to refuse what no report needs: document types, entities, processing instructions, other encodings,
depth or size without end. Attributes like `tests=` are compared with the elements, never believed. The wording of the
verdict is left to `junit`.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.parsers import expat

from gate.evidence.junit_cases import CaseTable, JunitProperty
from gate.model import CaseResult, Status

SIZE_CAP: Final = 1 << 30
_CASE_CAP: Final = 5_000_000
_PROPERTY_CAP: Final = 1_000_000
_DEPTH_CAP: Final = 64
_TOKEN_CAP: Final = 16 << 20  # expat before 2.6 reads an unfinished tag again with every chunk
_DETAIL_CAP: Final = 16 << 10
_CHUNK: Final = 1 << 18
_TIMES_CAP: Final = 10_000
_OLDEST_EXPAT: Final = (2, 4, 1)

_SUITES: Final = frozenset({"testsuites", "testsuite"})
_VERDICTS: Final = frozenset({"failure", "error", "skipped"})
_RERUNS: Final = frozenset({"rerunFailure", "rerunError", "flakyFailure", "flakyError"})
_PLAIN_CHILDREN: Final = frozenset({"system-out", "system-err", "properties"})
_GOOD_STATES: Final = frozenset({"", "run", "completed", "passed", "pass", "success", "successful", "ok"})
_SKIP_STATES: Final = frozenset({"disabled", "notrun", "suppressed", "skipped", "ignored", "pending", "todo"})
_BAD_STATES: Final = frozenset({"failed", "failure", "fail", "error", "errored", "broken", "timedout", "interrupted"})
_SECONDS: Final = re.compile(r"\d{1,7}(?:\.\d*)?(?:[eE]-\d{1,3})?", re.ASCII)
_ENTRY_RESULT: Final = {"failure": CaseResult.FAILED, "error": CaseResult.ERROR, "skipped": CaseResult.SKIPPED}


class Refused(Exception):
    """The file is something that is not read on purpose."""


@dataclass(slots=True)
class _Frame:
    """A suite that is open: what its attributes claim, and the totals when it began."""

    depth: int
    name: str
    claims: dict[str, str]
    before: tuple[int, ...]
    nested: tuple[int, ...] = (0, 0, 0, 0, 0, 0)


class Parser:
    """One pass over one file. `_start` sees every element but the commonest, which `_usual` takes on a short way."""

    def __init__(self, unlisted: int = 0, repeated: int = 0) -> None:
        self._unlisted = unlisted
        self._repeated = repeated
        self.cases = CaseTable()
        self.properties: list[JunitProperty] = []
        self.problems: list[str] = []
        self.misplaced: list[tuple[Status, str]] = []
        self.disagreements: list[str] = []
        self.compared = 0
        self._times: dict[str, float] = {}
        self.untimed = 0
        self._ended: list[str] = []
        self._stack: list[str] = []
        self._frames: list[_Frame] = []
        self._entries = {"failure": 0, "error": 0, "skipped": 0}
        self._statuses = 0
        self._doubled: Counter[str] = Counter()
        self._capture: tuple[int, str, Callable[[str], None]] | None = None
        self._text: list[str] = []
        self._text_size = 0
        self._expat = self._create()

    # ---- reading the bytes

    def _create(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("utf-8")
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartElementHandler = self._usual(self._start)
        parser.EndElementHandler = self._ended.append
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = _refuse("a document type declaration")
        parser.EntityDeclHandler = _refuse("an entity declaration")
        parser.ProcessingInstructionHandler = _refuse("a processing instruction")
        return parser

    def read(self, path: Path, cap: int) -> None:
        if expat.version_info < _OLDEST_EXPAT:
            raise Refused(f"{expat.EXPAT_VERSION} is older than 2.4.1 and not safe to read XML with")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refused("not a regular file")
            fed = 0
            while chunk := os.read(descriptor, _CHUNK):
                fed += len(chunk)
                if fed > cap:
                    raise Refused(f"more than {cap} bytes")
                self._feed(chunk, fed)
        finally:
            os.close(descriptor)
        self._expat.Parse(b"", True)
        self._close()

    def _feed(self, chunk: bytes, fed: int) -> None:
        if b"\0" in chunk or (fed == len(chunk) and chunk[:2] in (b"\xfe\xff", b"\xff\xfe")):
            raise Refused("not UTF-8")
        self._expat.Parse(chunk, False)
        if fed - self._expat.CurrentByteIndex > _TOKEN_CAP:
            raise Refused(f"a single tag of more than {_TOKEN_CAP} bytes")
        if len(self.cases) > _CASE_CAP or len(self.properties) > _PROPERTY_CAP:
            raise Refused(f"more than {_CASE_CAP} cases or {_PROPERTY_CAP} properties")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise Refused(f"declared as {encoding[:40]!r}; only UTF-8 is read")

    # ---- elements

    def _usual(self, start: Callable[[str, list[str]], bool]) -> Callable[[str, list[str]], None]:
        """`start`, with a short way for a case that follows a case without children and has pytest's attributes."""
        ended, clear, seconds_of = self._ended, self._ended.clear, self._times.get
        add_class, add_name = self.cases.classnames.append, self.cases.names.append
        add_seconds = self.cases.durations.append
        after_case, last_class = False, ""

        def element(name: str, attributes: list[str]) -> None:
            nonlocal after_case, last_class
            if after_case and name == "testcase" and len(ended) == 1 and len(attributes) == 6:
                class_key, classname, name_key, case, time_key, time = attributes
                if class_key == "classname" and name_key == "name" and time_key == "time":
                    seconds = seconds_of(time)
                    if seconds is not None:
                        clear()
                        if classname != last_class:
                            last_class = classname
                        add_class(last_class)  # one string for all cases of a class, not one for each
                        add_name(case)
                        add_seconds(seconds)
                        return
            after_case = start(name, attributes)

        return element

    def _start(self, qualified: str, attributes: list[str]) -> bool:
        """Take one element in; True if it is a testcase."""
        self._close()
        name = qualified.rpartition(":")[2] if ":" in qualified else qualified
        parent = self._stack[-1] if self._stack else ""
        if not self._stack and name not in _SUITES:
            raise Refused(f"the root element is <{name[:40]}>, not <testsuites> or <testsuite>")
        if len(self._stack) >= _DEPTH_CAP:
            raise Refused(f"elements nested deeper than {_DEPTH_CAP}")
        self._stack.append(name)
        if name == "testcase":
            self._case(_pairs(attributes), parent)
            return True
        if name in _SUITES:
            self._suite(_pairs(attributes), parent)
        elif name in _VERDICTS:
            self._verdict(name, _pairs(attributes))
        elif parent == "testcase":
            self._child(name, _pairs(attributes))
        elif name == "property" and parent == "properties":
            self._property(_pairs(attributes))
        return False

    def _close(self) -> None:
        """Catch up with the elements that have ended since the last start."""
        for _ in range(len(self._ended)):
            name = self._stack.pop()
            if self._capture is not None and self._capture[0] == len(self._stack):
                self._finish_capture()
            if name in _SUITES:
                self._compare(self._frames.pop())
        self._ended.clear()

    def _case(self, attributes: dict[str, str], parent: str) -> None:
        cases, at = self.cases, len(self.cases)
        cases.classnames.append(attributes.get("classname", attributes.get("class", "")))
        cases.names.append(attributes.get("name", ""))
        cases.durations.append(self._seconds(attributes.get("time")))
        if file := attributes.get("file"):
            cases.files[at] = file
        if parent not in _SUITES:
            self._misplace(f"{self._label(at)} stands inside <{parent}>", at)
        for key in ("status", "result"):
            if key in attributes:
                self._state(at, key, attributes[key])

    def _state(self, at: int, key: str, value: str) -> None:
        state = value.strip().lower()
        if state in _SKIP_STATES:
            if at not in self.cases.results:
                self._statuses += 1
            self.cases.worsen(at, CaseResult.SKIPPED)
            self.cases.details.setdefault(at, f"{key}={value[:40]}")
        elif state in _BAD_STATES:
            self.cases.worsen(at, CaseResult.FAILED)
        elif state not in _GOOD_STATES:
            self._misplace(f"{self._label(at)} has {key}={value[:40]!r}, which is not known", at)

    def _seconds(self, text: str | None) -> float | None:
        """The time as a number, None where it is missing, negative, huge or no plain decimal."""
        if text in self._times:
            return self._times[text]
        if text is None or not _SECONDS.fullmatch(text):
            self.untimed += 1
            return None
        if len(self._times) >= _TIMES_CAP:
            self._times.clear()
        return self._times.setdefault(text, float(text))

    def _suite(self, attributes: dict[str, str], parent: str) -> None:
        if parent and parent not in _SUITES:
            self.misplaced.append((Status.ERROR, f"a suite stands inside <{parent[:40]}>"))
        self._frames.append(
            _Frame(depth=len(self._stack), name=attributes.get("name", ""), claims=attributes, before=self._totals())
        )

    def _verdict(self, name: str, attributes: dict[str, str]) -> None:
        self._entries[name] += 1
        if "testcase" not in self._stack:
            status = Status.ERROR if name == "skipped" else Status.FAIL
            message = " ".join(attributes.get("message", "").split())[:200]
            self.misplaced.append((status, f"<{name}> outside any test: {message}"))
            return
        at, result = len(self.cases) - 1, _ENTRY_RESULT[name]
        if name == "skipped" and attributes.get("type") == "pytest.xfail":
            result = CaseResult.XFAILED
        if self.cases.results.get(at) is result:
            self._doubled[name] += 1
        self.cases.worsen(at, result)
        message = attributes.get("message", "")
        self._begin_capture(lambda text: self._add_detail(at, message, text))

    def _child(self, name: str, attributes: dict[str, str]) -> None:
        at = len(self.cases) - 1
        if name in _RERUNS:
            self.cases.attempts[at] = self.cases.attempts.get(at, 1) + 1
            message = attributes.get("message", "")
            self._begin_capture(lambda text: self._add_detail(at, message, text))
        elif name not in _PLAIN_CHILDREN:
            self._misplace(f"{self._label(at)} has a <{name[:40]}>, which is not known", at)

    def _property(self, attributes: dict[str, str]) -> None:
        case = len(self.cases) - 1 if "testcase" in self._stack else None
        suite = self._frames[-1].name
        name, value = attributes.get("name", ""), attributes.get("value")
        if value is not None:
            self.properties.append(JunitProperty(case, suite, name, value))
        else:
            self._begin_capture(lambda text: self.properties.append(JunitProperty(case, suite, name, text)))

    # ---- text

    def _begin_capture(self, done: Callable[[str], None]) -> None:
        if self._capture is None:
            self._capture = (len(self._stack) - 1, self._stack[-1], done)
            self._expat.CharacterDataHandler = self._characters

    def _characters(self, text: str) -> None:
        if self._text_size < _DETAIL_CAP:
            self._text.append(text[: _DETAIL_CAP - self._text_size])
        self._text_size += len(text)

    def _finish_capture(self) -> None:
        if self._capture is None:
            return
        done = self._capture[2]
        cut = " […]" if self._text_size > _DETAIL_CAP else ""
        text = "".join(self._text).strip() + cut
        self._capture, self._text, self._text_size = None, [], 0
        self._expat.CharacterDataHandler = None
        done(text)

    def _add_detail(self, at: int, message: str, text: str) -> None:
        new = text if message[:_DETAIL_CAP] in text else f"{message[:_DETAIL_CAP]}\n{text}".strip()
        old = self.cases.details.get(at)
        self.cases.details[at] = (f"{old}\n{new}" if old else new)[: 2 * _DETAIL_CAP]

    # ---- verdicts on the file

    def _label(self, at: int) -> str:
        return f"<testcase> {at + 1} ({self.cases.names[at][:80]!r})"

    def _misplace(self, reason: str, at: int) -> None:
        self.misplaced.append((Status.ERROR, reason))
        self.cases.worsen(at, CaseResult.ERROR)

    def _totals(self) -> tuple[int, ...]:
        entries = self._entries
        doubles = self._doubled
        return (
            len(self.cases),
            entries["failure"],
            entries["error"],
            entries["skipped"] + self._statuses,
            doubles["failure"],
            doubles["error"],
        )

    def _compare(self, frame: _Frame) -> None:
        """Compare what a suite claims with what it held: all below it, or what is its own."""
        inside = tuple(now - then for now, then in zip(self._totals(), frame.before, strict=True))
        own = tuple(all_ - nested for all_, nested in zip(inside, frame.nested, strict=True))
        if self._frames:
            above = self._frames[-1]
            above.nested = tuple(a + b for a, b in zip(above.nested, inside, strict=True))
        for key in ("tests", "failures", "errors", "skipped"):
            if key in frame.claims:
                self.compared += 1
                slack = (self._repeated, self._unlisted)
                if not any(_agrees(key, frame.claims, totals, slack) for totals in (inside, own)):
                    counted = inside[("tests", "failures", "errors", "skipped").index(key)]
                    claimed = f"{key}={frame.claims[key][:40]!r}"
                    self.disagreements.append(f"suite {frame.name[:80]!r} says {claimed}, counted {counted}")


def _agrees(key: str, claims: dict[str, str], totals: tuple[int, ...], slack: tuple[int, int]) -> bool:
    """Whether claim `key` can be meant for what was counted, in any of the ways that dialects count.

    `slack` is how many cases are repetitions that are not claimed, and how many claims are no cases.
    """
    claimed = _whole(claims[key])
    if claimed is None:
        return False
    cases, failures, errors, skipped, double_failures, double_errors = totals
    if key == "tests":
        # pytest counts outcomes, not elements: a failed teardown adds one, and splits a failed test in two elements.
        repeated, unlisted = slack
        return cases - min(failures, errors) - repeated <= claimed <= cases + errors + double_failures + unlisted
    if key == "failures":
        return claimed in (failures, failures - double_failures)
    if key == "errors":
        return claimed in (errors, errors - double_errors)
    return skipped in (claimed, claimed + (_whole(claims.get("disabled", "0")) or 0))


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else None


def _pairs(attributes: list[str]) -> dict[str, str]:
    return dict(zip(attributes[::2], attributes[1::2], strict=True))


def _refuse(what: str) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise Refused(f"holds {what}, which no report needs")

    return refuse
