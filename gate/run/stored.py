"""What lies on disk → record, comparison, reports. `gate run` ends here and `gate judge` and `gate report` begin here.

Promises that the same files always give the same record, byte for byte, because nothing but the files is looked at.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from gate import codec, store
from gate.durable import write_atomic
from gate.errors import GateError, RunUnreadable, UsageError
from gate.evidence.collect import collect
from gate.execute.fitness import unfit_reason
from gate.judge.record import judge_run
from gate.model import Dossier, Evidence, Plan, Record, RunFacts, SuiteDossier, SuiteResult
from gate.plan import make_plan
from gate.report import github, html, junit, markdown
from gate.report import record as record_report
from gate.run import declaration
from gate.verdict import EXIT_CODES

T = TypeVar("T")

FORMATS: Final[Mapping[str, Callable[[Dossier], str]]] = {
    "html": html.render,
    "md": markdown.render,
    "json": record_report.render,
    "junit": junit.render,
    "github": github.render,
}
_WRITTEN: Final = {"report.html": "html", "report.md": "md", "junit.xml": "junit"}
_TAIL_BYTES: Final = 16 << 10
_OUTPUT_CAP: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedAgain:
    """A second judgement of a stored run; `text` is its record as it would be written."""

    record: Record
    text: str
    comparison: str
    run_dir: Path

    @property
    def exit_code(self) -> int:
        """That of the decision: judging was not interrupted, even where the run was."""
        return EXIT_CODES[self.record.decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    directory: store.RunDirectory
    plan: Plan
    facts: RunFacts
    evidence: Mapping[str, Evidence]

    def judged(self) -> Record:
        return judge_run(self.plan, self.facts, self.evidence, unfit=unfit_reason(self.facts.fitness))

    def judged_under(self, plan: Plan) -> Record:
        """As `judged` under another plan, whose manifest takes the place of the one that the run began with."""
        same = self.facts.manifest_digest_after == self.plan.manifest.digest
        facts = replace(self.facts, manifest_digest_after=plan.manifest.digest) if same else self.facts
        return judge_run(plan, facts, self.evidence, unfit=unfit_reason(facts.fitness))


def conclude(directory: store.RunDirectory, *, announce: bool = True) -> tuple[Record, tuple[str, ...]]:
    """Judge a run that has just ended and write record and reports; also gives what went wrong with the reports.
    `announce` tells a CI system too.

    The record comes first, since reports can be made from it again at any time. A renderer that breaks is told and
    takes neither the record nor the other reports with it. Raises GateError when the record cannot be written.
    """
    stored = _read(directory)
    record = stored.judged()
    directory.write_record(record_report.record_json(record).encode())
    dossier = _dossier(stored, record)
    troubles = []
    for name, form in _WRITTEN.items():
        try:
            directory.write(name, FORMATS[form](dossier).encode("utf-8", "backslashreplace"))
        except Exception as error:  # noqa: BLE001  # one of the three named places: around a renderer
            troubles.append(f"{name} could not be written: {type(error).__name__}: {error}")
    troubles += _tell_github(dossier) if announce else []
    return record, tuple(troubles)


def judge(root: Path, which: str, *, config: Path | None, profile: str | None) -> JudgedAgain:
    """Judge a stored run again, under its own manifest or the one in `config`."""
    if config is None and profile is not None:
        raise UsageError("--profile needs -c", hint="a stored run already has its profile laid over its manifest")
    stored = _read(store.open_run(root, which))
    if config is None:
        record = stored.judged()
    else:
        manifest = declaration.load(config, profile)
        record = stored.judged_under(make_plan(manifest, stored.plan.selection, {}))
    text = record_report.record_json(record)
    comparison = _comparison(stored.directory, text, other=config is not None)
    return JudgedAgain(record=record, text=text, comparison=comparison, run_dir=stored.directory.path)


def render(root: Path, which: str, form: str) -> str:
    """The report of a finished run in a format, from its stored record and evidence."""
    directory = store.open_run(root, which)
    record = directory.read_record()
    return FORMATS[form](_dossier(_read(directory), record))


def write(target: Path, text: str) -> None:
    """Write a document where the user asked for it. Raises UsageError when that is not possible."""
    try:
        write_atomic(target, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from error


def _read(directory: store.RunDirectory) -> _Stored:
    plan = _load(directory, "plan.json", Plan)
    facts = _load(directory, "run.json", RunFacts)
    evidence = {}
    for step in plan.steps:
        seen = collect(directory.path / "suites" / step.suite.name, step)
        if seen is not None:
            evidence[step.suite.name] = seen
    return _Stored(directory=directory, plan=plan, facts=facts, evidence=evidence)


def _load(directory: store.RunDirectory, name: str, cls: type[T]) -> T:
    try:
        return codec.load_file(cls, directory.read(name))
    except FileNotFoundError as error:
        hint = "the run was ended before it could finish; run again"
        raise RunUnreadable(f"run {directory.run_id} has no {name}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise RunUnreadable(f"{directory.run_id}/{name} is damaged: {error}", hint="run again") from error


def _comparison(directory: store.RunDirectory, text: str, *, other: bool) -> str:
    try:
        before = directory.read(store.RECORD)
    except FileNotFoundError:
        return f"{directory.run_id}: judged now for the first time; the run itself ended without a record"
    if before == text.encode():
        return f"{directory.run_id}: the same record as before, byte for byte"
    why = "judged under another manifest" if other else "ITS EVIDENCE OR RECORD HAS CHANGED SINCE"
    return f"{directory.run_id}: another record than before; {why}"


# ---- reports ----------------------------------------------------------------------------------------------------


def _dossier(stored: _Stored, record: Record) -> Dossier:
    return Dossier(record=record, suites=tuple(_suite(stored, result) for result in record.suites))


def _suite(stored: _Stored, result: SuiteResult) -> SuiteDossier:
    seen = stored.evidence.get(result.name)
    return SuiteDossier(
        result=result,
        cases=seen.cases if seen else (),
        metrics=seen.metrics if seen else (),
        resources=seen.resources if seen else (),
        alarms=seen.alarms if seen else (),
        notes=seen.notes if seen else (),
        output_tail=_tail(stored.directory, f"suites/{result.name}/output.log"),
    )


def _tail(directory: store.RunDirectory, name: str) -> str:
    try:
        return directory.read(name, cap=_OUTPUT_CAP)[-_TAIL_BYTES:].decode("utf-8", "replace")
    except (OSError, GateError):
        return ""


def _tell_github(dossier: Dossier) -> list[str]:
    """Step summary, outputs and annotations where GitHub Actions asks for them; gives what went wrong."""
    troubles = []
    texts = {"GITHUB_STEP_SUMMARY": github.render(dossier), "GITHUB_OUTPUT": github.outputs(dossier.record)}
    for variable, text in texts.items():
        path = os.environ.get(variable)
        if not path:
            continue
        try:
            with Path(path).open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError as error:
            troubles.append(f"{variable} could not be written: {error}")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        sys.stdout.write(github.annotations(dossier))
        sys.stdout.flush()
    return troubles
