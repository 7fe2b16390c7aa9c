"""Collects what is wrong with a manifest, each thing at its place in the file.

Owns the way from a path such as `suites.soak.timeout` to a line and column (inside a profile: to the profile's own
lines) and the translation of the shape checker's errors into sentences. Promises one problem per place and statement.
"""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from gate.errors import Problem, clip, did_you_mean
from gate.manifest.shape import METRIC_PATTERN, NAME_PATTERN, RootKeys
from gate.manifest.source import Node, Path, Source, path_text
from gate.model import Place

_WANTED: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_CHECK: Final = "a threshold (`p95 < 50 ms` or {check, severity, min_samples})"
_PATTERNS: Final = {
    NAME_PATTERN: "1 to 64 of a-z 0-9 _, starting with a letter or digit",
    METRIC_PATTERN: "1 to 64 of a-z 0-9 _ . -, starting with a letter or digit",
    "^[A-Za-z_][A-Za-z0-9_]*$": "letters, digits and _, not starting with a digit",
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "a date such as 2026-12-31",
}


class Problems:
    """Problems found while reading one file, or one profile of it (`within` is then the path of the profile)."""

    def __init__(self, source: Source, within: Path = ()) -> None:
        self._source = source
        self._within = within
        self._found: dict[tuple[Place, str], tuple[Problem, str | None]] = {}

    def __iter__(self) -> Iterator[tuple[Problem, str | None]]:
        """Each problem, with its path in the base where a profile only shows what the base has written."""
        return iter(self._found.values())

    def add(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        """One problem at `path`: at its key where `key` is set or the value spans lines, else at its value."""
        full = self._written_at(path)
        place = self.place(full, key=key)
        problem = Problem(place=place, path=path_text(full), message=message, hint=hint)
        inherited = path_text(path) if self._within and not self._is_there(full) else None
        self._found.setdefault((place, message), (problem, inherited))

    def _written_at(self, path: Path) -> Path:
        """`path` within the profile, or the default that a suite took over."""
        full = (*self._within, *path)
        default = ("defaults", *path[2:])
        if path[:1] != ("suites",) or len(path) < 3 or self._is_there(full) or self._is_there(path):
            return full
        return default if self._is_there(default) else full

    def is_written(self, *path: str) -> bool:
        """Whether the file gives this key at all, however wrong its value is."""
        return self._is_there((*self._within, *path)) or self._is_there(path)

    def _is_there(self, path: Path) -> bool:
        return self._source.root is not None and self._source.root.find(path)[1] == path

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where `path` (from the root of the file) stands, or the nearest thing above it that is there."""
        node, line, column = self._source.root, 1, 1
        for step in path:
            child = node.children.get(step) if node else None
            if child is None:
                break
            node, line, column = child.node, child.line, child.column
            if node.kind == "scalar" and not key:
                line, column = node.line, node.column
        return Place(file=self._source.file, line=line, column=column)

    def declared_at(self, path: Path, decisive: int | None = None) -> Place:
        """Where a thing was declared: in the profile if its first `decisive` steps (default all) are there."""
        steps = path[:decisive]
        here = self._is_there((*self._within, *steps))
        return self.place((*self._within, *path) if here else path, key=decisive is None)

    def add_shape(self, error: ValidationError) -> set[Path]:
        """Every statement of the shape checker. Returns the paths it found fault with."""
        paths = set()
        for found in error.errors(include_url=False):
            loc: Path = found["loc"]
            node, path = self._source.root.find(loc) if self._source.root else (None, ())
            self._add_shape(found, loc, path, node)
            paths.add(path)
        return paths

    def _add_shape(self, found: Any, loc: Path, path: Path, node: Node | None) -> None:
        kind, context = found["type"], found.get("ctx") or {}
        if kind == "missing":
            if node and loc[-1] in node.children:
                return  # there, but without a value: that has been said
            self.add(path, f"key {clip(str(loc[-1]))} is missing", key=True)
        elif kind == "extra_forbidden":
            allowed = list(_model_at(loc[:-1]).model_fields)
            message = f"unknown key {clip(str(loc[-1]))}{did_you_mean(str(loc[-1]), allowed)}"
            self.add(loc, message, f"allowed are {' '.join(allowed)}", key=True)
        elif loc and loc[-1] == "[key]":
            allowed_text = _PATTERNS.get(context.get("pattern", ""), "a plain name")
            self.add(path, f"{clip(str(loc[-2]))} is no name to be used here", f"allowed are {allowed_text}", key=True)
        else:
            wanted = _CHECK if context.get("class_name") == "CheckKeys" else _WANTED.get(kind)
            self.add(path, *_statement(kind, context, node, wanted))


def _statement(kind: str, context: dict[str, Any], node: Node | None, wanted: str | None) -> tuple[str, str]:
    """What was found and what is allowed, for an error about a value."""
    found = _found(node)
    if wanted:
        return f"found {found} where {wanted} should stand", _remedy(wanted, node)
    if kind == "literal_error":
        allowed = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return (
            f"found {found}{did_you_mean(str(node.value if node else ''), allowed)}",
            f"allowed are {' '.join(allowed)}",
        )
    if kind == "value_error":
        message, _, allowed_text = str(context["error"]).partition("; ")
        return f"found {found}: {message}", allowed_text
    if kind == "string_pattern_mismatch":
        return f"found {found}", f"allowed are {_PATTERNS.get(context['pattern'], 'texts of one line, not blank')}"
    bounds = {"ge": "at least", "le": "at most", "gt": "more than", "min_length": "at least", "max_length": "at most"}
    told = [f"{word} {context[name]}" for name, word in bounds.items() if name in context]
    if kind == "too_short":
        return "is empty", "leave the key out or put something in"
    unit = " characters" if kind.startswith("string_") else ""
    return f"found {found}", f"allowed is {' and '.join(told)}{unit}" if told else kind.replace("_", " ")


def _found(node: Node | None) -> str:
    if node is None:
        return "nothing"
    if node.kind != "scalar":
        return f"a {node.kind}"
    if isinstance(node.value, bool):
        return f"the truth value {str(node.value).lower()}"
    return clip(node.value) if isinstance(node.value, str) else f"the number {node.value}"


def _remedy(wanted: str, node: Node | None) -> str:
    if node is None or node.kind != "scalar":
        return ""
    if wanted == "a text":
        return "put it in quotes if a text is meant"
    if wanted == "a list":
        return f"write [{node.value}]"
    return "leave the quotes out" if isinstance(node.value, str) and wanted.endswith("number") else ""


def _model_at(loc: Path) -> type[BaseModel]:
    """The model that holds the keys at `loc`."""
    here: Any = RootKeys
    for step in loc:
        here = _unwrapped(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = here.model_fields[str(step)].annotation
        else:
            here = get_args(here)[-1]
    model: type[BaseModel] = _unwrapped(here)
    return model


def _unwrapped(hint: Any) -> Any:
    while get_origin(hint) in (Annotated, Union, types.UnionType):
        hint = get_args(hint)[0]
    return hint
