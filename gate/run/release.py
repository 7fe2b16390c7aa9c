"""`gate run`: plan → services → suites → evidence → record → reports, told in `run`.

What happened is written as it happens; the decision is made at the end from what lies on disk, by the same function
that `gate judge` uses, so that both always agree. The one broad catch here is around the handling of a finished suite:
trouble there becomes a problem of the run, which keeps a GO away, and the other suites go on.
"""

import contextlib
import importlib.metadata
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import gate
from gate import __version__, codec, identity, store, verdict
from gate.durable import write_atomic
from gate.errors import GateError
from gate.evidence import hdr, seal
from gate.evidence.collect import collect
from gate.evidence.journal import JournalTail
from gate.execute import command, environment, fitness, foreign, process, scheduler, services
from gate.judge.suite import judge_suite
from gate.model import (
    Decision,
    Ending,
    FitnessSample,
    Invocation,
    Isolation,
    Manifest,
    Outcome,
    Plan,
    PlannedSuite,
    Record,
    RunFacts,
    ServiceOutcome,
    SuiteResult,
)
from gate.protocols import Progress
from gate.redact import Redactor
from gate.run import declaration, stored
from gate.run.interrupts import Interrupts
from gate.thresholds import limits_by_metric

DRILL: Final = "drill"  # the folder in a run where the commands of a drill leave their output


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A run as the commands of a drill find it: `env` holds the addresses of all services but those `missing`."""

    run_dir: Path
    project_dir: Path
    env: Mapping[str, str]
    missing: tuple[str, ...]
    cancellation: scheduler.Cancellation


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What a drill does to a run.

    `env` goes before the environment of suites and services. An address in the gate's environment does not stand in
    for one of the `overridden` services. `before` is called once the services are up and says whether the suites are to
    run; `after` is called in any case, while the services are still there.
    """

    env: Mapping[str, str]
    overridden: tuple[str, ...]
    before: Callable[[Stage], bool]
    after: Callable[[Stage], None]


NO_FAULT: Final = Fault(env={}, overridden=(), before=lambda _: True, after=lambda _: None)


def run(
    plan: Plan,
    *,
    project_dir: Path,
    root: Path,
    progress: Progress,
    fault: Fault | None = None,
    listening: Interrupts | None = None,
) -> Record:
    """Carry out `plan`, keep everything in a new folder below `root` and return the record.

    With a `fault` it is a drill: no CI system is told what comes out. Signals are heard here, unless the caller is
    `listening` already. Raises GateError when the folder cannot be made, the record not be written, or a GO not be
    reported.
    """
    started_at = time.time()
    hearing = Interrupts() if listening is None else contextlib.nullcontext(listening)
    with hearing as interrupts, new_directory(root) as directory:
        before = identity.read_identity(project_dir)
        release = _Release(plan, directory, project_dir, progress, interrupts, fault or NO_FAULT)
        release.write("plan.json", codec.dumps(plan))
        point_latest(root, directory)
        progress.run_started(plan, directory.path)
        release.carry_out()
        facts = RunFacts(
            run_id=directory.run_id,
            gate_version=__version__,
            started_at=started_at,
            finished_at=time.time(),
            identity_before=before,
            identity_after=identity.read_identity(project_dir),
            manifest_digest_after=declaration.digest(Path(plan.manifest.file)),
            environment=identity.environment_facts(),
            services=release.services,
            fitness=tuple(release.fitness),
            interrupted_by=interrupts.name,
            problems=tuple(release.problems),
        )
        release.write("run.json", codec.dumps(facts))
        record, troubles = stored.conclude(directory, announce=fault is None)
        if troubles and record.exit_code == 0:
            # Before the decision is told: nobody must read a GO that the exit code takes back.
            raise GateError("; ".join(troubles), hint="the decision stands in record.json; `gate report` tries again")
        progress.decided(record, directory.path)
        return record


def exit_code(record: Record, *, require_clean: bool) -> int:
    """What the command ends with; a GO that needed waivers is 12 where a clean one is required."""
    if require_clean and record.decision is Decision.GO_WITH_WAIVERS and record.exit_code == 0:
        return verdict.EXIT_REQUIRE_CLEAN
    return record.exit_code


def new_directory(root: Path) -> store.RunDirectory:
    """A new folder of its own below `root`, locked. Raises GateError when it cannot be made."""
    try:
        return store.RunDirectory.create(root, datetime.now(UTC))
    except OSError as error:
        hint = "--output names a folder that can be written"
        raise GateError(f"no run can be kept in {root}: {error.strerror or error}", hint=hint) from error


