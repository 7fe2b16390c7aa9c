"""Frozen dataclasses ⇄ JSON: one generic pair of functions for every type of `gate.model`.

Writing is canonical (fixed key order, no NaN or infinity), so that equal values give equal bytes. Reading is strict:
a missing field, an unknown field or a wrong type raises `ValueError` with the path of the field; nothing is guessed.
"""

import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin

T = TypeVar("T")


def to_plain(value: object) -> Any:
    """`value` as dicts, lists, strings, numbers, booleans and None. Raises ValueError for a non-finite number."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} cannot be written: only finite numbers are allowed")
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [to_plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ValueError(f"{type(value).__name__} cannot be written as JSON")


def dumps(value: object, *, indent: int | None = 2) -> str:
    """`value` as JSON text ending with a newline; the same value always gives the same text."""
    return json.dumps(to_plain(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n"


def loads(cls: type[T], text: str | bytes) -> T:
    """The value of type `cls` written in `text`. Raises ValueError (also for malformed JSON) with the place."""
    plain = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_no_duplicates)
    value: T = from_plain(cls, plain)
    return value


def load_file(cls: type[T], data: bytes) -> T:
    """The value in a file that `dumps` wrote. A file without its last line break was cut, and raises ValueError too."""
    if not data.endswith(b"\n"):
        raise ValueError("it ends in mid-line")
    return loads(cls, data)


def from_plain(cls: Any, plain: object, path: str = "$") -> Any:
    """`plain` checked and converted to `cls`, a dataclass, enum, tuple, mapping, union or scalar type."""
    origin = get_origin(cls)
    if origin in (Union, types.UnionType):
        return _union(cls, plain, path)
    if dataclasses.is_dataclass(cls) and isinstance(cls, type):
        return _dataclass(cls, plain, path)
    if isinstance(cls, type) and issubclass(cls, Enum):
        try:
            return cls(plain)
        except ValueError as error:
            raise ValueError(f"{path}: {plain!r} is none of {[member.value for member in cls]}") from error
    if origin is tuple or origin is Sequence:
        return _tuple(cls, plain, path)
    if origin is Mapping:
        if not isinstance(plain, dict):
            raise _wrong(path, "an object", plain)
        of = get_args(cls)[1]
        return {key: from_plain(of, item, f"{path}.{key}") for key, item in plain.items()}
    return _scalar(cls, plain, path)


def _scalar(cls: Any, plain: object, path: str) -> Any:
    if cls is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if cls is type(None):
        if plain is None:
            return None
    elif type(plain) is cls:
        return plain
    raise _wrong(path, getattr(cls, "__name__", str(cls)), plain)


def _tuple(cls: Any, plain: object, path: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise _wrong(path, "a list", plain)
    args = get_args(cls)
    if get_origin(cls) is Sequence or (len(args) == 2 and args[1] is Ellipsis):
        return tuple(from_plain(args[0], item, f"{path}[{index}]") for index, item in enumerate(plain))
    if len(args) != len(plain):
        raise _wrong(path, f"a list of {len(args)}", plain)
    return tuple(from_plain(of, item, f"{path}[{n}]") for n, (of, item) in enumerate(zip(args, plain, strict=True)))


def _union(cls: Any, plain: object, path: str) -> Any:
    problems = []
    for option in get_args(cls):
        try:
            return from_plain(option, plain, path)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError("; ".join(problems))


@functools.cache
def _hints(cls: type) -> Mapping[str, Any]:
    return typing.get_type_hints(cls)


def _dataclass(cls: type[T], plain: object, path: str) -> T:
    if not isinstance(plain, dict):
        raise _wrong(path, "an object", plain)
    hints = _hints(cls)  # type: ignore[arg-type]  # a class is hashable; the stub asks for Hashable of type[T]
    unknown = plain.keys() - hints.keys()
    if unknown:
        raise ValueError(f"{path}: unknown field {min(unknown)!r}")
    missing = hints.keys() - plain.keys()
    if missing:
        raise ValueError(f"{path}: field {min(missing)!r} is missing")
    values = {name: from_plain(hint, plain[name], f"{path}.{name}") for name, hint in hints.items()}
    return cls(**values)


def _wrong(path: str, wanted: str, found: object) -> ValueError:
    return ValueError(f"{path}: expected {wanted}, found {type(found).__name__}")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has the same key twice")
    return result
