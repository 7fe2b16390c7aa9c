"""What all kinds of services share: a process under a warden, awaited until it is ready, ended with its data.

Owns the waiting. A start is a generator that yields while there is nothing to do but wait and returns the running
service, so that several can be started side by side by one thread and any of them can be given up.
"""

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import urlsplit

from gate.errors import ServiceError
from gate.execute import tree
from gate.execute.ward import Task, Ward
from gate.model import Service, ServiceOutcome, ServiceState
from gate.protocols import RunningService

Start = Generator[None, None, RunningService]
STEP_S: Final = 0.01
_END_S: Final = 25.0
_TAIL_BYTES: Final = 4000
_TAIL_LINES: Final = 30


class OwnedService:
    """A service that runs under a warden of its own."""

    def __init__(
        self, service: Service, ward: Ward, *, log: Path, url: str = "", version: str = "", startup_s: float = 0.0
    ) -> None:
        self._service = service
        self._ward = ward
        self._log = log
        self._url = url
        self._version = version
        self._startup_s = startup_s
        self._outcome: ServiceOutcome | None = None

    @property
    def service(self) -> Service:
        return self._service

    @property
    def outcome(self) -> ServiceOutcome:
        """How it stands: ready, died, or how it ended once it has been stopped."""
        return self._outcome or self._told(ServiceState.READY if self.alive() else ServiceState.DIED)

    @property
    def env(self) -> Mapping[str, str]:
        prefix = self._service.name.upper()
        variables = {f"{prefix}_PID": str(self._ward.pid)}
        return variables | ({f"{prefix}_URL": self._url} if self._url else {})

    def alive(self) -> bool:
        self._ward.hear()
        if self._ward.exit_code is not None or self._ward.lost or self._ward.ended or self._ward.pid is None:
            return False
        # The warden tells of an end a moment later than the kernel does; that moment must not hide it.
        stat = tree.read_stat(self._ward.pid)
        return not tree.SEES_TREES or (stat is not None and not stat.dead)

    def stop(self) -> ServiceOutcome:
        if self._outcome is None:
            state = ServiceState.READY if self.alive() else ServiceState.DIED
            end(self._ward)
            self._outcome = self._told(state)
        return self._outcome

    def _told(self, state: ServiceState) -> ServiceOutcome:
        died = state is ServiceState.DIED
        return ServiceOutcome(
            name=self._service.name,
            provider=self._service.provider,
            state=state,
            version=self._version,
            url=self._url,
            startup_s=self._startup_s,
            reason=f"it came up, but {how_it_ended(self._ward)} before the end of the run" if died else "",
            log_tail=tail(self._log) if died else "",
        )


def end(ward: Ward) -> None:
    """Ask for the end of a ward and wait until nothing of it is left, KILL included if need be."""
    ward.ask("stop")
    await_end(ward, timeout_s=_END_S)


def await_end(ward: Ward, *, timeout_s: float) -> None:
    """Wait until nothing of a ward is left. After `timeout_s` a warden that is stopped or stuck is killed itself."""
    deadline = time.monotonic() + timeout_s
    while not ward.ended:
        if ward.fileno() >= 0:
            with selectors.DefaultSelector() as selector:
                selector.register(ward, selectors.EVENT_READ)
                selector.select(0.2)
        else:
            time.sleep(STEP_S)
        ward.hear()
        if time.monotonic() > deadline and ward.fileno() >= 0:
            with contextlib.suppress(ProcessLookupError):
                os.kill(ward.warden_pid, signal.SIGKILL)


@contextlib.contextmanager
def given_up_unless_ready(task: Task) -> Generator[Ward, None, None]:
    """A ward that is ended when the block is left by an exception: a failed or abandoned start."""
    ward = Ward(task)
    try:
        yield ward
    except BaseException:
        end(ward)
        raise


def refuse(service: Service, why: str, *, hint: str = "", log: Path | None = None) -> NoReturn:
    """Raise the ServiceError that says what was attempted and why it failed."""
    raise ServiceError(f"service {service.name}: {why}", hint=hint, log_tail=tail(log) if log else "")


def check_alive(service: Service, ward: Ward, *, log: Path, hint: str = "") -> None:
    """Raise ServiceError if the ward's process has ended, or never started."""
    ward.hear()
    if ward.failure and ward.pid is None:
        refuse(service, f"could not be started: {ward.failure}", hint=hint or "check the command", log=log)
    if ward.exit_code is not None or ward.lost or ward.ended:
        refuse(service, f"{how_it_ended(ward)} before it was ready", hint=hint or "its log tells more", log=log)


def how_it_ended(ward: Ward) -> str:
    if ward.exit_code is None:
        return f"was lost ({ward.failure or 'no exit status'})"
    if ward.exit_code < 0:
        return f"was ended by signal {-ward.exit_code}"
    return f"ended with status {ward.exit_code}"


def tail(log: Path) -> str:
    """The last lines of a log, for a person; empty if it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-_TAIL_LINES:])


def free_port() -> int:
    """A port of the loopback interface that is free now; whoever binds it next has it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts(host: str, port: int, *, timeout_s: float = 1.0) -> bool:
    """Whether somebody accepts TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True


def without_secret(url: str) -> str:
    """`url` as it may be written down: no password, no query, no fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    user, _, host = parts.netloc.rpartition("@")
    shown = f"{user.partition(':')[0]}:***@" if ":" in user else (f"{user}@" if user else "")
    return f"{parts.scheme}://{shown}{host}{parts.path}"
