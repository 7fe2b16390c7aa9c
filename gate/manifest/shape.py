"""The shape of a manifest: which keys there are, what each holds, and what it is for.

Owns the keys, their types and their descriptions, once, for checking and for the JSON Schema that editors use. Types
are strict: `"5"` is no number, `1` is no text. Leaves to its siblings whatever concerns more than one key.
"""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

NAME_PATTERN: Final = "^[a-z0-9][a-z0-9_]{0,63}$"
METRIC_PATTERN: Final = "^[a-z0-9][a-z0-9_.-]{0,63}$"
LONGEST_S: Final = 366 * 86400.0
_DURATION_PATTERN: Final = "^([0-9]+([.][0-9]+)?(ms|s|min|m|h|d))+$"
_DURATION_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|min|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def duration_s(value: object) -> float:
    """`1h30m`, `60s`, `500ms` or a plain number of seconds, in seconds. Raises ValueError saying what is allowed."""
    if isinstance(value, str) and len(value) <= 64 and re.fullmatch(_DURATION_PATTERN, value, re.ASCII):
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(value))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise ValueError("not a duration; allowed are 5m, 60s, 1h30m, 500ms or a plain number of seconds")
    if not 0 < seconds <= LONGEST_S:
        raise ValueError("a duration is more than 0 and at most 366 days")
    return seconds


def _version(value: object) -> int:
    if type(value) is int and value == 1:
        return value
    raise ValueError("not a version of the manifest; allowed is 1")


def _budget(value: object) -> object:
    return value if isinstance(value, dict) else {"limit": value}


def _budget_limit(value: object) -> int | None:
    if value == "any":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError("not a budget; allowed are a whole number from 0, `any`, or {limit, reason, expires}")


def _checks(value: object) -> object:
    """A threshold's three ways of writing as one: a list of mappings."""
    items = value if isinstance(value, list) else [value]
    return [{"check": item} if isinstance(item, str) else item for item in items]


def _bound_text(value: object) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError("not a bound; allowed is a number with a unit, e.g. 120 ms")


class _Short:
    """Tells the JSON Schema that `short` may stand in place of an item, and one item in place of a list of them."""

    def __init__(self, *short: JsonSchemaValue) -> None:
        self._short = short

    def __get_pydantic_json_schema__(
        self, core: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        full = handler(core)
        if full.get("type") != "array":
            return {"anyOf": [*self._short, full]}
        one = [*self._short, full["items"]]
        return {"anyOf": [*one, {"type": "array", "minItems": 1, "items": {"anyOf": one}}]}


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
MetricName = Annotated[str, StringConstraints(pattern=METRIC_PATTERN)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\r\n]*[^\s][^\r\n]*$")]
IsoDate = Annotated[str, StringConstraints(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
Duration = Annotated[
    float,
    BeforeValidator(duration_s),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _DURATION_PATTERN, "examples": ["5m", "60s", "1h30m", "24h", "500ms"]},
                {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_S},
            ]
        }
    ),
]
Bound = Annotated[str, PlainValidator(_bound_text), WithJsonSchema({"type": ["string", "number"]})]
Env = dict[Annotated[str, StringConstraints(pattern="^[A-Za-z_][A-Za-z0-9_]*$")], str]
Severity = Literal["blocker", "major", "info"]


class Keys(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class BudgetKeys(Keys):
    """A tolerance with its reason and its end."""

    limit: Annotated[
        int | None,
        PlainValidator(_budget_limit),
        WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "any"}]}),
    ] = Field(description="How many are tolerated: a whole number, or `any`.")
    reason: Line | None = Field(None, description="Why; shown in the report.")
    expires: IsoDate | None = Field(None, description="ISO date; after that day the limit is 0 again.")


BudgetValue = Annotated[
    BudgetKeys,
    BeforeValidator(_budget),
    _Short({"type": "integer", "minimum": 0}, {"const": "any"}),
]


