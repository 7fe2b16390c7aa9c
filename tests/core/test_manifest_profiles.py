"""Profiles: what an overlay changes, and that every profile is checked whether chosen or not."""

import subprocess
import sys
from typing import Any

import pytest

from gate.errors import ManifestError, UsageError
from gate.manifest import read, schema
from gate.manifest.overlay import merged, with_defaults
from gate.model import Manifest, Place

BASE = """\
version: 1
project: p
services:
  pg: {provider: postgres}
  app:
    command: [serve]
    ready: {http: "http://localhost:1/health", timeout: 5s}
    needs: [pg]
suites:
  soak:
    paths: [suites/soak]
    needs: [app]
    duration: 60s
    env: {A: x, B: x}
    budgets: {skipped: 1}
    thresholds:
      rss: [growth < 50 MB, max < 1 GB]
      rate: rate > 10 /s
  other: {paths: [suites/other]}
"""


def under(profile: str) -> Manifest:
    return read(f"{BASE}profiles:\n  n: {profile}\n".encode(), "g.yaml", "n")


def problems_of(profile: str, base: str = BASE) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(f"{base}profiles:\n  n: {profile}\n".encode(), "g.yaml")
    return list(map(str, caught.value.problems))


def test_mappings_merge_and_lists_and_single_values_are_replaced() -> None:
    soak = under("{suites: {soak: {duration: 4h, env: {B: y, C: y}, paths: [x], budgets: {flaky: 2}}}}").suites[0]
    assert (soak.duration_s, soak.paths, soak.needs) == (14400.0, ("x",), ("app",))
    assert soak.env == {"A": "x", "B": "y", "C": "y"}
    assert (soak.budgets.skipped.limit, soak.budgets.flaky.limit) == (1, 2)


def test_thresholds_are_replaced_metric_by_metric() -> None:
    soak = under("{suites: {soak: {thresholds: {rss: growth < 9 MB, lag: p50 < 1 s}}}}").suites[0]
    assert [threshold.source for threshold in soak.thresholds] == ["growth < 9 MB", "rate > 10 /s", "p50 < 1 s"]
    assert [t.place for t in soak.thresholds] == [
        Place(file="g.yaml", line=21, column=41),
        Place(file="g.yaml", line=18, column=13),
        Place(file="g.yaml", line=21, column=61),
    ]


def test_a_profile_leaves_the_rest_and_the_base_untouched() -> None:
    manifest = under("{suites: {soak: {duration: 4h}}}")
    assert manifest.suites[1].paths == ("suites/other",)
    assert (manifest.profile, manifest.profiles) == ("n", ("n",))
    base = read(f"{BASE}profiles: {{n: {{suites: {{soak: {{duration: 4h}}}}}}}}".encode(), "g.yaml")
    assert (base.profile, base.suites[0].duration_s) == (None, 60.0)


def test_a_profile_points_a_service_elsewhere() -> None:
    pg = under('{services: {pg: {url: "postgresql://staging/x"}}}').services[0]
    assert (pg.url, pg.provider) == ("postgresql://staging/x", "postgres")


def test_another_way_of_being_ready_takes_the_place_of_the_one_below() -> None:
    ready = under('{services: {app: {ready: {tcp: "localhost:1"}}}}').services[1].ready
    assert ready is not None
    assert (ready.kind, ready.timeout_s) == ("tcp", 5.0)


def test_a_profile_may_add_a_suite_and_a_service_that_it_needs() -> None:
    manifest = under("{services: {redis: {provider: redis}}, suites: {more: {paths: [m], needs: [redis]}}}")
    assert [suite.name for suite in manifest.suites] == ["soak", "other", "more"]
    assert [service.name for service in manifest.services] == ["pg", "app", "redis"]


@pytest.mark.parametrize(
    ("profile", "at", "words"),
    [
        ("{suites: {soak: {duration: 0}}}", "0", "profiles.n.suites.soak.duration: found the number 0"),
        ("{suites: {soak: {durations: 1}}}", "durations", "did you mean duration?"),
        ("{suites: {soak: {duration: null}}}", "null", "no value (null)"),
        ("{suites: {sok: {duration: 4h}}}", "sok", "unknown suite 'sok'; did you mean soak?"),
        ("{suites: {soak: {paths: [/x]}}}", "/x", "profiles.n.suites.soak.paths[0]: path '/x' is absolute"),
        ("{suites: {soak: {needs: [gp]}}}", "gp", "unknown service 'gp' (allowed are pg app)"),
        ("{suites: {soak: {thresholds: {rss: max < 5 parsecs}}}}", "max", "unknown unit 'parsecs'"),
        ("{suites: {soak: {command: [x], junit: j}}}", "command", "`paths` and `command` exclude each other"),
        ("{services: {pg: {needs: [app]}}}", "services", "in a circle: app → pg → app"),
        ("{services: {pgg: {needs: [app]}}}", "pgg", "has nothing to start"),
        ("{suites: {}}", "suites", "is empty"),
        ("{suits: {soak: {}}}", "suits", "did you mean suites?"),
        ("[soak]", "n:", "where a mapping should stand"),
    ],
)
def test_a_profile_that_is_not_chosen_is_checked_at_its_own_lines(profile: str, at: str, words: str) -> None:
    (problem,) = problems_of(profile)
    assert words in problem
    assert problem.startswith(f"g.yaml:21:{f'  n: {profile}'.index(at) + 1}: profiles.n")


