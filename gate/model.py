"""The words of the program: enums and frozen dataclasses, nothing else.

Owns the vocabulary that every other module speaks. Each stage of the flow takes one of these types and returns the
next; `gate.codec` writes any of them to JSON and reads it back. Units stand in the names (`_s` seconds, `_bytes`);
numbers without one are in the base unit of their dimension: seconds, bytes, plain counts, fractions (0.7 for 70 %) and
events per second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What one finding says. Worst last; the four in the middle together mean "not known"."""

    PASS = "PASS"
    WARN = "WARN"
    MISSING = "MISSING"
    INSUFFICIENT = "INSUFFICIENT"
    UNFIT = "UNFIT"
    ERROR = "ERROR"
    FAIL = "FAIL"


class Severity(StrEnum):
    """How much a finding may count: `blocker` fully, `major` up to a warning, `info` never."""

    BLOCKER = "blocker"
    MAJOR = "major"
    INFO = "info"


class Decision(StrEnum):
    GO = "GO"
    GO_WITH_WAIVERS = "GO_WITH_WAIVERS"
    NO_GO = "NO_GO"
    INCONCLUSIVE = "INCONCLUSIVE"


class Scope(StrEnum):
    """`full`: every suite of the manifest, whole. Anything less is `partial` and no release decision."""

    FULL = "full"
    PARTIAL = "partial"


class Isolation(StrEnum):
    SHARED = "shared"
    EXCLUSIVE = "exclusive"


class Op(StrEnum):
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    EQ = "=="


class Ending(StrEnum):
    """How the process of a suite ended, as the gate itself saw it."""

    EXITED = "EXITED"
    TIMED_OUT = "TIMED_OUT"
    KILLED = "KILLED"
    NOT_STARTED = "NOT_STARTED"


