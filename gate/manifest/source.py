"""YAML text → a tree of nodes that know where they stand, or the problems of the text as YAML.

Owns the strict subset of YAML in which a manifest may be written. Refused are anchors, aliases, merge keys, tags,
several documents, duplicate keys, null, control characters, more than 1 MiB, nesting deeper than 20 and encodings but
UTF-8. Plain words are strings unless they are exactly `true`, `false` or a decimal number: dates, `yes`, `0o17` and
`1:30` stay the strings they look like. Leaves the meaning of keys and values to `gate.manifest.shape`.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from gate.errors import Problem, clip
from gate.model import Place

LARGEST_BYTES: Final = 1 << 20
DEEPEST: Final = 20

# The reader of the C library where it is there; both give the same events.
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
# Controls, zero-width and bidirectional characters make a terminal show something else; halves cannot be written.
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")

Step = str | int
Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A value and where it starts. `children` of a mapping carry the place of their key too."""

    value: str | int | float | bool | None
    line: int
    column: int
    kind: str = "scalar"  # or "mapping" or "list"
    children: dict[Step, "Child"] = field(default_factory=dict)

    @property
    def is_null(self) -> bool:
        return self.kind == "scalar" and self.value is None

    def plain(self) -> Any:
        """The value as dicts, lists and scalars; keys without a value are left out."""
        if self.kind == "mapping":
            return {key: child.node.plain() for key, child in self.children.items() if not child.node.is_null}
        if self.kind == "list":
            return [child.node.plain() for child in self.children.values()]
        return self.value

    def find(self, path: Path) -> tuple["Node", Path]:
        """The node at `path`, skipping steps that lead nowhere, and the steps that led there."""
        node: Node = self
        walked: Path = ()
        for step in path:
            if step in node.children:
                node, walked = node.children[step].node, (*walked, step)
        return node, walked


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A node under a key (or index) and where the key (or the item) starts."""

    node: Node
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A read text: its tree (None when there is none to speak of) and what is wrong with it as YAML."""

    file: str
    root: Node | None
    problems: tuple[Problem, ...]