def test_a_mistake_of_the_base_is_told_once() -> None:
    base = BASE.replace("[suites/soak]", "[/soak]").replace("growth < 50 MB", "growth < 50 MBB")
    found = problems_of("{suites: {soak: {duration: 4h}}}", base)
    assert [problem.split(": ")[1] for problem in found] == [
        "suites.soak.paths[0]",
        "suites.soak.thresholds.rss[0].check",
    ]


def test_a_mistake_of_the_base_does_not_hide_the_same_one_in_a_profile() -> None:
    found = problems_of("{suites: {soak: {paths: [/soak]}}}", BASE.replace("[suites/soak]", "[/soak]"))
    assert [problem.split(": ")[1] for problem in found] == [
        "suites.soak.paths[0]",
        "profiles.n.suites.soak.paths[0]",
    ]


def test_waivers_and_drills_may_name_what_only_a_profile_declares() -> None:
    more = "drills: {d: {env: {F: x}, expect: [soak/threshold/lag.p50]}}\nprofiles:\n  n: "
    text = f"{BASE}{more}{{suites: {{soak: {{thresholds: {{lag: p50 < 1 s}}}}}}}}"
    assert read(text.encode(), "g.yaml").drills[0].expect == ("soak/threshold/lag.p50",)


@pytest.mark.parametrize(
    ("profiles", "hint"), [("", "declares no profiles"), ("profiles: {nightly: {}}", "profiles are nightly")]
)
def test_an_unknown_profile_is_a_usage_error_that_lists_the_right_ones(profiles: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(f"{BASE}{profiles}".encode(), "g.yaml", "nigthly")
    assert not isinstance(caught.value, ManifestError)
    assert hint in caught.value.hint
    assert "unknown profile 'nigthly'" in caught.value.message


@pytest.mark.parametrize(
    ("below", "above", "result"),
    [
        ({"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"x": 1, "y": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
        ({"a": {"x": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        (
            {"thresholds": {"m": {"check": "a", "severity": "info"}, "n": "b"}},
            {"thresholds": {"m": {"check": "c"}}},
            {"thresholds": {"m": {"check": "c"}, "n": "b"}},
        ),
        ({"ready": {"http": "a", "timeout": 1}}, {"ready": {"timeout": 2}}, {"ready": {"http": "a", "timeout": 2}}),
        ({"ready": {"http": "a", "timeout": 1}}, {"ready": {"log": "b"}}, {"ready": {"log": "b", "timeout": 1}}),
    ],
)
def test_an_overlay_is_merged_by_key(below: dict[str, Any], above: dict[str, Any], result: dict[str, Any]) -> None:
    kept = repr(below)
    assert merged(below, above) == result
    assert repr(below) == kept


def test_defaults_fill_env_and_budgets_by_key() -> None:
    defaults = {"env": {"A": "d", "B": "d"}, "budgets": {"skipped": 1}, "timeout": 5}
    suite = {"env": {"B": "s"}, "timeout": 9}
    assert with_defaults(defaults, suite) == {"env": {"A": "d", "B": "s"}, "budgets": {"skipped": 1}, "timeout": 9}


# ---- the JSON Schema --------------------------------------------------------------------------------------------


def subschemas(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for item in schema for found in subschemas(item)]
    if not isinstance(schema, dict):
        return []
    return [schema, *(found for value in schema.values() for found in subschemas(value))]


def test_the_schema_describes_every_key_and_forbids_all_others() -> None:
    root = schema()
    assert root["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    models = [root, *root["$defs"].values()]
    assert all(model["additionalProperties"] is False for model in models)
    assert [
        (model.get("title"), key)
        for model in models
        for key, value in model["properties"].items()
        if not value.get("description")
    ] == []


def test_the_schema_offers_no_null_and_only_references_that_are_there() -> None:
    root = schema()
    assert [found for found in subschemas(root) if found.get("type") == "null" or found.get("default", 0) is None] == []
    references = {found["$ref"] for found in subschemas(root) if isinstance(found.get("$ref"), str)}
    assert references == {f"#/$defs/{name}" for name in root["$defs"]}


def test_the_schema_knows_the_short_ways_of_writing() -> None:
    root = schema()
    (threshold,) = root["$defs"]["SuiteKeys"]["properties"]["thresholds"]["patternProperties"].values()
    assert [option.get("type", "mapping") for option in threshold["anyOf"]] == ["string", "mapping", "array"]
    budget = root["$defs"]["BudgetsKeys"]["properties"]["skipped"]["anyOf"]
    assert budget[:2] == [{"type": "integer", "minimum": 0}, {"const": "any"}]
    assert root["properties"]["version"]["const"] == 1
    assert root["required"] == ["version", "project", "suites"]


def test_reading_needs_no_module_that_runs_or_listens() -> None:
    code = "import sys, gate.manifest; print(sorted({'psutil', 'pytest', 'click', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
