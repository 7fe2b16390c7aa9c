"""A server of our own on a free port of the loopback interface, with a private directory for its data.

Owns what PostgreSQL and Redis have in common: the choice of the port (and of another, when somebody else was quicker),
the wait until it answers, the directory that goes away with the server. What to run and how to ask is the recipe's.
"""

import os
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final, Protocol

from gate.execute.services.starting import (
    OwnedService,
    Start,
    check_alive,
    end,
    free_port,
    given_up_unless_ready,
    refuse,
)
from gate.execute.ward import Task, Ward
from gate.model import Service

_ATTEMPTS: Final = 3
_READY_S: Final = 30.0
_TAKEN: Final = "Address already in use"


class Recipe(Protocol):
    """One kind of server."""

    def task(self, port: int, log: Path) -> Task:
        """What to run so that it serves on `port`."""

    def ask(self, port: int) -> str | None:
        """Its name and version once it is ready to be used, None before."""

    def url(self, port: int) -> str:
        """Where suites find it."""


def serve(service: Service, recipe: Recipe, *, log: Path) -> Start:
    """Start a server by `recipe`. Raises ServiceError when it does not come up."""
    started = time.monotonic()
    for attempt in range(1, _ATTEMPTS + 1):
        port = free_port()
        own_log = log if attempt == 1 else log.with_name(f"{log.stem}-{attempt}{log.suffix}")
        with given_up_unless_ready(recipe.task(port, own_log)) as ward:
            version = yield from _await_ready(service, recipe, ward, port=port, log=own_log)
            if version is not None:
                startup_s = time.monotonic() - started
                url = recipe.url(port)
                return OwnedService(service, ward, log=own_log, url=url, version=version, startup_s=startup_s)
            end(ward)
    refuse(service, f"{_ATTEMPTS} ports in a row were taken by others before it could listen", log=log)


def _await_ready(
    service: Service, recipe: Recipe, ward: Ward, *, port: int, log: Path
) -> Generator[None, None, str | None]:
    """The version once it answers; None when somebody else was quicker to take the port."""
    deadline = time.monotonic() + _READY_S
    while True:
        yield
        ward.hear()
        if ward.exit_code is not None and _TAKEN in log.read_text("utf-8", "replace"):
            return None
        check_alive(service, ward, log=log)
        version = recipe.ask(port)
        if version is not None:
            return version
        if time.monotonic() > deadline:
            refuse(service, f"was not ready within {_READY_S:g} s", hint="its log tells more", log=log)


def private_directory_name(service: Service, *, for_anybody: bool = False) -> str:
    """The name of a directory that does not exist yet; `for_anybody`: below folders that every user can enter."""
    candidates = [tempfile.gettempdir(), "/tmp", "/var/tmp"]  # noqa: S108 - the name is random, the directory 0700
    parent = next((place for place in candidates if not for_anybody or anybody_enters(Path(place))), candidates[1])
    return str(Path(parent) / f"gate-{service.name}-{os.urandom(8).hex()}")


def anybody_enters(folder: Path) -> bool:
    """Whether every user may go through `folder` and all folders above it."""
    folder = folder.resolve()
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))
