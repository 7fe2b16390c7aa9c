"""`gate drill`: proof that the gate can fail. Suites without a fault → each drill alone → matrix, told in `carry_out`.

Each part is a real run in a folder of its own below the folder of the drills, planned, judged and kept like any other,
so that it can be looked at and judged again. Nothing here touches the newest real run. A signal ends the drill that is
on; no other is started, and the matrix is written with what is known.
"""

import os
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from gate import __version__, codec, identity, store
from gate.errors import GateError, UsageError, clip, did_you_mean
from gate.model import (
    Baseline,
    BaselineState,
    Drill,
    DrillMatrix,
    DrillResult,
    DrillState,
    Identity,
    Manifest,
    Record,
    Service,
    Sighting,
)
from gate.protocols import Progress
from gate.redact import Redactor
from gate.report import drill_html, drill_markdown
from gate.run import declaration, drill_verdict, release, stored
from gate.run.drill_commands import Commands
from gate.run.interrupts import Interrupts

SCHEMA: Final = "gate/drill/v1"
FOLDER: Final = "drills"
RUNS: Final = "runs"


class RunProgress(Progress, Protocol):
    """Hears what happens during one run of the drills; `close` gives up what it holds."""

    def close(self) -> None: ...


class DrillProgress(Protocol):
    """Hears what happens during the drills."""

    def drills_started(self, project: str, drills: int, folder: Path) -> None: ...
    def watch(self, what: str, suites: Sequence[str]) -> RunProgress:
        """A run begins: that of the drill `what`, or the one without a fault when that is empty."""

    def baseline_ended(self, baselines: Sequence[Baseline]) -> None: ...
    def drill_ended(self, result: DrillResult) -> None: ...
    def drilled(self, matrix: DrillMatrix, folder: Path) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and how the drills run; `suites`, `require_all` and `baseline` (an earlier run) as on the command line."""

    project_dir: Path
    root: Path
    jobs: int | None = None
    suites: tuple[str, ...] = ()
    require_all: bool = False
    baseline: str | None = None


def choose(manifest: Manifest, names: Sequence[str], suites: Sequence[str]) -> tuple[Drill, ...]:
    """The drills `names` (all when empty) that expect findings of `suites` (any when empty), as declared.

    Raises UsageError when the manifest has no drills, for an unknown name, and when nothing is chosen.
    """
    if not manifest.drills:
        hint = "declare a fault and the findings that must appear under `drills:`; docs/drills.md tells how"
        raise UsageError(f"{manifest.file} declares no drills", hint=hint)
    known = {
        "drill": tuple(drill.name for drill in manifest.drills),
        "suite": tuple(suite.name for suite in manifest.suites),
    }
    for what, asked in (("drill", names), ("suite", suites)):
        for name in asked:
            if name not in known[what]:
                hint = f"{what}s are {', '.join(known[what])}"
                raise UsageError(f"unknown {what} {clip(name)}{did_you_mean(name, known[what])}", hint=hint)
    chosen = tuple(
        drill
        for drill in manifest.drills
        if (not names or drill.name in names) and (not suites or not set(suites).isdisjoint(drill.suites))
    )
    if not chosen:
        raise UsageError(f"no chosen drill expects a finding of {', '.join(suites)}", hint="`gate drill --list`")
    return chosen


def carry_out(manifest: Manifest, chosen: Sequence[Drill], setting: Setting, progress: DrillProgress) -> DrillMatrix:
    """Run the suites without a fault, then each of `chosen` alone; write the matrix and return it.

    Raises GateError when the folder cannot be made or the matrix not be written, UsageError for an earlier run that
    cannot stand in for the one without a fault.
    """
    root = setting.root / FOLDER
    earlier = _earlier(manifest, chosen, setting)
    with Interrupts() as interrupts, release.new_directory(root) as directory:
        release.point_latest(root, directory)
        began = _Began(at=time.time(), identity=identity.read_identity(setting.project_dir))
        session = _Session(manifest, setting, directory.path, progress, interrupts)
        progress.drills_started(manifest.project, len(chosen), directory.path)
        seen = session.without_fault(_suites(manifest, chosen), earlier)
        results = tuple(session.drill(drill, seen) for drill in chosen)
        matrix = session.matrix(began, directory.run_id, seen, results)
        matrix = _write(directory, matrix, release.redactor(manifest))
        progress.drilled(matrix, directory.path)
        return matrix


def _suites(manifest: Manifest, chosen: Sequence[Drill]) -> tuple[str, ...]:
    """The declared suites that the drills expect findings of."""
    declared = {suite.name for suite in manifest.suites}
    return tuple(dict.fromkeys(name for drill in chosen for name in drill.suites if name in declared))


def _earlier(manifest: Manifest, chosen: Sequence[Drill], setting: Setting) -> Record | None:
    """The run that was named as proof, judged again. Raises UsageError when it proves nothing about this tree."""
    if setting.baseline is None:
        return None
    record = stored.judge(setting.root, setting.baseline, config=None, profile=None).record
    problem = drill_verdict.unusable(
        record, manifest, identity.read_identity(setting.project_dir), _suites(manifest, chosen)
    )
    if store.open_run(setting.root, setting.baseline).read_record() != record:
        problem = "its evidence or its record has changed since"
    if problem:
        hint = "leave --baseline out, so that the suites run without a fault first"
        raise UsageError(f"run {record.run_id} cannot stand in for a run without a fault: {problem}", hint=hint)
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class _Began:
    at: float
    identity: Identity


class _Session:
    """The drills while they are on; `_spoilt` says why nothing more is run."""

    def __init__(
        self, manifest: Manifest, setting: Setting, folder: Path, progress: DrillProgress, interrupts: Interrupts
    ) -> None:
        self._manifest = manifest
        self._setting = setting
        self._runs = folder / RUNS
        self._progress = progress
        self._interrupts = interrupts
        self._baseline_run: str | None = None
        self._spoilt = ""

    # ---- the runs --------------------------------------------------------------------------------------------------

    def without_fault(self, names: tuple[str, ...], earlier: Record | None) -> tuple[Baseline, ...]:
        """The suites `names`, whole, as they are; or as they were in the run `earlier`."""
        if not names:
            return ()
        try:
            record = earlier or self._run(self._manifest, names)
        except GateError as error:
            seen = tuple(Baseline(suite=n, state=BaselineState.NOT_KNOWN, alarms=(error.message,)) for n in names)
        else:
            self._baseline_run = record.run_id
            seen = drill_verdict.baselines(names, record)
        self._progress.baseline_ended(seen)
        return seen

    def drill(self, drill: Drill, seen: Sequence[Baseline]) -> DrillResult:
        """One drill from its start to its result."""
        began = time.monotonic()
        hindrance = self._hindrance(drill, seen)
        result = self._not_run(drill, *hindrance) if hindrance else self._carried_out(drill)
        result = replace(result, duration_s=round(time.monotonic() - began, 3))
        self._progress.drill_ended(result)
        return result

    def _hindrance(self, drill: Drill, seen: Sequence[Baseline]) -> tuple[DrillState, str] | None:
        """Why a drill is not run at all."""
        if self._interrupts.name:
            return DrillState.INTERRUPTED, f"not started: interrupted by {self._interrupts.name}"
        if self._spoilt:
            return DrillState.BROKEN, f"not started: {self._spoilt}"
        elsewhere = [finding for finding in drill.expect if not drill_verdict.possible(finding, self._manifest)]
        if elsewhere:
            return DrillState.BROKEN, f"only another profile declares {', '.join(elsewhere)}; choose it with --profile"
        wrong = [one.suite for one in seen if one.suite in drill.suites and one.state is not BaselineState.GO]
        if wrong:
            return DrillState.NOT_PROVEN, f"not run: not GO without a fault: {', '.join(wrong)}"
        return None

    def _not_run(self, drill: Drill, state: DrillState, reason: str) -> DrillResult:
        return DrillResult(
            name=drill.name,
            state=state,
            fault=tuple(_fault(drill, self._manifest)),
            sightings=tuple(Sighting(finding=finding, caught=False) for finding in drill.expect),
            only=drill.only,
            reason=reason,
        )

    def _carried_out(self, drill: Drill) -> DrillResult:
        overridden = {service.name: service for service in drill.services}
        services = tuple(overridden.get(service.name, service) for service in self._manifest.services)
        commands = Commands(drill)
        try:
            record = self._run(replace(self._manifest, services=services), drill.suites, drill, commands.fault)
        except GateError as error:
            return self._not_run(drill, DrillState.BROKEN, error.message)
        finally:
            if commands.after_failed:
                self._spoilt = f"`after` of {drill.name} went wrong, so its fault may still be there"
        state, sightings, reason = drill_verdict.judge(drill, record)
        if commands.problem:
            state = state if state is DrillState.INTERRUPTED else DrillState.BROKEN
            reason = commands.problem
        return replace(
            self._not_run(drill, state, reason),
            sightings=sightings,
            also=drill_verdict.also(drill, record),
            decision=record.decision,
            run_id=record.run_id,
        )

    def _run(
        self,
        manifest: Manifest,
        suites: tuple[str, ...],
        drill: Drill | None = None,
        fault: release.Fault = release.NO_FAULT,
    ) -> Record:
        chosen = declaration.selection(suites=suites, keyword=drill.only if drill else None, jobs=self._setting.jobs)
        plan = declaration.plan(manifest, chosen, root=self._setting.root)
        with closing(self._progress.watch(drill.name if drill else "", suites)) as watching:
            return release.run(
                plan,
                project_dir=self._setting.project_dir,
                root=self._runs,
                progress=watching,
                fault=fault,
                listening=self._interrupts,
            )

    # ---- the matrix ------------------------------------------------------------------------------------------------

    def matrix(
        self, began: _Began, drills_id: str, seen: tuple[Baseline, ...], results: tuple[DrillResult, ...]
    ) -> DrillMatrix:
        finished_at = time.time()
        matrix = DrillMatrix(
            schema=SCHEMA,
            drills_id=drills_id,
            project=self._manifest.project,
            exit_code=0,
            started_at=_utc(began.at),
            finished_at=_utc(finished_at),
            duration_s=round(finished_at - began.at, 3),
            commit=began.identity.commit,
            dirty=began.identity.dirty,
            branch=began.identity.branch,
            manifest_digest=self._manifest.digest,
            profile=self._manifest.profile,
            environment=identity.environment_facts(),
            gate_version=__version__,
            interrupted_by=self._interrupts.name,
            require_all=self._setting.require_all,
            baseline_run=self._baseline_run,
            baselines=seen,
            drills=results,
            undrilled=drill_verdict.undrilled(self._manifest, self._setting.suites),
        )
        return replace(matrix, exit_code=drill_verdict.exit_code(matrix))


def _utc(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat()


def _fault(drill: Drill, manifest: Manifest) -> Iterator[str]:
    """What a drill injects, a line each, in the words of the manifest."""
    yield from _variables(drill.env)
    if drill.before:
        yield f"before: {shlex.join(drill.before)}"
    declared = {service.name: service for service in manifest.services}
    for service in drill.services:
        yield f"service {service.name}: {', '.join(_changes(declared.get(service.name), service)) or 'as declared'}"


def _changes(declared: Service | None, service: Service) -> Iterator[str]:
    """What of a service is another than declared."""
    before = {} if declared is None else declared.env
    yield from _variables({name: value for name, value in service.env.items() if before.get(name) != value})
    if declared is None or declared.command != service.command:
        yield shlex.join(service.command)
    for key in ("provider", "url", "needs", "ready"):
        if getattr(declared, key, None) != getattr(service, key):
            yield f"{key} {codec.dumps(getattr(service, key), indent=None).strip()}"


def _variables(env: Mapping[str, str]) -> Iterable[str]:
    return (f"{name}={value}" for name, value in env.items())


def _write(directory: store.RunDirectory, matrix: DrillMatrix, redactor: Redactor) -> DrillMatrix:
    """Write the matrix in its three forms and return it as written: without secrets."""
    text = redactor.redact_text(codec.dumps(matrix))
    matrix = codec.loads(DrillMatrix, text)
    markdown = drill_markdown.render(matrix)
    try:
        directory.write("drill.json", text.encode("utf-8", "backslashreplace"))  # half a pair, as JSON writes it
        directory.write("drill.md", markdown.encode("utf-8", "backslashreplace"))
        directory.write("drill.html", drill_html.render(matrix).encode("utf-8", "backslashreplace"))
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            with Path(summary).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(markdown)
    except OSError as error:
        raise GateError(f"the matrix of the drills cannot be written: {error.strerror or error}") from error
    return matrix
