"""A suite's folder → `Evidence`: the channels read, made to agree, and every rule answered.

Owns the comparison of exit status, JUnit XML and journal. Promises that any bytes give evidence with a verdict on each
rule, and that the absence of an outcome gives None: then nobody knows how the suite ended. What broken rules mean for
the release is left to `gate.judge`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gate import codec
from gate.evidence import journal, junit, metrics, properties, resources, seal
from gate.evidence.files import read_regular
from gate.evidence.journal import JournalReading
from gate.evidence.junit import JunitReading
from gate.model import Case, CaseResult, Check, Ending, Evidence, Metric, Outcome, PlannedSuite, ResourceSample, Status
from gate.thresholds import limits_by_metric

CHECKS: Final = ("agreement/tests", "agreement/exit", "agreement/metrics")
_OUTCOME_CAP: Final = 1 << 20
_BENCHMARK_CAP: Final = 256 << 20
_SUITE: Final = ""  # the "test" that a property of a whole suite belongs to
_GROUPS: Final[Mapping[CaseResult, str]] = {
    CaseResult.PASSED: "passed",
    CaseResult.XPASSED: "passed",
    CaseResult.SKIPPED: "skipped",
    CaseResult.XFAILED: "skipped",
    CaseResult.FAILED: "failed",
    CaseResult.ERROR: "failed",
    CaseResult.INCOMPLETE: "failed",
}


def collect(directory: Path, planned: PlannedSuite) -> Evidence | None:
    """The evidence in `directory`, or None without a readable outcome of this very suite."""
    outcome = read_outcome(directory)
    if outcome is None or outcome.suite != planned.suite.name:
        return None
    if outcome.ending is Ending.NOT_STARTED:
        return Evidence(outcome=outcome, versions={})
    if planned.suite.command:
        return _of_other_tool(directory, planned, outcome)
    return _of_pytest(directory, planned, outcome)


def read_outcome(directory: Path) -> Outcome | None:
    """The outcome that the gate wrote, None when there is none that can be read."""
    try:
        return codec.load_file(Outcome, read_regular(directory / "outcome.json", _OUTCOME_CAP))
    except (OSError, ValueError, RecursionError):
        return None


def _of_pytest(directory: Path, planned: PlannedSuite, outcome: Outcome) -> Evidence:
    told = journal.read_journal(
        directory, outcome.nonce, marker=planned.marker, keyword=planned.keyword, workers=planned.suite.workers
    )
    repeated = sum(case.attempts - 1 for case in told.cases)
    xml = junit.read_junit(directory / "junit.xml", unlisted=told.unlisted, repeated=repeated)
    sampled, sampling = resources.read_resources(directory / "resources.jsonl")
    recorded = metrics.read_metrics(directory, told.passed, nonce=outcome.nonce, files=told.metrics_files)
    by_key = {junit.nodeid_key(case.id): case.id for case in told.cases}
    ids = tuple(by_key.get((case.classname, case.name), "") for case in xml.cases)
    limits = limits_by_metric(planned.suite.thresholds)
    written = properties.read_properties(_properties(xml, ids), {**told.passed, _SUITE: 1}, limits)
    timed = properties.read_benchmark(_benchmarks(directory), told.passed, limits)
    return Evidence(
        outcome=outcome,
        collected=told.collected,
        deselected=told.deselected,
        collection_skips=told.collection_skips,
        subtest_skips=told.subtest_skips,
        cases=told.cases,
        flaky=told.flaky,
        alarms=told.alarms,
        metrics=_joined(recorded.metrics, written.metrics, timed.metrics, _gauges(sampled)),
        resources=sampled,
        checks=(
            seal.check_seal(directory),
            sampling,
            *xml.checks,
            *told.checks,
            *recorded.checks,
            written.check,
            timed.check,
            _tests_agree(told, xml),
            _exit_agrees(outcome, told.exit_status, xml),
            _one_source(recorded.metrics, written.metrics, timed.metrics, _gauges(sampled)),
        ),
        versions=told.versions,
        notes=(f"addopts from the ini file: {' '.join(told.addopts)}",) if told.addopts else (),
    )


def _of_other_tool(directory: Path, planned: PlannedSuite, outcome: Outcome) -> Evidence:
    xml = junit.read_junit(directory / "junit.xml")
    sampled, sampling = resources.read_resources(directory / "resources.jsonl")
    cases = tuple(
        Case(
            id="::".join(part for part in (case.file, case.classname, case.name) if part),
            result=case.result,
            duration_s=case.duration_s or 0.0,
            detail=case.detail,
            attempts=case.attempts,
        )
        for case in xml.cases
    )
    passed = {case.id: case.attempts for case in cases if case.result is CaseResult.PASSED}
    ids = tuple(case.id for case in cases)
    written = properties.read_properties(
        _properties(xml, ids), {**passed, _SUITE: 1}, limits_by_metric(planned.suite.thresholds)
    )
    return Evidence(
        outcome=outcome,
        collected=ids,
        cases=cases,
        flaky=tuple(case.id for case in cases if case.attempts > 1),
        metrics=_joined(written.metrics, _gauges(sampled)),
        resources=sampled,
        checks=(
            seal.check_seal(directory),
            sampling,
            *xml.checks,
            written.check,
            _exit_agrees(outcome, outcome.exit_code, xml),
            _one_source(written.metrics, _gauges(sampled)),
        ),
        versions={},
    )


def _properties(xml: JunitReading, ids: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    for written in xml.properties:
        yield (_SUITE if written.case is None else ids[written.case]), written.name, written.value


def _benchmarks(directory: Path) -> bytes:
    """What pytest-benchmark wrote; without the file, no benchmarks. One that cannot be read is given as unreadable."""
    try:
        return read_regular(directory / "benchmark.json", _BENCHMARK_CAP)
    except FileNotFoundError:
        return b'{"benchmarks": []}'
    except OSError:
        return b""


def _gauges(sampled: tuple[ResourceSample, ...]) -> tuple[Metric, ...]:
    return tuple(resources.as_series(sampled).values())


def _joined(*groups: tuple[Metric, ...]) -> tuple[Metric, ...]:
    """All metrics by name; of two with one name the one from the more exact source, which comes first."""
    named: dict[str, Metric] = {}
    for group in groups:
        for metric in group:
            named.setdefault(metric.name, metric)
    return tuple(named.values())


def _one_source(*groups: tuple[Metric, ...]) -> Check:
    """A metric that is told twice is told by two measurements, of which one would be left out."""
    times = Counter(metric.name for group in groups for metric in group)
    twice = sorted(name for name, count in times.items() if count > 1)
    differing = [f"{name} was measured in more than one way" for name in twice]
    return _check("agreement/metrics", "R15", differing, "every metric has one source")


def _tests_agree(told: JournalReading, xml: JunitReading) -> Check:
    """Passed and skipped tests must be as many in both channels, and failures in both or in neither.

    Failures are not counted: pytest writes one test with a failed call and a failed tear-down as two cases. Tests that
    ran more than once are left out, since a rerun writes a case per attempt; they have a budget of their own.
    """
    again = {junit.nodeid_key(test) for test in told.flaky}
    partial = set(told.subtest_skips).difference(told.flaky)
    journalled = Counter(_GROUPS[case.result] for case in told.cases if case.id not in told.flaky)
    # In XML a skipped subtest makes its test a skipped one, which for pytest has passed.
    partly = sum(1 for case in told.cases if case.id in partial and _GROUPS[case.result] == "passed")
    journalled.update(passed=-partly, skipped=partly + len(told.collection_skips))
    journalled["failed"] += len(told.collection_errors)
    written = Counter(_GROUPS[case.result] for case in xml.cases if (case.classname, case.name) not in again)
    differing = [
        f"{journalled[group]} {group} in the journal, {written[group]} in the XML"
        for group in ("passed", "skipped")
        if journalled[group] != written[group]
    ]
    if bool(journalled["failed"]) != bool(written["failed"]):
        differing.append(f"{journalled['failed']} failed in the journal, {written['failed']} in the XML")
    return _check("agreement/tests", "R04", differing, f"{journalled['passed']} passed in both channels")


def _exit_agrees(outcome: Outcome, told: int | None, xml: JunitReading) -> Check:
    failed = sum(1 for case in xml.cases if _GROUPS[case.result] == "failed")
    differing = []
    if outcome.exit_code != told:
        differing.append(f"the process ended with {outcome.exit_code}, its journal says {told}")
    if outcome.exit_code == 0 and failed:
        differing.append(f"exit status 0 although the XML has {failed} failures")
    return _check("agreement/exit", "R08", differing, "exit status, journal and XML agree")


def _check(name: str, rule: str, differing: list[str], good: str) -> Check:
    status = Status.ERROR if differing else Status.PASS
    return Check(name=name, rule=rule, status=status, reason="; ".join(differing) or good)
