"""A service that is any command: started in the project's folder, awaited by HTTP, TCP or a line of its log.

`python` as the first word is the interpreter that the gate runs in. An address that already answers before the start
belongs to somebody else and is refused: a suite would test a stranger. What the service does is its own affair.
"""

import contextlib
import http.client
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gate.execute.services.starting import (
    OwnedService,
    Start,
    accepts,
    check_alive,
    given_up_unless_ready,
    refuse,
)
from gate.execute.ward import Task
from gate.model import Ready, Service
from gate.protocols import Surroundings

_HTTP_S: Final = 2.0
_OK: Final = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandProvider:
    """`python` is the path of the interpreter that stands for the word `python`."""

    python: str

    def begin(self, service: Service, surroundings: Surroundings) -> Start:
        address = _address(service)
        if address and accepts(*address):
            hint = "end it, or choose another port; or set " + f"{service.name.upper()}_URL to use it as it is"
            refuse(service, f"something else already listens on {address[0]}:{address[1]}", hint=hint)
        started = time.monotonic()
        with given_up_unless_ready(self._task(service, surroundings)) as ward:
            timeout_s = service.ready.timeout_s if service.ready else 0.0
            while True:
                yield
                check_alive(service, ward, log=surroundings.log)
                waited_s = time.monotonic() - started
                if ward.pid is not None and _is_ready(service.ready, surroundings.log):
                    url = _url(service.ready)
                    return OwnedService(service, ward, log=surroundings.log, url=url, startup_s=waited_s)
                if service.ready and waited_s > timeout_s:
                    what = f"{service.ready.kind} {service.ready.target}"
                    refuse(
                        service,
                        f"was not ready within {timeout_s:g} s ({what})",
                        hint="see its log, or give it more time with ready.timeout",
                        log=surroundings.log,
                    )

    def _task(self, service: Service, surroundings: Surroundings) -> Task:
        first, *others = service.command
        command = (self.python if first in ("python", "python3") else first, *others)
        env = dict(surroundings.env) | dict(service.env)
        return Task(commands=(command,), cwd=str(surroundings.cwd), env=env, output=str(surroundings.log))


def _is_ready(ready: Ready | None, log: Path) -> bool:
    if ready is None:
        return True
    if ready.kind == "log":
        return re.search(ready.target, log.read_text("utf-8", "replace"), re.MULTILINE) is not None
    if ready.kind == "http":
        return _answers_well(ready.target)
    host, port = _host_and_port(ready.target)
    return accepts(host, port)


def _answers_well(url: str) -> bool:
    """Whether GET gives a 2xx status. Redirections are not followed: they may lead to another host."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with contextlib.closing(kind(parts.hostname or "127.0.0.1", parts.port, timeout=_HTTP_S)) as connection:
        try:
            connection.request("GET", path, headers={"Connection": "close"})
            return connection.getresponse().status in _OK
        except (OSError, http.client.HTTPException):
            return False


def _address(service: Service) -> tuple[str, int] | None:
    ready = service.ready
    if ready is None or ready.kind == "log":
        return None
    try:
        return _host_and_port(ready.target)
    except ValueError as error:
        refuse(service, f"its ready address {ready.target!r} cannot be used: {error}", hint="e.g. tcp: 127.0.0.1:8080")


def _host_and_port(target: str) -> tuple[str, int]:
    parts = urlsplit(target if "://" in target else f"tcp://{target}")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    if port is None:
        raise ValueError("it names no port")
    return parts.hostname or "127.0.0.1", port


def _url(ready: Ready | None) -> str:
    """The address in front of the path, as suites get it; empty where readiness names none."""
    if ready is None or ready.kind == "log":
        return ""
    target = ready.target if "://" in ready.target else f"tcp://{ready.target}"
    parts = urlsplit(target)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
