"""What a drill does besides environment and services: the command before the suites and the one after them.

Each runs under a warden like a suite, so that it has a time, an end and nobody left behind. The first word that goes
wrong is kept in `problem`: a fault that was not injected proves nothing, and one that was not taken back spoils what
comes after. `after` runs whatever happened before it, and the first signal of a run never ends it; only a further one
that comes while it runs does.
"""

from pathlib import Path
from typing import Final

from gate.execute.process import OUTPUT_LOG, WardenExecutor
from gate.model import Drill, Ending, Invocation, Outcome
from gate.run.release import DRILL, Fault, Stage

_TIMEOUT_S: Final = 300.0
_TICK_S: Final = 0.1
_TAIL_BYTES: Final = 4096
_LONGEST: Final = 300


class Commands:
    """The two commands of a drill; `problem` says what went wrong with them, "" for nothing."""

    def __init__(self, drill: Drill) -> None:
        self.problem = ""
        self.after_failed = False
        self._drill = drill

    @property
    def fault(self) -> Fault:
        return Fault(
            env=self._drill.env,
            overridden=tuple(service.name for service in self._drill.services),
            before=self._before,
            after=self._after,
        )

    def _before(self, stage: Stage) -> bool:
        # Without its services nothing is run, and a command that misses them would only hide why.
        if self._drill.before and not stage.cancellation.requests and not stage.missing:
            self.problem = _run("before", self._drill.before, stage, ignored=0)
        return not self.problem

    def _after(self, stage: Stage) -> None:
        if self._drill.after:
            problem = _run("after", self._drill.after, stage, ignored=max(1, stage.cancellation.requests))
            self.after_failed = bool(problem)
            self.problem = "; ".join(filter(None, (self.problem, problem)))


def _run(name: str, argv: tuple[str, ...], stage: Stage, *, ignored: int) -> str:
    """Run one command to its end; what went wrong, "" for nothing. The first `ignored` signals do not end it."""
    folder = stage.run_dir / DRILL / name
    folder.mkdir(mode=0o700, parents=True)
    executor = WardenExecutor(sample_interval_s=None)
    child = executor.start(
        Invocation(
            suite=name,
            argv=argv,
            cwd=str(stage.project_dir),
            env=stage.env,
            artefact_dir=str(folder),
            timeout_s=_TIMEOUT_S,
            nonce="",
        )
    )
    heeded = ignored
    while (outcome := child.poll()) is None:
        requests, reason = stage.cancellation.requests, stage.cancellation.reason
        if requests > heeded:
            child.kill(reason) if heeded > ignored else child.stop(reason)
            heeded = requests
        executor.wait(_TICK_S)
    return _problem(name, outcome, folder / OUTPUT_LOG)


def _problem(name: str, outcome: Outcome, log: Path) -> str:
    if outcome.ending is not Ending.EXITED:
        return f"`{name}`: {outcome.ending.value.lower().replace('_', ' ')}: {outcome.reason}"
    if outcome.exit_code != 0:
        said = _last_line(log)
        return f"`{name}` ended with status {outcome.exit_code}" + (f": {said}" if said else "")
    if outcome.leaks:
        return f"`{name}` left processes running, which were ended: {', '.join(outcome.leaks)}"
    return ""


def _last_line(log: Path) -> str:
    try:
        text = log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LONGEST] if lines else ""