def point_latest(root: Path, directory: store.RunDirectory) -> None:
    """Name `directory` the newest below `root`. Raises GateError when that cannot be done."""
    try:
        store.point_latest(root, directory)
    except OSError as error:
        hint = f"remove {root / store.LATEST}; who reads it would take an earlier run for this one"
        raise GateError(f"the newest run cannot be named: {error.strerror or error}", hint=hint) from error


class _Release:
    """One run while it is on: what happened so far, and what is still running."""

    def __init__(
        self,
        plan: Plan,
        directory: store.RunDirectory,
        project_dir: Path,
        progress: Progress,
        interrupts: Interrupts,
        fault: Fault,
    ) -> None:
        self.services: tuple[ServiceOutcome, ...] = ()
        self.fitness: list[FitnessSample] = []
        self.problems: list[str] = []
        self._plan = plan
        self._directory = directory
        self._project_dir = project_dir
        self._progress = progress
        self._interrupts = interrupts
        self._fault = fault
        self._redactor = redactor(plan.manifest, fault.env)
        self._up = services.Services(())
        self._tails: dict[str, JournalTail] = {}
        self._start_times: dict[str, float] = {}
        self._results: dict[str, SuiteResult] = {}
        self._meter = fitness.FitnessMeter()
        self._day = datetime.now(UTC).date().isoformat()
        self._stopping_said = False
        self._context = command.RunContext(
            run_id=directory.run_id,
            project_dir=str(project_dir),
            environ=_without_addresses(os.environ, fault.overridden),
            python=sys.executable,
            extra_env=fault.env,
            plugin_path=_plugin_path(),
        )

    def write(self, name: str, text: str) -> None:
        """Write a file of the run itself, without secrets."""
        self._directory.write(name, self._redactor.redact_bytes(text.encode()))

    def carry_out(self) -> None:
        """Services up, suites through, services down."""
        self._measure_machine("before the run")
        try:
            self._start_services()
            if self._fault.before(self._stage()):
                self._run_suites()
        finally:
            self._settle()
        self._measure_machine("after the run")

    def _stage(self) -> Stage:
        needed = [service.name for service in self._plan.services]
        clean = environment.clean(self._context.environ, python=sys.executable)
        return Stage(
            run_dir=self._directory.path,
            project_dir=self._project_dir,
            env=clean | self._up.env(needed) | dict(self._fault.env),
            missing=self._up.missing(needed),
            cancellation=self._interrupts.cancellation,
        )

    def _settle(self) -> None:
        """The fault taken back, then services down, whatever comes of the first."""
        try:
            self._fault.after(self._stage())
        finally:
            self._stop_services()
            if (self._directory.path / DRILL).is_dir():
                store.redact_tree(self._directory.path / DRILL, self._redactor)

    # ---- the machine and the services ------------------------------------------------------------------------------

    def _measure_machine(self, when: str) -> None:
        self.fitness.append(self._meter.sample(when))

    def _start_services(self) -> None:
        logs = self._directory.path / "services"
        logs.mkdir(mode=0o700)
        starter = services.ServiceStarter(
            log_dir=logs,
            cwd=self._project_dir,
            env=environment.clean(self._context.environ, python=sys.executable),
            environ=self._context.environ,
            python=sys.executable,
        )
        self._up = services.start_all(
            [replace(service, env={**service.env, **self._fault.env}) for service in self._plan.services],
            starter,
            cancelled=lambda: self._interrupts.cancellation.requests > 0,
            on_start=self._progress.service_starting,
            on_settled=self._progress.service_ended,
        )

    def _stop_services(self) -> None:
        self.services = self._up.stop_all()
        store.redact_tree(self._directory.path / "services", self._redactor)

    # ---- suites ----------------------------------------------------------------------------------------------------

    def _run_suites(self) -> None:
        callbacks = scheduler.Callbacks(
            prepare=self._prepare, on_start=self._started, on_tick=self._ticked, on_end=self._ended, failed=self._failed
        )
        scheduler.run_suites(
            self._plan.steps,
            process.WardenExecutor(),
            callbacks,
            jobs=self._plan.jobs,
            fail_fast=self._plan.selection.fail_fast,
            cancellation=self._interrupts.cancellation,
        )

    def _prepare(self, planned: PlannedSuite) -> Invocation:
        needs = planned.suite.needs
        absent = self._up.missing(needs) + self._up.lost(needs)
        if absent:
            raise GateError(f"it needs {', '.join(absent)}, which is not up")
        foreign.clear_junit(planned.suite, self._project_dir)
        folder = self._directory.suite_dir(planned.suite.name)
        _write_limits(folder, planned)
        if planned.suite.isolation is Isolation.EXCLUSIVE:
            self._measure_machine(f"before {planned.suite.name}")
        self._tails[planned.suite.name] = JournalTail(folder)
        return command.build_invocation(
            planned,
            self._context,
            nonce=secrets.token_hex(16),
            artefact_dir=str(folder),
            service_env=self._up.env(needs),
        )

    def _started(self, planned: PlannedSuite) -> None:
        self._start_times[planned.suite.name] = time.monotonic()
        self._progress.suite_started(planned.suite.name)

    def _ticked(self, running: Sequence[PlannedSuite]) -> None:
        if self._interrupts.name and not self._stopping_said:
            self._stopping_said = True
            self._progress.stopping(self._interrupts.cancellation.reason)
        for planned in running:
            name = planned.suite.name
            elapsed_s = time.monotonic() - self._start_times[name]
            self._progress.suite_progressed(name, self._tails[name].poll(), elapsed_s)

    def _ended(self, planned: PlannedSuite, outcome: Outcome) -> Outcome:
        try:
            return self._keep(planned, outcome)
        except Exception as error:  # noqa: BLE001  # one of the three named places: around a suite's run
            self.problems.append(f"{planned.suite.name}: {type(error).__name__}: {error}")
            return outcome

    def _keep(self, planned: PlannedSuite, outcome: Outcome) -> Outcome:
        """Make what a suite left behind complete: outcome, merged distributions, no secrets, seal."""
        name = planned.suite.name
        folder = self._directory.path / "suites" / name
        if outcome.ending is Ending.NOT_STARTED and not folder.exists():
            self._directory.suite_dir(name)
        else:
            outcome = replace(outcome, services_lost=self._up.lost(planned.suite.needs))
            foreign.take_junit(planned.suite, self._project_dir, folder)
        write_atomic(folder / "outcome.json", codec.dumps(outcome).encode())
        store.redact_tree(folder, self._redactor)
        evidence = collect(folder, planned)
        if evidence is not None and evidence.metrics:
            hdr.write_hdr(evidence.metrics, folder / "metrics")
        seal.seal(folder)
        result = judge_suite(planned, collect(folder, planned), day=self._day, unfit=None)
        self._results[name] = result
        if planned.suite.isolation is Isolation.EXCLUSIVE:
            self._measure_machine(f"after {name}")
        self._progress.suite_ended(result)
        return outcome

    def _failed(self, outcome: Outcome) -> bool:
        result = self._results.get(outcome.suite)
        return result is None or any(verdict.blocks(finding) for finding in result.findings)


