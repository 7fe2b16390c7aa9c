"""Which suites run, how narrowed, in which order, with which services, and whether that is everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.codec import dumps, loads
from gate.errors import UsageError
from gate.model import Isolation, Manifest, Plan, Scope, Selection, Service, Suite
from gate.plan import all_categories, describe, make_plan


def suite(name: str, **keys: object) -> Suite:
    return Suite(**{"name": name, "title": name, "paths": (f"suites/{name}",), "env": {}, **keys})  # type: ignore[arg-type]


def service(name: str, *needs: str, url: str | None = None) -> Service:
    return Service(name=name, provider="redis", env={}, needs=needs, url=url)


def manifest(*suites: Suite, services: tuple[Service, ...] = ()) -> Manifest:
    return Manifest(version=1, project="p", file="gates.yaml", digest="d", suites=suites, services=services)


DATABASE = suite("database", categories=("database", "integration"), contains=("performance", "slow"), needs=("app",))
SPEED = suite("speed", categories=("performance",), isolation=Isolation.EXCLUSIVE, estimate_s=40.0)
SOAK = suite("soak", categories=("soak",), duration_s=60.0, timeout_s=300.0)
SERVICES = (service("app", "pg", "cache"), service("unused"), service("pg"), service("cache", "pg"))
ALL = manifest(DATABASE, SPEED, SOAK, services=SERVICES)


def planned(selection: Selection, of: Manifest = ALL) -> dict[str, str | None]:
    return {step.suite.name: step.marker for step in make_plan(of, selection, {}).steps}


def test_everything_runs_whole_when_nothing_is_selected() -> None:
    plan = make_plan(ALL, Selection(), {})
    assert {step.suite.name: step.narrowed for step in plan.steps} == {"database": False, "soak": False, "speed": False}
    assert (plan.scope, plan.omitted) == (Scope.FULL, ())


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(suites=("soak",)), {"soak": None}),
        (Selection(categories=("database",)), {"database": None}),
        (Selection(categories=("performance",)), {"database": "performance", "speed": None}),
        (Selection(categories=("performance", "slow")), {"database": "performance or slow", "speed": None}),
        (Selection(categories=("slow",)), {"database": "slow"}),
        (Selection(categories=("performance", "integration")), {"database": None, "speed": None}),
        (Selection(suites=("database",), categories=("performance",)), {"database": None, "speed": None}),
        (Selection(suites=("soak",), categories=("slow",)), {"soak": None, "database": "slow"}),
    ],
)
def test_names_and_categories_select_and_whole_wins_over_narrowed(
    selection: Selection, expected: dict[str, str | None]
) -> None:
    assert planned(selection) == expected


def test_a_keyword_narrows_every_suite_that_runs() -> None:
    plan = make_plan(ALL, Selection(keyword="fast"), {})
    assert {step.keyword for step in plan.steps} == {"fast"}
    assert plan.scope is Scope.PARTIAL


@pytest.mark.parametrize(
    ("selection", "scope"),
    [
        (Selection(suites=("database", "speed", "soak")), Scope.FULL),
        (Selection(categories=("integration", "performance", "soak")), Scope.FULL),
        (Selection(suites=("database", "speed")), Scope.PARTIAL),
        (Selection(categories=("performance", "soak")), Scope.PARTIAL),
        (Selection(keyword="x"), Scope.PARTIAL),
        (Selection(duration_s=59.0), Scope.PARTIAL),
        (Selection(duration_s=60.0), Scope.FULL),
        (Selection(duration_s=86400.0), Scope.FULL),
    ],
)
def test_the_scope_is_full_only_when_every_suite_runs_whole(selection: Selection, scope: Scope) -> None:
    assert make_plan(ALL, selection, {}).scope is scope


@pytest.mark.parametrize(
    ("selection", "message", "hint"),
    [
        (Selection(suites=("sok",)), "unknown suite 'sok'; did you mean soak?", "suites are database, speed, soak"),
        (
            Selection(categories=("perf", "soak")),
            "unknown category 'perf'",
            "categories are database, integration, performance, slow, soak",
        ),
        (Selection(categories=("integartion",)), "unknown category 'integartion'; did you mean integration?", "slow"),
    ],
)
def test_an_unknown_name_is_refused_with_the_right_ones(selection: Selection, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(ALL, selection, {})
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_a_category_asked_of_a_manifest_without_any_is_refused_too() -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(manifest(suite("a")), Selection(categories=("x",)), {})
    assert caught.value.hint == "the manifest declares no categories"


def test_a_plan_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing is selected"):
        make_plan(manifest(), Selection(), {})


@pytest.mark.parametrize(
    ("asked", "timeout_s"), [(None, 300.0), (10.0, 300.0), (200.0, 300.0), (3600.0, 4020.0), (86400.0, 95100.0)]
)
def test_an_asked_duration_replaces_the_declared_one_and_extends_the_timeout(
    asked: float | None, timeout_s: float
) -> None:
    steps = {step.suite.name: step.suite for step in make_plan(ALL, Selection(duration_s=asked), {}).steps}
    assert (steps["soak"].duration_s, steps["soak"].timeout_s) == (asked or 60.0, pytest.approx(timeout_s))
    assert (steps["database"].duration_s, steps["database"].timeout_s) == (None, 300.0)


def test_only_needed_services_are_started_each_after_its_own_needs() -> None:
    assert [s.name for s in make_plan(ALL, Selection(suites=("database",)), {}).services] == ["pg", "cache", "app"]
    assert make_plan(ALL, Selection(suites=("soak",)), {}).services == ()


def test_what_somebody_elses_service_needs_is_not_started() -> None:
    services = (service("app", "pg", url="http://staging"), service("pg"))
    plan = make_plan(manifest(suite("a", needs=("app",)), services=services), Selection(), {})
    assert [s.name for s in plan.services] == ["app"]


@pytest.mark.parametrize(
    ("keys", "known", "expected"),
    [
        ({}, {"a": 12.0}, 12.0),
        ({"estimate_s": 7.0}, {"a": 12.0}, 12.0),
        ({"estimate_s": 7.0}, {}, 7.0),
        ({"duration_s": 60.0}, {}, 60.0),
        ({"duration_s": 60.0, "estimate_s": 65.0}, {}, 65.0),
        ({"duration_s": 60.0}, {"a": 70.0}, 70.0),
        ({"duration_s": 60.0}, {"a": 5.0}, 60.0),
        ({"timeout_s": 300.0}, {}, 30.0),
    ],
)
def test_the_expected_time_is_the_best_that_is_known(
    keys: dict[str, float], known: dict[str, float], expected: float
) -> None:
    (step,) = make_plan(manifest(suite("a", **keys)), Selection(), known).steps
    assert step.expected_s == expected


def test_shared_suites_start_longest_first_and_exclusive_ones_alone_after_them() -> None:
    suites = [suite(name) for name in "abcd"]
    alone = [suite(name, isolation=Isolation.EXCLUSIVE) for name in "xy"]
    times = {"a": 10.0, "b": 40.0, "c": 30.0, "d": 20.0, "x": 5.0, "y": 50.0}
    plan = make_plan(manifest(alone[0], *suites, alone[1]), Selection(jobs=2), times)
    assert [(step.suite.name, step.lane, step.start_s) for step in plan.steps] == [
        ("b", 0, 0.0),
        ("c", 1, 0.0),
        ("d", 1, 30.0),
        ("a", 0, 40.0),
        ("y", 0, 50.0),
        ("x", 0, 100.0),
    ]


@pytest.mark.parametrize(("jobs", "expected"), [(2, 2), (8, 8), (1, 1), (0, 1)])
def test_there_are_as_many_jobs_as_asked_for_and_at_least_one(jobs: int, expected: int) -> None:
    assert make_plan(ALL, Selection(jobs=jobs), {}).jobs == expected


MANY = st.lists(st.tuples(st.floats(0.1, 1000), st.booleans()), min_size=1, max_size=12).map(
    lambda rows: [(f"s{i}", seconds, alone) for i, (seconds, alone) in enumerate(rows)]
)


@given(rows=MANY, jobs=st.integers(1, 4))
def test_no_lane_runs_two_at_once_and_nothing_runs_beside_an_exclusive_suite(
    rows: list[tuple[str, float, bool]], jobs: int
) -> None:
    suites = [suite(name, isolation=Isolation.EXCLUSIVE if alone else Isolation.SHARED) for name, _, alone in rows]
    plan = make_plan(manifest(*suites), Selection(jobs=jobs), {name: seconds for name, seconds, _ in rows})
    spans = [(s.start_s, s.start_s + (s.expected_s or 0), s.lane, s.suite.isolation) for s in plan.steps]
    assert {s.suite.name for s in plan.steps} == {name for name, _, _ in rows}
    for index, (start, end, lane, isolation) in enumerate(spans):
        assert lane < jobs
        for other_start, other_end, other_lane, other_isolation in spans[index + 1 :]:
            overlap = start < other_end and other_start < end
            alone = Isolation.EXCLUSIVE in (isolation, other_isolation)
            assert not (overlap and (alone or lane == other_lane))


def test_all_categories_are_listed_once_in_order() -> None:
    assert all_categories(ALL) == ("database", "integration", "performance", "slow", "soak")


def test_a_plan_survives_being_written_and_read_back() -> None:
    plan = make_plan(ALL, Selection(categories=("performance",), duration_s=5.0), {"speed": 3.0})
    assert loads(Plan, dumps(plan)) == plan


def test_the_description_tells_order_neighbours_services_and_why_it_is_partial() -> None:
    plan = make_plan(ALL, Selection(categories=("performance",), suites=("soak",), duration_s=30.0), {})
    assert (
        describe(plan)
        == """\
p: 3 suites, 2 jobs

Scope: partial
  database is narrowed -m 'performance'
  soak is shortened: 30s of the declared 1m00s

Services, in order of start:
  pg: redis
  cache: redis, after pg
  app: redis, after pg, cache

Suites, in order of start:
  database -m 'performance': at 0s, about 30s, lane 1, beside soak
    paths suites/database; timeout 5m00s; needs app
  soak: at 0s, about 30s, lane 2, beside database
    paths suites/soak; timeout 5m00s; duration 30s
  speed: at 30s, about 40s, alone
    paths suites/speed; timeout 5m00s

Expected end after 1m10s. Nothing has been run.
"""
    )


def test_the_description_tells_what_is_left_out() -> None:
    text = describe(make_plan(ALL, Selection(suites=("soak",)), {}))
    assert "  database is left out: not selected\n  speed is left out: not selected\n" in text
    assert "Services, in order of start:\n  none\n" in text
