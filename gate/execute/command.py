"""A planned suite and the facts of its run → the command line that runs it.

Owns the options that pytest gets from the gate. They come last, so that neither the project's `addopts` nor the suite's
own `pytest_args` can take them back; what cannot be settled by order is refused. Pure: no file, process or environment
is touched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gate.errors import GateError
from gate.execute.environment import clean, invitation
from gate.model import Invocation, PlannedSuite

JUNIT_XML: Final = "junit.xml"
CACHE: Final = "cache"  # where pytest keeps what it remembers of a run; no evidence, so removed when it has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """What is the same for every suite of a run.

    `environ` is the environment that the gate was started with. `extra_env` (the fault of a drill) overrides a suite's
    own. `plugin_path` is a folder to be put on Python's path, for a gate that runs from its source tree.
    """

    run_id: str
    project_dir: str
    environ: Mapping[str, str]
    python: str
    extra_env: Mapping[str, str]
    plugin_path: str | None = None


def build_invocation(
    step: PlannedSuite, context: RunContext, *, nonce: str, artefact_dir: str, service_env: Mapping[str, str]
) -> Invocation:
    """The child that runs `step`. Raises GateError for what cannot be put on a command line safely."""
    suite = step.suite
    return Invocation(
        suite=suite.name,
        argv=suite.command or _pytest(step, context.python, artefact_dir),
        cwd=context.project_dir,
        env=clean(context.environ, python=context.python)
        | ({"PYTHONPATH": context.plugin_path} if context.plugin_path else {})
        | dict(service_env)
        | dict(suite.env)
        | dict(context.extra_env)
        | invitation(
            run_id=context.run_id,
            suite=suite.name,
            nonce=nonce,
            artefact_dir=artefact_dir,
            duration_s=suite.duration_s,
        ),
        artefact_dir=artefact_dir,
        timeout_s=suite.timeout_s,
        nonce=nonce,
    )


def _pytest(step: PlannedSuite, python: str, artefact_dir: str) -> tuple[str, ...]:
    suite = step.suite
    _refuse(step, artefact_dir)
    return (
        *(python, "-P", "-m", "pytest"),
        *suite.paths,
        *suite.pytest_args,
        *(("-n", str(suite.workers)) if suite.workers else ()),
        *(("-m", step.marker) if step.marker is not None else ()),
        *(("-k", step.keyword) if step.keyword is not None else ()),
        *_ours(artefact_dir),
    )


def _ours(artefact_dir: str) -> tuple[str, ...]:
    options = ["-p", "gate.plugin", "-p", "gate.plugin.filters"]
    # xunit1 because xunit2 answers `record_property` with a warning, which a strict project turns into a failure.
    for setting in ("junit_family=xunit1", "junit_logging=no", f"cache_dir={artefact_dir}/{CACHE}"):
        options += ["-o", setting]
    # Local variables in tracebacks are where secrets are found.
    return (*options, "--no-showlocals", "--color=no", f"--junitxml={Path(artefact_dir) / JUNIT_XML}")


def _refuse(step: PlannedSuite, artefact_dir: str) -> None:
    name = step.suite.name
    for path in step.suite.paths:
        if path.startswith(("-", "@")):
            hint = "write ./ in front of it"
            raise GateError(f"suite {name}: pytest would read the path {path!r} as an option", hint=hint)
    for word in step.suite.pytest_args:
        if word == "--" or word.startswith("@"):
            hint = "leave it out; options that follow would not be read as such"
            raise GateError(f"suite {name}: {word!r} is not allowed in pytest_args", hint=hint)
    if "$" in artefact_dir or artefact_dir.startswith("~"):
        hint = "choose another folder with --output"
        raise GateError(f"pytest would expand '$' and '~' in the path of the results, {artefact_dir}", hint=hint)
