"""record.json: the contract, reading back, and the schema that describes it."""

import json
from pathlib import Path

import pytest

from gate.report import record
from tests import dossiers

_SCHEMA = Path(__file__).parents[2] / "docs" / "record.schema.json"


@pytest.mark.parametrize("make", dossiers.ALL.values(), ids=dossiers.ALL)
def test_a_record_read_back_is_the_same_record(make):
    written = make().record
    assert record.read_record(record.record_json(written).encode()) == written


def test_a_record_holds_everything_that_is_promised():
    plain = json.loads(record.render(dossiers.no_go()))
    assert plain.keys() >= {
        "schema", "run_id", "project", "decision", "scope", "exit_code", "started_at", "finished_at", "commit", "dirty",
        "manifest_digest", "environment", "suites", "waivers",
    }  # fmt: skip
    suite = plain["suites"][0]
    assert suite.keys() >= {"name", "status", "tests", "duration_s", "findings", "thresholds"}
    assert suite["tests"].keys() >= {
        "collected", "passed", "failed", "errors", "skipped", "xfailed", "xpassed", "flaky", "deselected",
    }  # fmt: skip
    assert suite["findings"][0].keys() >= {"id", "status", "severity", "reason"}
    assert suite["thresholds"][0].keys() >= {
        "id", "metric", "stat", "op", "limit", "unit", "observed", "margin", "samples", "status", "severity",
    }  # fmt: skip
    assert (plain["decision"], plain["exit_code"], plain["scope"]) == ("NO_GO", 10, "full")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace('"decision": "NO_GO"', '"decision": "GO?"'),
        lambda text: text.replace('"exit_code": 10', '"exit_code": "10"'),
        lambda text: text.replace('"scope": "full",', ""),
        lambda text: text.replace('"scope": "full"', '"scope": "full", "extra": 1'),
        lambda text: text.replace('"margin": -0.', '"margin": NaN, "was": -0.', 1),
        lambda text: text[:-20],
    ],
    ids=["decision", "type", "missing", "unknown", "not a number", "cut"],
)
def test_anything_but_a_complete_record_is_refused(spoil):
    text = record.render(dossiers.no_go())
    assert spoil(text) != text
    with pytest.raises(ValueError, match=r"\$|not a number|delimiter|Expecting|Unterminated"):
        record.read_record(spoil(text))


def test_the_schema_in_the_documentation_is_the_one_of_the_types():
    assert _SCHEMA.read_text(encoding="utf-8") == record.schema_json()


@pytest.mark.parametrize("make", dossiers.ALL.values(), ids=dossiers.ALL)
def test_the_schema_accepts_every_record(make):
    schema = json.loads(record.schema_json())
    assert list(_problems(schema, schema, json.loads(record.render(make())), "$")) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("decision",), "MAYBE"),
        (("exit_code",), "10"),
        (("suites", 0, "tests", "passed"), None),
        (("suites", 0, "thresholds", 0, "op"), "~"),
        (("waivers",), {}),
        (("surprise",), 1),
    ],
)
def test_the_schema_refuses_what_a_reader_would_refuse(path, value):
    schema, plain = json.loads(record.schema_json()), json.loads(record.render(dossiers.no_go()))
    place = plain
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert list(_problems(schema, schema, plain, "$"))
    with pytest.raises(ValueError, match=r"\$"):
        record.read_record(json.dumps(plain))


_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": int | float, "boolean": bool,
          "null": type(None)}  # fmt: skip


def _problems(root, schema, value, path):
    """The few words of JSON Schema that the generated one uses, taken literally."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if "enum" in schema and value not in schema["enum"]:
        yield path
    if "anyOf" in schema and all(list(_problems(root, option, value, path)) for option in schema["anyOf"]):
        yield path
    names = schema.get("type", [*_TYPES])
    if not isinstance(value, tuple(_TYPES[name] for name in ([names] if isinstance(names, str) else names))):
        yield path
    elif isinstance(value, dict):
        yield from _problems_of_object(root, schema, value, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(root, schema.get("items", {}), item, f"{path}[{index}]")


def _problems_of_object(root, schema, value, path):
    known, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
    yield from (f"{path}.{name}" for name in set(schema.get("required", ())) - value.keys())
    for name, item in value.items():
        if name in known or isinstance(extra, dict):
            yield from _problems(root, known.get(name, extra), item, f"{path}.{name}")
        elif extra is False:
            yield f"{path}.{name}"