class BudgetsKeys(Keys):
    """What a suite may have without failing. Every budget is 0 unless it is declared."""

    skipped: BudgetValue | None = Field(None, description="Skipped tests, skipped modules included.")
    xfailed: BudgetValue | None = Field(None, description="Tests that failed as marked with xfail.")
    xpassed: BudgetValue | None = Field(None, description="Tests that passed though marked with xfail.")
    deselected: BudgetValue | None = Field(None, description="Tests that were collected and then left out.")
    flaky: BudgetValue | None = Field(None, description="Tests that passed only when run again.")
    warnings: BudgetValue | None = Field(None, description="Warnings that hide a failure, e.g. of a dead thread.")
    leaks: BudgetValue | None = Field(None, description="Processes that outlive the suite.")


class CheckKeys(Keys):
    """A threshold with its own severity or sample count."""

    check: Line = Field(
        description="`<stat> <op> <number> [unit]` or `<stat> <op> baseline + <percent>%`.",
        examples=["p99 < 80 ms", "ratio > 70 %", "total == 0", "p95 <= baseline + 10%"],
    )
    severity: Severity | None = Field(None, description="Instead of the suite's severity.")
    min_samples: int | None = Field(None, ge=1, description="Fewer samples than this are not known, not passed.")


CheckList = Annotated[
    list[CheckKeys],
    BeforeValidator(_checks),
    Field(min_length=1),
    _Short({"type": "string", "examples": ["p95 < 50 ms", "total == 0", "growth < 50 MB"]}),
]


class ReadyKeys(Keys):
    """When a command counts as up: exactly one of `http`, `tcp` and `log`."""

    http: Line | None = Field(None, description="URL that answers 2xx.", examples=["http://127.0.0.1:8080/healthz"])
    tcp: Line | None = Field(None, description="`host:port` that accepts a connection.", examples=["127.0.0.1:8080"])
    log: Line | None = Field(None, description="Regular expression that a line of the output matches.")
    timeout: Duration | None = Field(None, description="How long to wait for it (30s).")


class ServiceKeys(Keys):
    """Something that suites need; its address reaches them as `<NAME>_URL`."""

    provider: Literal["postgres", "redis", "command"] | None = Field(
        None, description="`postgres` and `redis` are started from installed binaries; `command` runs `command`."
    )
    command: list[str] | None = Field(None, min_length=1, description="argv; no shell is involved.")
    env: Env | None = Field(None, description="Environment variables of the service.")
    needs: list[Name] | None = Field(None, description="Services that must be up first.")
    ready: ReadyKeys | None = Field(None, description="When a `command` counts as up.")
    url: Line | None = Field(None, description="Address of somebody else's service: nothing is started.")


class CommonKeys(Keys):
    """What `defaults` may set for every suite."""

    timeout: Duration | None = Field(None, description="The suite is ended after this (5m).")
    workers: int | None = Field(None, ge=0, le=256, description="pytest-xdist workers (0: none).")
    isolation: Literal["shared", "exclusive"] | None = Field(
        None, description="`exclusive` suites run alone on the machine, for undisturbed measurements."
    )
    min_tests: int | None = Field(None, ge=1, description="At least this many tests must pass (1).")
    budgets: BudgetsKeys | None = Field(None, description="Tolerated skips, expected failures and the like.")
    severity: Severity | None = Field(None, description="`blocker`; `major`: warns; `info`: shown, never counts.")
    env: Env | None = Field(None, description="Environment variables of the suite.")
    pytest_args: list[str] | None = Field(None, description="More arguments for pytest.", examples=[["--timeout=60"]])


