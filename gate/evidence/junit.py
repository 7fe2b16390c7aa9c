"""JUnit XML → what it really says: the second channel of evidence.

Owns the checks on a JUnit file of any dialect (pytest, Surefire, gotestsum, jest, Playwright, k6). Promises a
`JunitReading` for any bytes whatever, with every check of `CHECKS` in it. Counts elements and believes no attribute.
Whether the cases agree with the journal is left to the collector.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.parsers import expat

from gate.evidence.junit_cases import JunitCase, JunitProperty
from gate.evidence.junit_parser import SIZE_CAP, Parser, Refused
from gate.model import Check, Status, TestCounts

CHECKS: Final = ("junit/present", "junit/readable", "junit/elements", "junit/attributes", "junit/times")
_RULES: Final = ("R03", "R03", "R04", "R04", "R19")
_PROBLEM_CAP: Final = 20
_NOT_XML: Final = re.compile("[^\t\n\r -~\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class JunitReading:
    """What one file holds. `cases` of an unreadable file are those before the fault; the checks say so."""

    cases: Sequence[JunitCase]
    counts: TestCounts
    properties: tuple[JunitProperty, ...]
    problems: tuple[str, ...]
    checks: tuple[Check, ...]

    @property
    def readable(self) -> bool:
        return self.checks[1].status is Status.PASS

    def duplicates(self) -> dict[tuple[str, str], int]:
        """(classname, name) of cases that stand there more than once, as reruns do, and how often."""
        seen = Counter((case.classname, case.name) for case in self.cases)
        return {key: count for key, count in seen.items() if count > 1}


def read_junit(path: Path, *, cap: int = SIZE_CAP, unlisted: int = 0, repeated: int = 0) -> JunitReading:
    """Everything the JUnit file at `path` says, up to `cap` bytes. Raises nothing: what is wrong is a check.

    From elsewhere it is known that `unlisted` outcomes are counted among a suite's tests and are no cases, and that
    `repeated` cases are further attempts at a test, which a suite counts once.
    """
    parser = Parser(unlisted, repeated)
    fault = ""
    if not os.path.lexists(path):
        return _reading(parser, present=f"{path.name} was not written", readable="there is no file to read")
    try:
        parser.read(path, cap)
    except OSError as error:
        fault = f"not readable: {error.strerror or error}"
    except (Refused, ValueError) as error:
        fault = str(error)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "malformed")
        fault = f"not well-formed XML: {reason} at {error.lineno}:{error.offset + 1}"
    return _reading(parser, readable=fault)


def nodeid_key(nodeid: str) -> tuple[str, str]:
    """The (classname, name) under which pytest writes the test `nodeid` to JUnit XML."""
    address, bracket, parameters = nodeid.partition("[")
    parts = address.split("::")
    parts[0] = parts[0].replace("/", ".").removesuffix(".py")
    parts[-1] += bracket + parameters
    return ".".join(parts[:-1]), _NOT_XML.sub(_as_pytest_writes, parts[-1])


def _as_pytest_writes(character: re.Match[str]) -> str:
    code = ord(character.group())
    return f"#x{code:02X}" if code <= 0xFF else f"#x{code:04X}"


def _reading(parser: Parser, *, present: str = "", readable: str = "") -> JunitReading:
    checks = _checks(parser, present, readable)
    return JunitReading(
        cases=parser.cases,
        counts=parser.cases.counts(),
        properties=tuple(parser.properties),
        problems=tuple(check.reason for check in checks if check.status is not Status.PASS),
        checks=checks,
    )


def _checks(parser: Parser, present: str, readable: str) -> tuple[Check, ...]:
    unjudged = [f"not judged: {readable}"] if readable else []
    cases, untimed = len(parser.cases), parser.untimed
    failing = any(status is Status.FAIL for status, _ in parser.misplaced)
    bad = (
        Status.MISSING,
        Status.MISSING if present else Status.ERROR,
        Status.FAIL if failing else Status.MISSING if readable else Status.ERROR,
        Status.MISSING if readable else Status.ERROR,
        Status.PASS,
    )
    problems: tuple[Sequence[str], ...] = (
        [present] if present else [],
        [readable] if readable else [],
        [*unjudged, *(reason for _, reason in parser.misplaced)],
        [*unjudged, *parser.disagreements],
        [],
    )
    good = (
        "the file is there",
        f"well-formed, {cases} cases",
        "every element is known and stands in its place",
        f"{parser.compared} stated counts agree with the elements",
        f"{untimed} of {cases} cases without a usable time",
    )
    return tuple(map(_check, CHECKS, _RULES, bad, problems, good))


def _check(name: str, rule: str, bad: Status, problems: Sequence[str], good: str) -> Check:
    if not problems:
        return Check(name=name, rule=rule, status=Status.PASS, reason=good)
    more = f"; and {len(problems) - _PROBLEM_CAP} more" if len(problems) > _PROBLEM_CAP else ""
    return Check(name=name, rule=rule, status=bad, reason="; ".join(problems[:_PROBLEM_CAP]) + more)