def path_text(path: Path) -> str:
    """`suites.soak.thresholds.rss[0]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            word = step if _PLAIN_KEY.fullmatch(step) else clip(step).replace("'", '"')
            text += f".{word}" if text else word
    return text


def load(text: bytes, file: str) -> Source:
    """`text` as a tree. Never raises for what stands in the text: that becomes problems."""
    reader = _Reader(file)
    decoded = reader.decode(text)
    root = reader.read(decoded) if decoded is not None else None
    return Source(file=file, root=root, problems=tuple(reader.problems))


def _control_message(character: str) -> str:
    return f"control character U+{ord(character):04X} is refused; leave it out"


class _TooDeepError(Exception):
    pass


class _Reader:
    """One pass over the events of one text; collects problems and goes on wherever the structure allows it."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def decode(self, text: bytes) -> str | None:
        if len(text) > LARGEST_BYTES:
            self._problem(0, 0, (), f"the file has {len(text)} bytes; allowed are {LARGEST_BYTES} (1 MiB)")
            return None
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            before = text[: error.start]
            line, column = before.count(b"\n"), error.start - (before.rfind(b"\n") + 1)
            self._problem(line, column, (), f"byte 0x{text[error.start]:02x} is not UTF-8; allowed is UTF-8 only")
            return None

    def read(self, text: str) -> Node | None:
        hidden = _CONTROL.search(text, 1 if text.startswith("\ufeff") else 0)
        if hidden:
            line, start = text.count("\n", 0, hidden.start()), text.rfind("\n", 0, hidden.start()) + 1
            self._problem(line, hidden.start() - start, (), _control_message(hidden[0]))
            return None
        try:
            return self._documents(iter(yaml.parse(text, _Loader)))
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
        except yaml.YAMLError as error:
            self._problem(0, 0, (), f"not YAML: {error}")
        except _TooDeepError:
            pass
        return None

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        mark: Any = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        self._problem(mark.line if mark else 0, mark.column if mark else 0, (), f"not YAML: {what}")

    def _documents(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        started = False
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                at: Any = event.start_mark
                if started:
                    self._problem(at.line, at.column, (), "a second document begins; allowed is one")
                    return root
                started = True
                if event.tags or event.version:
                    self._problem(at.line, at.column, (), "YAML directives are refused; leave them out")
                root = self._node(next(events), events, ())
        return root

    def _node(self, event: Any, events: Iterator[Any], path: Path) -> Node:
        mark = event.start_mark
        if len(path) > DEEPEST:
            self._problem(mark.line, mark.column, path[:3], f"nested deeper than {DEEPEST} levels")
            raise _TooDeepError
        if isinstance(event, yaml.AliasEvent):
            return self._refused(mark, path, f"alias *{str(event.anchor)[:40]} is refused; write the value out")
        if event.anchor is not None:
            self._problem(mark.line, mark.column, path, f"anchor &{event.anchor[:40]} is refused; leave it out")
        if event.tag is not None:
            self._problem(mark.line, mark.column, path, f"tag {clip(event.tag)} is refused; leave it out")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(mark, events, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(mark, events, path)
        return self._scalar(event, path)

    def _refused(self, mark: Any, path: Path, message: str) -> Node:
        self._problem(mark.line, mark.column, path, message)
        return Node(value=None, line=mark.line + 1, column=mark.column + 1)

    def _list(self, mark: Any, events: Iterator[Any], path: Path) -> Node:
        items: dict[Step, Child] = {}
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            node = self._node(event, events, (*path, len(items)))
            items[len(items)] = Child(node=node, line=node.line, column=node.column)
        return Node(value=None, line=mark.line + 1, column=mark.column + 1, kind="list", children=items)

    def _mapping(self, mark: Any, events: Iterator[Any], path: Path) -> Node:
        entries: dict[Step, Child] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            at = event.start_mark
            key = self._key(event, events, path)
            node = self._node(next(events), events, (*path, key or "?"))
            if key is None:
                continue
            if key in entries:
                message = f"key {clip(key)} is here twice, first on line {entries[key].line}; keep one"
                self._problem(at.line, at.column, (*path, key), message)
                continue
            entries[key] = Child(node=node, line=at.line + 1, column=at.column + 1)
        return Node(value=None, line=mark.line + 1, column=mark.column + 1, kind="mapping", children=entries)

    def _key(self, event: Any, events: Iterator[Any], path: Path) -> str | None:
        """The text of a key, or None (with a problem) when it cannot be one."""
        node = self._node(event, events, path) if not isinstance(event, yaml.ScalarEvent) else None
        mark = event.start_mark
        if node is not None:
            if not isinstance(event, yaml.AliasEvent):
                self._problem(mark.line, mark.column, path, f"a {node.kind} cannot be a key; allowed is a plain name")
            return None
        if event.value == "<<":
            self._problem(mark.line, mark.column, path, "merge key << is refused; write the keys out")
            return None
        if event.anchor is not None or event.tag is not None or not event.value:
            what = "an empty key" if not event.value else f"key {clip(event.value)} with an anchor or tag"
            self._problem(mark.line, mark.column, path, f"{what} is refused; allowed is a plain name")
            return None
        self._check_characters(event.value, mark, path)
        return str(event.value)

    def _scalar(self, event: Any, path: Path) -> Node:
        mark, text = event.start_mark, event.value
        value: str | int | float | bool = text
        if event.implicit[0]:
            if text in _NULLS:
                return self._refused(mark, path, "no value (null); give one or leave the key out")
            value = self._typed(text, mark, path)
        self._check_characters(text, mark, path)
        return Node(value=value, line=mark.line + 1, column=mark.column + 1)

    def _typed(self, text: str, mark: Any, path: Path) -> str | int | float | bool:
        if text in ("true", "false"):
            return text == "true"
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                self._problem(mark.line, mark.column, path, f"{clip(text)} is out of range for a number")
                return 0.0
            return number
        return text

    def _check_characters(self, text: str, mark: Any, path: Path) -> None:
        found = _CONTROL.search(text)
        if found:
            self._problem(mark.line, mark.column, path, _control_message(found[0]))

    def _problem(self, line: int, column: int, path: Path, message: str) -> None:
        place = Place(file=self._file, line=line + 1, column=column + 1)
        self.problems.append(Problem(place=place, path=path_text(path), message=message))
