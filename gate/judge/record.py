"""The whole run: suite results and run facts → `Record`.

A plan's step without a result, a service that failed, an identity that changed under the run, an interruption: each is
a finding of the run itself (`run/…`) and keeps a GO away. The decision is `verdict.decide` over all findings, nothing
else.
"""

import itertools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from gate import verdict
from gate.judge import waivers
from gate.judge.suite import judge_suite
from gate.model import (
    Evidence,
    Finding,
    Identity,
    Plan,
    Record,
    RunFacts,
    Scope,
    Selection,
    ServiceState,
    Severity,
    Status,
    SuiteResult,
)

SCHEMA: Final = "gate/record/v1"
_SHOWN: Final = 5
# What a shell reports for a process ended by the signal: 128 + its number.
_INTERRUPTED: Final = {"SIGHUP": 129, "SIGINT": 130, "SIGTERM": 143}


def judge_run(plan: Plan, facts: RunFacts, evidence: Mapping[str, Evidence], *, unfit: str | None) -> Record:
    """Judge a run from what was planned, what happened and the evidence by suite name."""
    day = _utc(facts.started_at).date().isoformat()
    judged = tuple(judge_suite(step, evidence.get(step.suite.name), day=day, unfit=unfit) for step in plan.steps)
    suites, waiver_results = waivers.apply(plan.manifest.waivers, judged, day)
    findings = (*_run_findings(plan, facts), *waivers.findings(plan.manifest, waiver_results))
    decision = verdict.decide(itertools.chain(findings, *(suite.findings for suite in suites)))
    exit_code = _INTERRUPTED.get(facts.interrupted_by or "", verdict.EXIT_CODES[decision])
    after = facts.identity_after
    return Record(
        schema=SCHEMA,
        run_id=facts.run_id,
        project=plan.manifest.project,
        decision=decision,
        scope=plan.scope,
        exit_code=exit_code,
        started_at=_utc(facts.started_at).isoformat(),
        finished_at=_utc(facts.finished_at).isoformat(),
        duration_s=round(facts.finished_at - facts.started_at, 3),
        commit=after.commit,
        tree=after.tree,
        dirty=after.dirty,
        branch=after.branch,
        manifest_digest=plan.manifest.digest,
        profile=plan.manifest.profile,
        selection=describe(plan.selection),
        environment=facts.environment,
        gate_version=facts.gate_version,
        suites=suites,
        findings=findings,
        not_run=_not_run(plan, suites),
        services=facts.services,
        waivers=waiver_results,
        fitness=facts.fitness,
    )


def describe(selection: Selection) -> str:
    """The selection in the words of the command line; empty for everything."""
    parts = [f"--suite {name}" for name in selection.suites]
    parts += [f"--category {name}" for name in selection.categories]
    parts += [f"-k {selection.keyword!r}"] if selection.keyword else []
    parts += [f"--duration {selection.duration_s:g}s"] if selection.duration_s is not None else []
    return " ".join(parts)


def _not_run(plan: Plan, suites: tuple[SuiteResult, ...]) -> tuple[str, ...]:
    never = (suite.name for suite in suites if suite.started_at is None)
    return (*plan.omitted, *never)


def _utc(epoch_s: float) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)


def _run_findings(plan: Plan, facts: RunFacts) -> Iterable[Finding]:
    yield _run(
        "finished",
        f"interrupted by {facts.interrupted_by}" if facts.interrupted_by else "",
        "the run came to its own end",
        rule="R10",
    )
    yield _run("problems", "; ".join(facts.problems), "nothing went wrong in the gate itself", rule="R18")
    yield _run("promise", _empty_promise(plan), f"{len(plan.steps)} suites planned", rule="R05")
    changed = facts.manifest_digest_after != plan.manifest.digest
    yield _run(
        "manifest",
        "the manifest changed while the run was on" if changed else "",
        "the manifest is the same after the run as before",
        rule="R21",
    )
    yield _run(
        "identity",
        _identity_problem(facts.identity_before, facts.identity_after),
        _identity_words(facts.identity_after),
        rule="R21",
    )
    seen = {service.name: service for service in facts.services}
    for service in plan.services:
        outcome = seen.get(service.name)
        up = outcome is not None and outcome.state in (ServiceState.READY, ServiceState.EXTERNAL)
        reason = outcome.reason or outcome.state.value if outcome else "was never started"
        yield _run(f"service/{service.name}", "" if up else reason, "up from start to end", rule="R10")


def _empty_promise(plan: Plan) -> str:
    if not plan.steps:
        return "no suite was planned"
    blocking = any(step.suite.severity is Severity.BLOCKER for step in plan.steps)
    # Of a selection it may be asked how a suite without weight fares; a release decision needs one that can say no.
    return "" if blocking or plan.scope is Scope.PARTIAL else "no suite is a blocker, so nothing could say no"


def _run(name: str, problem: str, kept: str, *, rule: str) -> Finding:
    return Finding(
        id=f"run/{name}",
        status=Status.ERROR if problem else Status.PASS,
        severity=Severity.BLOCKER,
        reason=problem or kept,
        rule=rule,
    )


def _identity_problem(before: Identity, after: Identity) -> str:
    """What changed under the run. New untracked files do not count: caches and the reports themselves are such."""
    if before.commit != after.commit:
        return f"another commit was checked out while the run was on: {before.commit}, then {after.commit}"
    if before.tree != after.tree:
        return f"the tree changed while the run was on: {before.tree}, then {after.tree}"
    different = sorted(set(before.changed) ^ set(after.changed))
    if different:
        more = f" and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
        return f"files changed while the run was on: {', '.join(different[:_SHOWN])}{more}"
    return ""


def _identity_words(identity: Identity) -> str:
    if identity.commit is None:
        return "not a git work tree, so no commit is bound to this decision"
    return f"commit {identity.commit[:12]}, the same before and after" + (", with changes" if identity.dirty else "")