class SuiteKeys(CommonKeys):
    """A suite: `paths` for pytest, or `command` with `junit` for any other tool that writes JUnit XML."""

    title: Line | None = Field(None, description="What the report calls it.")
    paths: list[str] | None = Field(
        None, min_length=1, description="Test files and folders, from the manifest's folder."
    )
    command: list[str] | None = Field(None, min_length=1, description="argv of another tool; no shell is involved.")
    junit: str | None = Field(None, description="Where `command` leaves its JUnit XML.")
    categories: list[Name] | None = Field(None, description="`--<category>-only` runs the suite whole.")
    contains: list[Name] | None = Field(None, description="`--<category>-only` runs it with `-m <category>`.")
    needs: list[Name] | None = Field(None, description="Services that must be up.")
    duration: Duration | None = Field(None, description="Read by the `soak` fixture; `--duration` overrides it.")
    estimate: Duration | None = Field(None, description="Expected run time, for planning while no run is known.")
    thresholds: dict[MetricName, CheckList] | None = Field(
        None, min_length=1, description="Limits per metric: one text, one mapping, or a list of both."
    )


class ProfileKeys(Keys):
    """An overlay: mappings are merged, lists and single values replaced, thresholds merged by metric."""

    suites: dict[Name, SuiteKeys] | None = Field(None, min_length=1, description="Changes to suites.")
    services: dict[Name, ServiceKeys] | None = Field(None, min_length=1, description="Changes to services.")


class DrillKeys(Keys):
    """A fault, and the findings that must then appear: proof that the gate can fail."""

    env: Env | None = Field(
        None, min_length=1, description="Environment variables that inject the fault, for the suites and the services."
    )
    before: list[str] | None = Field(
        None, min_length=1, description="argv that injects the fault once the services are up; no shell is involved."
    )
    after: list[str] | None = Field(
        None, min_length=1, description="argv that puts back what `before` did; it runs whatever happens."
    )
    services: dict[Name, ServiceKeys] | None = Field(
        None, min_length=1, description="Changes to declared services, laid over them as a profile is."
    )
    only: Line | None = Field(None, description="Run just the tests that match this (pytest -k), to be quick.")
    expect: list[Line] = Field(min_length=1, description="Ids of findings: `<suite>/threshold/<metric>.<stat>` …")


class WaiverKeys(Keys):
    """Consent of a named person to one exact finding, until a day."""

    id: Line = Field(description="Unique name of the waiver.", examples=["W-1"])
    finding: Line = Field(description="Id of the finding.", examples=["redis_pubsub/threshold/delivery.p95"])
    owner: Line = Field(description="Who answers for it.")
    reason: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"\S")] = Field(description="Why.")
    ticket: Line = Field(description="Where its removal is tracked.")
    expires: IsoDate = Field(description="ISO date; valid until the end of that day.")
    bound: Bound | None = Field(None, description="The waiver ends where this is exceeded.", examples=["120 ms"])


class RootKeys(Keys):
    """The manifest of a production-readiness gate."""

    version: Annotated[int, PlainValidator(_version), WithJsonSchema({"const": 1})] = Field(
        description="Version of this format."
    )
    project: Line = Field(description="What is released.")
    defaults: CommonKeys | None = Field(None, description="For every suite; a suite's own keys win.")
    services: dict[Name, ServiceKeys] | None = Field(None, description="What suites need, by name.")
    suites: dict[Name, SuiteKeys] = Field(min_length=1, description="The suites, by name.")
    profiles: dict[Name, ProfileKeys] | None = Field(None, description="Overlays, chosen with `--profile`.")
    drills: dict[Name, DrillKeys] | None = Field(None, description="Faults that the gate must notice.")
    waivers: list[WaiverKeys] | None = Field(None, description="Consents to known findings.")


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a manifest."""
    schema = _without_null(RootKeys.model_json_schema())
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "gates.yaml"}
    return {**head, **{key: value for key, value in schema.items() if key != "title"}}


def _without_null(schema: Any) -> Any:
    """`schema` without the null that an absent key has inside: in a file, null is refused."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _without_null(value) for key, value in schema.items() if not (key == "default" and value is None)}
    options = [option for option in kept.get("anyOf", ()) if option != {"type": "null"}]
    if len(options) == 1:
        kept.pop("anyOf")
        return {**options[0], **kept}
    return {**kept, "anyOf": options} if options else kept
