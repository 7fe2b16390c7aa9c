"""The record as JSON: the machine-readable decision, and the schema that describes it.

`record.json` is `gate.model.Record` written field by field, so that the type and the file cannot drift apart. The
schema is derived from the same types; `docs/record.schema.json` holds it for other people's tools.
"""

import dataclasses
import json
import re
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final, Union, get_args, get_origin

from gate import codec
from gate.model import Dossier, Record

_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
_SCALARS: Final = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def render(dossier: Dossier) -> str:
    """The record of `dossier` as JSON text."""
    return record_json(dossier.record)


def record_json(record: Record) -> str:
    """`record` as JSON text ending with a newline; equal records give equal text."""
    # Half a surrogate pair cannot be written as UTF-8, but JSON has an escape for it that reads back as the same text.
    return _HALF_PAIR.sub(lambda match: f"\\u{ord(match[0]):04x}", codec.dumps(record))


def read_record(text: str | bytes) -> Record:
    """The record written in `text`. Raises ValueError, with the place, for anything but a complete record."""
    return codec.loads(Record, text)


def schema_json() -> str:
    """The JSON Schema (2020-12) of `record.json` as text."""
    definitions: dict[str, Any] = {}
    root = _schema(Record, definitions)
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The record of one run of gate",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _schema(of: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin = get_origin(of)
    if origin in (Union, types.UnionType):
        return _any_of([_schema(option, definitions) for option in get_args(of)])
    if origin in (tuple, Sequence):
        return {"type": "array", "items": _schema(get_args(of)[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(get_args(of)[1], definitions)}
    if isinstance(of, type) and issubclass(of, Enum):
        return {"enum": [member.value for member in of]}
    if dataclasses.is_dataclass(of) and isinstance(of, type):
        return _object(of, definitions)
    return {"type": _SCALARS[of]}


def _any_of(options: list[dict[str, Any]]) -> dict[str, Any]:
    if all(option.keys() == {"type"} for option in options):
        return {"type": [option["type"] for option in options]}
    return {"anyOf": options}


def _object(of: type, definitions: dict[str, Any]) -> dict[str, Any]:
    if of.__name__ not in definitions:
        definitions[of.__name__] = {}  # taken before its fields are, so that a type may hold itself
        hints = typing.get_type_hints(of)
        definitions[of.__name__] = {
            "type": "object",
            "description": " ".join((of.__doc__ or "").split()),
            "properties": {name: _schema(hint, definitions) for name, hint in hints.items()},
            "required": list(hints),
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{of.__name__}"}