def _without_addresses(environ: Mapping[str, str], services: Iterable[str]) -> Mapping[str, str]:
    """`environ` without the addresses of `services`."""
    addresses = {f"{name.upper()}_URL" for name in services}
    return {name: value for name, value in environ.items() if name not in addresses}


def redactor(manifest: Manifest, *more: Mapping[str, str]) -> Redactor:
    """For every variable that a secret may stand in: the gate's own, those that the manifest sets, and `more`."""
    services = (*manifest.services, *(service for drill in manifest.drills for service in drill.services))
    declared = [one.env for ones in (manifest.suites, services, manifest.drills) for one in ones]
    # Numbered, so that two suites may have different values under one name; the name still tells what is secret.
    variables = {f"{n}.{name}": value for n, env in enumerate((*declared, *more)) for name, value in env.items()}
    urls = {f"{n}.{service.name}_URL": service.url for n, service in enumerate(services) if service.url}
    return Redactor.from_environment({**variables, **urls, **os.environ})


def _write_limits(folder: Path, planned: PlannedSuite) -> None:
    """Tell the recorder the declared limits, so that it counts exactly on which side of each the samples lie."""
    limits = limits_by_metric(planned.suite.thresholds)
    write_atomic(folder / "limits.json", json.dumps(limits).encode())


def _plugin_path() -> str | None:
    """Where pytest finds the plugin when the gate runs from its source tree; None when it is installed."""
    try:
        importlib.metadata.distribution("gonogo")
    except importlib.metadata.PackageNotFoundError:
        return str(Path(gate.__file__).parent.parent)
    return None
