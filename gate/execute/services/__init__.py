"""What suites need around them: real servers under wardens, commands, or somebody else's by URL.

Owns the order: a service starts when everything that it needs is up, independent ones side by side, and the end is in
reverse. One that does not come up takes those that need it along and nothing else; it becomes an outcome, never an
exception. One thread: starts are generators, each moved on in turn.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gate.errors import ServiceError
from gate.execute.services.command import CommandProvider
from gate.execute.services.external import ExternalProvider, external_url
from gate.execute.services.postgres import PostgresProvider
from gate.execute.services.redis import RedisProvider
from gate.execute.services.starting import STEP_S, Start
from gate.model import Service, ServiceOutcome, ServiceState
from gate.protocols import RunningService, ServiceProvider, Surroundings

__all__ = ["ServiceStarter", "Services", "start_all"]

_REASON_GIVEN_UP: Final = "given up: the run was ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStarter:
    """How services are started: `log_dir` (must exist) takes one log per service, `env` is a clean environment,
    `environ` the one of the gate, in which NAME_URL stands for a service of somebody else.
    """

    log_dir: Path
    cwd: Path
    env: Mapping[str, str]
    environ: Mapping[str, str]
    python: str

    def provider(self, service: Service) -> ServiceProvider:
        url = external_url(service, self.environ)
        if url is not None:
            return ExternalProvider(url)
        if service.provider == "postgres":
            return PostgresProvider()
        return RedisProvider() if service.provider == "redis" else CommandProvider(python=self.python)

    def begin(self, service: Service, needed_env: Mapping[str, str]) -> Start:
        log = self.log_dir / f"{service.name}.log"
        surroundings = Surroundings(log=log, env=dict(self.env) | dict(needed_env), cwd=self.cwd)
        return self.provider(service).begin(service, surroundings)


class Services:
    """The services of a run, those that came up and those that did not."""

    def __init__(self, declared: Sequence[Service]) -> None:
        self._declared = tuple(declared)
        self._running: dict[str, RunningService] = {}
        self._failed: dict[str, ServiceOutcome] = {}

    @property
    def outcomes(self) -> tuple[ServiceOutcome, ...]:
        """How each declared service stands, in the order of the declaration."""
        known = self._failed | {name: running.outcome for name, running in self._running.items()}
        return tuple(known[service.name] for service in self._declared if service.name in known)

    def env(self, needs: Iterable[str]) -> dict[str, str]:
        """What a suite or service that needs these gets: their addresses and those of what they need themselves."""
        variables: dict[str, str] = {}
        for name in self._with_needs(needs):
            if name in self._running:
                variables |= self._running[name].env
        return variables

    def missing(self, needs: Iterable[str]) -> tuple[str, ...]:
        """Which of these never came up."""
        return tuple(name for name in needs if name not in self._running)

    def lost(self, needs: Iterable[str]) -> tuple[str, ...]:
        """Which of these, or of what they need, came up and are not alive any more."""
        names = self._with_needs(needs)
        return tuple(name for name in names if name in self._running and not self._running[name].alive())

    def stop_all(self) -> tuple[ServiceOutcome, ...]:
        """End all, last started first, and remove their data. Idempotent."""
        for running in reversed(self._running.values()):
            running.stop()
        return self.outcomes

    def came_up(self, running: RunningService) -> None:
        self._running[running.service.name] = running

    def failed(self, outcome: ServiceOutcome) -> None:
        self._failed[outcome.name] = outcome

    def settled(self, name: str) -> bool:
        return name in self._running or name in self._failed

    def _with_needs(self, names: Iterable[str]) -> tuple[str, ...]:
        by_name = {service.name: service for service in self._declared}
        found: dict[str, None] = {}
        waiting = list(names)
        for name in waiting:
            if name in by_name and name not in found:
                found[name] = None
                waiting.extend(by_name[name].needs)
        return tuple(found)


def _ignore(_: object) -> None:
    """The callback of somebody who does not want to know."""


def start_all(
    declared: Sequence[Service],
    starter: ServiceStarter,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    on_start: Callable[[str], None] = _ignore,
    on_settled: Callable[[ServiceOutcome], None] = _ignore,
) -> Services:
    """Start `declared` in the order of their needs. `on_settled` hears of each once it is up or has failed.

    When `cancelled` says so, starts under way are given up; what is up stays up until `stop_all`.
    """
    services = Services(declared)
    waiting = list(declared)
    starts: list[tuple[Service, Start]] = []

    def settle(outcome: ServiceOutcome) -> None:
        if outcome.state is ServiceState.FAILED:
            services.failed(outcome)
        on_settled(outcome)

    try:
        while waiting or starts:
            for service in [each for each in waiting if all(map(services.settled, each.needs)) or cancelled()]:
                waiting.remove(service)
                missing = services.missing(service.needs)
                if missing or cancelled():
                    why = f"not started: it needs {', '.join(missing)}" if missing else _REASON_GIVEN_UP
                    settle(_failure(service, why))
                else:
                    on_start(service.name)
                    starts.append((service, starter.begin(service, services.env(service.needs))))
            starts = [pair for pair in starts if not _move_on(*pair, services, settle, given_up=cancelled())]
            if starts:
                time.sleep(STEP_S)
    except BaseException:
        for _, start in starts:
            start.close()
        services.stop_all()
        raise
    return services


def _move_on(
    service: Service,
    start: Start,
    services: Services,
    settle: Callable[[ServiceOutcome], None],
    *,
    given_up: bool,
) -> bool:
    """One step of a start; whether it is over."""
    try:
        if given_up:
            start.close()
            settle(_failure(service, _REASON_GIVEN_UP))
            return True
        next(start)
    except StopIteration as ended:
        services.came_up(ended.value)
        settle(ended.value.outcome)
        return True
    except ServiceError as error:
        reason = error.message + (f" ({error.hint})" if error.hint else "")
        settle(_failure(service, reason, log_tail=error.log_tail))
        return True
    except OSError as error:
        settle(_failure(service, f"service {service.name}: {error}"))
        return True
    return False


def _failure(service: Service, reason: str, *, log_tail: str = "") -> ServiceOutcome:
    return ServiceOutcome(
        name=service.name, provider=service.provider, state=ServiceState.FAILED, reason=reason, log_tail=log_tail
    )
