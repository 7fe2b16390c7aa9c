"""The points where a part can be exchanged, as small Protocols with one real part and one twin for tests each."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gate.model import Dossier, Invocation, Outcome, Plan, Record, Service, ServiceOutcome, SuiteResult


class Child(Protocol):
    """One running suite."""

    @property
    def invocation(self) -> Invocation: ...

    def poll(self) -> Outcome | None:
        """The outcome once the process and all its descendants are gone, else None. Never blocks."""

    def stop(self, reason: str) -> None:
        """Ask for the end (INT, then TERM, then KILL over the whole tree). Returns at once; `poll` tells when."""

    def kill(self, reason: str) -> None:
        """Ask for the end at once (KILL over the whole tree). Returns at once; `poll` tells when."""


class Executor(Protocol):
    """Runs invocations as children; owns every process it starts."""

    def start(self, invocation: Invocation) -> Child: ...

    def wait(self, timeout_s: float) -> None:
        """Return as soon as something may have changed for some child, at the latest after `timeout_s`."""


class RunningService(Protocol):
    """A service that came up."""

    @property
    def service(self) -> Service: ...

    @property
    def env(self) -> Mapping[str, str]:
        """What suites get to reach it, e.g. {"POSTGRES_URL": "postgresql://…"}."""

    @property
    def outcome(self) -> ServiceOutcome:
        """How it stands now: ready, external or died; after `stop` as it stood then."""

    def alive(self) -> bool: ...

    def stop(self) -> ServiceOutcome:
        """End it and remove its data; the log stays in the run directory. Idempotent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where a service runs. `env` is clean and holds the addresses of what it needs; `log` must not exist yet."""

    log: Path
    env: Mapping[str, str]
    cwd: Path


class ServiceProvider(Protocol):
    """Starts services of one kind."""

    def begin(self, service: Service, surroundings: Surroundings) -> Generator[None, None, RunningService]:
        """Start `service`, a step with each next(); the generator returns it once it is ready.

        Raises ServiceError with the tail of the log when it does not come up. Closing the generator gives the start up.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteProgress:
    """How far a running suite is, read from its journal. `total` is None until collection has ended."""

    done: int = 0
    total: int | None = None
    failed: int = 0
    current: str = ""
    last_failure: str = ""


class Progress(Protocol):
    """Hears what happens during a run; the terminal is one, silence is another."""

    def run_started(self, plan: Plan, run_dir: Path) -> None: ...
    def service_starting(self, name: str) -> None: ...
    def service_ended(self, outcome: ServiceOutcome) -> None:
        """Called once a service is up (state ready or external) or has failed to come up."""

    def suite_started(self, name: str) -> None: ...
    def suite_progressed(self, name: str, progress: SuiteProgress, elapsed_s: float) -> None: ...
    def suite_ended(self, result: SuiteResult) -> None: ...
    def stopping(self, reason: str) -> None: ...
    def decided(self, record: Record, run_dir: Path) -> None: ...


class Renderer(Protocol):
    """One format of the report. Pure: a dossier in, the whole text out."""

    def __call__(self, dossier: Dossier) -> str: ...