class CaseResult(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    INCOMPLETE = "incomplete"


class MetricKind(StrEnum):
    HISTOGRAM = "histogram"
    COUNTER = "counter"
    RATIO = "ratio"
    GAUGE = "gauge"


class ServiceState(StrEnum):
    READY = "ready"  # came up and was still up at the end
    EXTERNAL = "external"  # somebody else's, given by URL; reached at the start
    FAILED = "failed"  # never came up
    DIED = "died"  # came up, was gone before the end


# ---- declared ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in a file a thing was written; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One limit on one statistic of one metric.

    `limit` is in the base unit; `unit` is the unit the user wrote ("" for none) and `scale` how many base units one
    of it is, so that `limit / scale` is the number the user wrote. A relative threshold (`p95 <= baseline + 10%`) has
    `relative` = 0.10 and no limit. `key` names it within its suite, e.g. `batch_write.p95`.
    """

    metric: str
    stat: str
    op: Op
    limit: float | None
    unit: str
    scale: float
    source: str
    key: str
    severity: Severity = Severity.BLOCKER
    min_samples: int | None = None
    relative: float | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """When a command service counts as up: `kind` is `http`, `tcp` or `log`; `target` the URL, host:port or regex."""

    kind: str
    target: str
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """`provider` is `postgres`, `redis` or `command`. With `url` set it is somebody else's: nothing is started."""

    name: str
    provider: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str]
    needs: tuple[str, ...] = ()
    ready: Ready | None = None
    url: str | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many of a kind are tolerated: `limit` None means any. After `expires` (ISO date) the limit is 0 again."""

    limit: int | None = 0
    reason: str = ""
    expires: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    skipped: Budget = Budget()
    xfailed: Budget = Budget()
    xpassed: Budget = Budget()
    deselected: Budget = Budget()
    flaky: Budget = Budget()
    warnings: Budget = Budget()
    leaks: Budget = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One declared suite. Either `paths` (pytest) or `command` with `junit` (any other tool) is set."""

    name: str
    title: str
    paths: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    junit: str | None = None
    categories: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    isolation: Isolation = Isolation.SHARED
    workers: int = 0
    timeout_s: float = 300.0
    duration_s: float | None = None
    estimate_s: float | None = None
    min_tests: int = 1
    budgets: Budgets = Budgets()
    severity: Severity = Severity.BLOCKER
    thresholds: tuple[Threshold, ...] = ()
    env: Mapping[str, str]
    pytest_args: tuple[str, ...] = ()
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """Consent to one exact finding until the end of day `expires` (ISO date); `bound` in the base unit of the stat."""

    id: str
    finding: str
    owner: str
    reason: str
    ticket: str
    expires: str
    bound: float | None = None
    bound_text: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A fault to inject and the finding ids that must then appear.

    The fault is any of: `env` for suites and services, `before` (argv, run once the services are up; `after` puts back
    what it did), and `services`, each whole, in place of the declared ones. `only` (pytest -k) narrows what is run.
    """

    name: str
    expect: tuple[str, ...]
    env: Mapping[str, str]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    only: str | None = None
    place: Place | None = None

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that its findings belong to, each once."""
        return tuple(dict.fromkeys(finding.partition("/")[0] for finding in self.expect))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole declaration, with the chosen profile already laid over it. `digest` is sha256 of the file's bytes."""

    version: int
    project: str
    file: str
    digest: str
    profile: str | None = None
    profiles: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    suites: tuple[Suite, ...] = ()
    drills: tuple[Drill, ...] = ()
    waivers: tuple[Waiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the command line asked for. Empty means everything."""

    suites: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    keyword: str | None = None
    duration_s: float | None = None
    jobs: int = 2
    fail_fast: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSuite:
    """A suite as it will run. `marker` (pytest -m) and `keyword` (-k) narrow it; a narrowed suite is never whole."""

    suite: Suite
    marker: str | None = None
    keyword: str | None = None
    expected_s: float | None = None
    # Planned start and lane, from simulating the schedule with expected durations; for --dry-run and the terminal.
    lane: int = 0
    start_s: float = 0.0

    @property
    def narrowed(self) -> bool:
        return self.marker is not None or self.keyword is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What will run, in start order, and what it needs. `omitted` names declared suites that will not run."""

    manifest: Manifest
    selection: Selection
    scope: Scope
    jobs: int
    steps: tuple[PlannedSuite, ...]
    services: tuple[Service, ...] = ()
    omitted: tuple[str, ...] = ()


# ---- done -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One child process to run: the whole environment (nothing is inherited) and where it leaves its evidence."""

    suite: str
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    artefact_dir: str
    timeout_s: float
    nonce: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one suite's process went. `exit_code` is negative for a signal; `started_at` is epoch seconds.

    `leaks` describes each process that was still alive after the suite had ended and its grace was over (they are dead
    when the outcome exists). `services_lost` names needed services found dead when the suite ended.
    """

    suite: str
    ending: Ending
    exit_code: int | None
    started_at: float
    duration_s: float
    nonce: str
    reason: str = ""
    leaks: tuple[str, ...] = ()
    services_lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOutcome:
    name: str
    provider: str
    state: ServiceState
    version: str = ""
    url: str = ""
    startup_s: float | None = None
    reason: str = ""
    log_tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitnessSample:
    """The state of the machine at one moment. `probe_s` is the time of a fixed piece of work, less is better."""

    at_s: float
    when: str
    load_1m: float
    outside_cpu: float
    steal: float
    throttled_s: float
    probe_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What was decided on. All empty where the directory is no git work tree (`commit` None).

    `dirty` counts changed and untracked files alike; both lists are cut after some dozens.
    """

    commit: str | None = None
    tree: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    changed: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What happened to the run as a whole; with plan and evidence it is all that judging needs."""

    run_id: str
    gate_version: str
    started_at: float
    finished_at: float
    identity_before: Identity
    identity_after: Identity
    manifest_digest_after: str
    environment: Mapping[str, str]
    services: tuple[ServiceOutcome, ...] = ()
    fitness: tuple[FitnessSample, ...] = ()
    interrupted_by: str | None = None
    problems: tuple[str, ...] = ()


# ---- seen -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test as its channels agree on it. `detail` is the traceback or skip reason; `attempts` counts reruns."""

    id: str
    result: CaseResult
    duration_s: float
    detail: str = ""
    worker: str | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Samples of a histogram in the base unit, merged over tests and workers.

    `uppers` ascend. While `exact`, they are the sample values themselves and every count is 1 (`counts` is None);
    otherwise they are the upper edges of buckets holding `counts` samples, so that a quantile read from them is never
    better than the truth. `above` gives, per declared limit, exactly how many samples were > and >= that limit.
    `span_s` is the sum of the measured spans of the recording tests (for rates).
    """

    count: int
    total: float
    minimum: float
    maximum: float
    exact: bool
    uppers: Sequence[float]
    counts: Sequence[int] | None
    above: tuple[tuple[float, int, int], ...]
    span_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A counter. `span_s` is the sum of the measured spans of the recording tests."""

    total: float
    updates: int
    span_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proportion:
    hits: int
    misses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A gauge over time. `times_s` ascend from the start of the suite. `sources` counts the recording processes."""

    times_s: Sequence[float]
    values: Sequence[float]
    sources: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`unit` is the base unit: `s`, `B`, `1` (count) or `` when the recorder named none."""

    name: str
    kind: MetricKind
    unit: str
    data: Distribution | Tally | Proportion | Series


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSample:
    """The process tree of a suite at one moment; `cpu` in cores (1.0 = one core busy), `pss_bytes` where readable."""

    at_s: float
    rss_bytes: int
    pss_bytes: int | None
    cpu: float
    fds: int
    threads: int
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule of evidence, kept or broken. `name` is `<channel>/<what>`; `rule` its number in the rule book."""

    name: str
    rule: str
    status: Status
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A warning that counts: its category, its message and the test it arose in ("" outside any test)."""

    category: str
    message: str
    test: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that one suite left behind, reconciled. `checks` holds a verdict on every rule of evidence."""

    outcome: Outcome
    collected: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()
    collection_skips: tuple[str, ...] = ()
    cases: tuple[Case, ...] = ()
    flaky: tuple[str, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    metrics: tuple[Metric, ...] = ()
    resources: tuple[ResourceSample, ...] = ()
    checks: tuple[Check, ...] = ()
    versions: Mapping[str, str]
    notes: tuple[str, ...] = ()
    # The test of each skipped subtest: such a test passes for pytest, but a part of it did not run.
    subtest_skips: tuple[str, ...] = ()


# ---- judged -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One judged statement. `id` is `<suite>/<kind>/<name>` and stable from run to run; `margin` is the relative
    distance to the limit (positive: met), None where there is none to give.
    """

    id: str
    status: Status
    severity: Severity
    reason: str
    observed: str | None = None
    expected: str | None = None
    margin: float | None = None
    samples: int | None = None
    rule: str | None = None
    waived_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdResult:
    """A threshold with what was seen; `limit` and `observed` in `unit`, the unit the user wrote.

    `low` and `high` bound the statistic where a confidence interval was computed.
    """

    id: str
    metric: str
    stat: str
    op: Op
    limit: float | None
    unit: str
    observed: float | None
    margin: float | None
    samples: int | None
    status: Status
    severity: Severity
    source: str
    reason: str
    low: float | None = None
    high: float | None = None
    waived_by: str | None = None
    # Base units per `unit`: `observed * scale` is the value in the base unit.
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCounts:
    collected: int = 0
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    xfailed: int = 0
    xpassed: int = 0
    flaky: int = 0
    deselected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    """`findings` holds every statement about the suite, the passing ones and the thresholds included."""

    name: str
    title: str
    status: Status
    severity: Severity
    categories: tuple[str, ...]
    tests: TestCounts
    started_at: float | None
    duration_s: float
    findings: tuple[Finding, ...]
    thresholds: tuple[ThresholdResult, ...]
    narrowed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverResult:
    """A waiver as it stood on the day of the run; `state` is `used`, `unused`, `expired` or `exceeded`."""

    id: str
    finding: str
    owner: str
    reason: str
    ticket: str
    expires: str
    days_left: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The machine-readable decision. Times are ISO 8601 in UTC."""

    schema: str
    run_id: str
    project: str
    decision: Decision
    scope: Scope
    exit_code: int
    started_at: str
    finished_at: str
    duration_s: float
    commit: str | None
    tree: str | None
    dirty: bool | None
    branch: str | None
    manifest_digest: str
    profile: str | None
    selection: str
    environment: Mapping[str, str]
    gate_version: str
    suites: tuple[SuiteResult, ...]
    findings: tuple[Finding, ...]
    not_run: tuple[str, ...]
    services: tuple[ServiceOutcome, ...]
    waivers: tuple[WaiverResult, ...]
    fitness: tuple[FitnessSample, ...]


# ---- drilled ----------------------------------------------------------------------------------------------------


class BaselineState(StrEnum):
    """How a suite did without any fault. Only against one that is GO can a drill prove something."""

    GO = "GO"
    FALSE_ALARM = "FALSE_ALARM"
    NOT_KNOWN = "NOT_KNOWN"


class DrillState(StrEnum):
    """What became of a drill; all but `CAUGHT` keep the drills from being passed."""

    CAUGHT = "CAUGHT"
    MISSED = "MISSED"
    NOT_PROVEN = "NOT_PROVEN"  # not run: without the fault a suite of its is not GO either
    BROKEN = "BROKEN"  # the fault could not be injected, or not be taken back
    INTERRUPTED = "INTERRUPTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One suite without any fault; `alarms` tells the findings that kept it from being GO."""

    suite: str
    state: BaselineState
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One finding that a drill expects, and what was seen of it: `status` None means that there was no such finding.

    `note` says why it does not count as caught, or that the machine was unfit to measure.
    """

    finding: str
    caught: bool
    status: Status | None = None
    observed: str | None = None
    expected: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillResult:
    """One drill as it went. `fault` tells what was injected, `also` the other findings that blocked."""

    name: str
    state: DrillState
    fault: tuple[str, ...]
    sightings: tuple[Sighting, ...]
    only: str | None = None
    also: tuple[str, ...] = ()
    decision: Decision | None = None
    run_id: str | None = None
    duration_s: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undrilled:
    """A declared limit that no declared drill expects to fail; `source` is the check as it was written."""

    finding: str
    source: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillMatrix:
    """All drills of one command against their suites. Times are ISO 8601 in UTC.

    `baseline_run` is the run without a fault, None where it could not be made. `require_all` says that a blocking
    limit without a drill was not allowed.
    """

    schema: str
    drills_id: str
    project: str
    exit_code: int
    started_at: str
    finished_at: str
    duration_s: float
    commit: str | None
    dirty: bool | None
    branch: str | None
    manifest_digest: str
    profile: str | None
    environment: Mapping[str, str]
    gate_version: str
    interrupted_by: str | None
    require_all: bool
    baseline_run: str | None
    baselines: tuple[Baseline, ...]
    drills: tuple[DrillResult, ...]
    undrilled: tuple[Undrilled, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDossier:
    """What the report shows of a suite beyond its judgement."""

    result: SuiteResult
    cases: tuple[Case, ...]
    metrics: tuple[Metric, ...]
    resources: tuple[ResourceSample, ...]
    alarms: tuple[Alarm, ...]
    notes: tuple[str, ...]
    output_tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """The input of every renderer: the record and the details behind it, in the order of the record's suites."""

    record: Record
    suites: tuple[SuiteDossier, ...]
