"""The records of one journal file, checked one by one.

Owns the form of the file: one JSON object per line, each with its kind, nothing after `end`. Promises to take any
bytes: what cannot be read becomes a problem with the number of its line, and the records around it still count. Making
the files of one suite agree is left to `gate.evidence.journal`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gate.model import Alarm

# What stood behind a report of a phase; written by `gate.plugin.attempt`.
UNSEEN, RETURNED, RAISED, SKIPPED, SWALLOWED = -1, 0, 1, 2, 3
_OUTCOMES: Final = frozenset({"passed", "failed", "skipped", "rerun"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Set-up, call or tear-down as reported, and what was seen to stand behind the report."""

    when: str
    outcome: str
    duration_s: float
    cause: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution of one test. `hidden` counts phases that were executed before and never reported."""

    test: str
    phases: tuple[Phase, ...]
    text: str = ""
    expected_failure: bool = False
    sub: tuple[tuple[str, str], ...] = ()
    hidden: int = 0
    worker: str | None = None
    known: bool = True


@dataclass(slots=True)
class JournalFile:
    """What one file says, in the order it was said. Filled by `parse` only."""

    name: str
    start: Mapping[str, Any] | None = None
    starts: int = 0
    ids: list[str] = field(default_factory=list)
    collected: int | None = None
    deselected: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    collection: list[tuple[str, str, str]] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    running: str | None = None
    alarms: list[Alarm] = field(default_factory=list)
    up: list[str] = field(default_factory=list)
    down: dict[str, str | None] = field(default_factory=dict)
    nodes: dict[str, tuple[int, bool]] = field(default_factory=dict)
    crashes: list[tuple[str, str, str]] = field(default_factory=list)
    finish: Mapping[str, Any] | None = None
    end: Mapping[str, Any] | None = None
    kinds: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def parse(name: str, data: bytes) -> JournalFile:
    """Everything that can be read from `data`. Never raises; see `JournalFile.problems`."""
    file = JournalFile(name)
    lines = data.split(b"\n")
    if lines.pop() != b"":
        file.problems.append(f"{name}: the last line is not complete")
    for number, line in enumerate(lines, 1):
        if file.end is not None:
            file.problems.append(f"{name}:{number}: something follows the end")
            break
        take(file, line, number)
    _count(file, len(lines))
    return file


def take(file: JournalFile, line: bytes, number: int) -> None:
    """Add the record on one line to `file`, or a problem."""
    try:
        record = json.loads(line, parse_constant=_refuse)
        kind = _text(record["k"])
        _READERS[kind](file, record)
        file.kinds.add(kind)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        file.problems.append(f"{file.name}:{number}: not a record ({type(error).__name__})")


def _count(file: JournalFile, lines: int) -> None:
    if file.end is not None and file.end["n"] != lines:
        file.problems.append(f"{file.name}: {lines} records where {file.end['n']} were written")
    if file.collected is not None and file.collected != len(file.ids):
        file.problems.append(f"{file.name}: {len(file.ids)} ids where {file.collected} were collected")


# ---- one function per kind; each raises for a wrong form ----------------------------------------------------------


def _start(file: JournalFile, record: Mapping[str, Any]) -> None:
    _text(record["nonce"]), _number(record["pid"])
    if not isinstance(record.get("options", {}), dict) or not isinstance(record.get("plugins", {}), dict):
        raise TypeError
    file.starts += 1
    file.start = file.start or _clean(record)


def _ids(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.ids += _texts(record["ids"])


def _deselected(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.deselected += _texts(record["ids"])


def _vanished(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.vanished += _texts(record["ids"])


def _empty(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.empty += _texts(record["ids"])


def _collected(file: JournalFile, record: Mapping[str, Any]) -> None:
    if file.collected is not None:
        raise ValueError
    file.collected = _number(record["n"])


def _collect(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.collection.append((_text(record["id"]), _text(record["o"]), _text(record["x"])))


def _begin(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.running = _id_at(file, _number(record["i"]))


def _test(file: JournalFile, record: Mapping[str, Any]) -> None:
    index = record["i"]
    test = _text(record["id"]) if index is None else file.ids[_natural(index)]
    file.executions.append(
        Execution(
            test=test,
            phases=_ordinary(record["d"]) if "d" in record else tuple(_phase(phase) for phase in record["ph"]),
            text=_text(record.get("x", "")),
            expected_failure="xf" in record,
            sub=tuple((_text(outcome), _text(text)) for outcome, text in record.get("sub", ())),
            hidden=_natural(record.get("hidden", 0)),
            worker=_text(record["w"]) if "w" in record else None,
            known=index is not None,
        )
    )
    file.running = _id_at(file, _number(record["n"]))


def _ordinary(durations: list[object]) -> tuple[Phase, ...]:
    setup, call, teardown = durations
    timed = (("setup", setup), ("call", call), ("teardown", teardown))
    return tuple(_phase((when, "passed", duration, RETURNED)) for when, duration in timed)


def _phase(plain: Any) -> Phase:
    when, outcome, microseconds, cause = plain
    if outcome not in _OUTCOMES:
        raise ValueError
    return Phase(when=_text(when), outcome=outcome, duration_s=_natural(microseconds) / 1e6, cause=_number(cause))


def _alarm(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.alarms.append(Alarm(category=_text(record["c"]), message=_text(record["m"]), test=_text(record["id"])))


def _up(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.up.append(_text(record["w"]))


def _down(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.down[_text(record["w"])] = None if record["error"] is None else _text(record["error"])


def _node(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.nodes[_text(record["w"])] = (_number(record["n"]), record["same"] is True)


def _crash(file: JournalFile, record: Mapping[str, Any]) -> None:
    file.crashes.append((_text(record["id"]), _text(record["w"]), _text(record["x"])))


def _finish(file: JournalFile, record: Mapping[str, Any]) -> None:
    _number(record["exit"]), _natural(record["failed"])
    if file.finish is not None or not isinstance(record.get("changed"), dict):
        raise ValueError
    file.finish = _clean(record)


def _end(file: JournalFile, record: Mapping[str, Any]) -> None:
    _natural(record["n"]), _number(record["pid"])
    for name, count in record["metrics"].items():
        _text(name), _natural(count)
    file.end = record


_READERS: Final[Mapping[str, Callable[[JournalFile, Mapping[str, Any]], None]]] = {
    "start": _start,
    "fork": _start,
    "ids": _ids,
    "collected": _collected,
    "deselected": _deselected,
    "vanished": _vanished,
    "empty": _empty,
    "collect": _collect,
    "b": _begin,
    "t": _test,
    "alarm": _alarm,
    "up": _up,
    "down": _down,
    "node": _node,
    "crash": _crash,
    "finish": _finish,
    "end": _end,
}


# ---- scalars ------------------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    # A lone surrogate could not be written into any report.
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {_text(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return _text(value) if isinstance(value, str) else value


def _texts(values: object) -> list[str]:
    if not isinstance(values, list):
        raise TypeError
    return [_text(value) for value in values]


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _natural(value: object) -> int:
    number = _number(value)
    if not 0 <= number < 2**63:
        raise ValueError
    return number


def _id_at(file: JournalFile, index: int) -> str | None:
    return file.ids[index] if 0 <= index < len(file.ids) else None


def _refuse(name: str) -> float:
    raise ValueError(name)
