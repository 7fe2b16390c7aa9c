"""Servers of a test's own, to be killed, stopped, frozen and started again: a real PostgreSQL and a real Redis.

The servers that the environment names are shared, so nobody may take them away; these are private to one session. A
server keeps its address and its data from start to start. Both are as durable as in production: PostgreSQL with its own
defaults (fsync, synchronous commits, full pages), Redis with an append-only file that is synced before every answer
(`always`), because with `everysec` it may answer up to two seconds before it has written, and a kill would take that.

Every call blocks until what it says is so; from a coroutine, call it through `asyncio.to_thread`. Only processes that
were started here are signalled. At `close` they and their data are gone; if this process is killed, so are they.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gate.execute import tree
from gate.execute.services.handshake import PostgresRefused, Session
from gate.execute.services.loopback import anybody_enters
from gate.execute.services.postgres import find_binaries, unprivileged_user
from gate.execute.services.redis import find_server

_ROOT: Final = str(Path(__file__).parents[1])
_LOOK_S: Final = 0.002
_READY_S: Final = 20.0
_END_S: Final = 10.0
# An interpreter in between becomes the server: whom to be and with whom to die is settled by a process with one thread.
_BOOT: Final = """
import os, sys
sys.path.append(sys.argv[1])
from gate.execute import tree
parent, uid, gid, *command = sys.argv[2:]
if uid:
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
tree.signal_on_parents_death(9)
if os.getppid() == int(parent):
    os.execv(command[0], command)
"""


class Server:
    """One server on a port of its own. Use as `with PostgresServer() as server`; entering starts it."""

    name = "server"
    _clean_stop = signal.SIGTERM

    def __init__(self) -> None:
        self._user = unprivileged_user()
        self._holder = held_port()
        self.port: int = self._holder.getsockname()[1]
        self.directory = Path(tempfile.mkdtemp(prefix=f"suite-{self.name}-", dir=_open_folder()))
        if self._user:
            os.chown(self.directory, *self._user)
        # The kernel ends a child when the thread that started it ends: this one lives as long as the server.
        self._starter = ThreadPoolExecutor(1, f"starts-{self.name}")
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False

    def __enter__(self) -> Self:
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> float:
        """Start it unless it runs. Returns the moment, on `perf_counter`, at which a session could be opened."""
        if not self.running:
            self._process = self._starter.submit(self._spawn, self._command()).result()
        deadline = time.monotonic() + _READY_S
        while not self._serves():
            assert self.running, f"{self.name} ended before it was ready:\n{self._log_tail()}"
            assert time.monotonic() < deadline, f"{self.name} was not ready within {_READY_S} s:\n{self._log_tail()}"
            time.sleep(_LOOK_S)
        return time.perf_counter()

    def kill(self) -> None:
        """End all its processes at once, without any warning, as when the machine loses them."""
        if self._process is None:
            return
        below = self._standing_still()
        for pid in below:
            _signal(pid, signal.SIGKILL)
        self._process.kill()
        self._collect(below)

    def stop_cleanly(self) -> None:
        """End it as an operator does: clients are told, data are put in order."""
        if self._process is None:
            return
        self.thaw()
        below = [stat.pid for stat in tree.descendants(self._process.pid)]
        self._process.send_signal(self._clean_stop)
        self._collect(below)

    def restart(self) -> float:
        """Kill it and start it again; see `start`."""
        self.kill()
        return self.start()

    def freeze(self) -> None:
        """Let all its processes stand still: connections stay open, nothing is answered, until `thaw`."""
        self._frozen = True
        for pid in self._standing_still():
            _signal(pid, signal.SIGSTOP)
            _await(lambda pid=pid: _state(pid) in "TtZX")  # type: ignore[misc]  # bound, to be asked in this turn

    def thaw(self) -> None:
        if self._frozen and self._process is not None:
            for stat in tree.descendants(self._process.pid):
                _signal(stat.pid, signal.SIGCONT)
            _signal(self._process.pid, signal.SIGCONT)
        self._frozen = False

    def mend(self) -> None:
        """Whatever was done to it: it runs, and sessions can be opened."""
        self.thaw()
        self.start()

    def close(self) -> None:
        """End it and remove its data; it cannot be started again."""
        self.kill()
        self._starter.shutdown()
        self._holder.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- what a kind of server fills in -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        """What is done once, before the first start."""

    def _command(self) -> Sequence[str]:
        raise NotImplementedError

    def _serves(self) -> bool:
        """Whether a session can be opened now."""
        raise NotImplementedError

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _spawn(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        uid, gid = map(str, self._user) if self._user else ("", "")
        boot = [sys.executable, "-I", "-S", "-c", _BOOT, _ROOT, str(os.getpid()), uid, gid]
        with (self.directory / "log").open("ab") as log:
            return subprocess.Popen(
                [*boot, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ.get("PATH", os.defpath)},
                start_new_session=True,
            )

    def _standing_still(self) -> list[int]:
        """Stops the first process, so that it starts and collects no others; the numbers of those that there are."""
        assert self._process is not None
        pid = self._process.pid
        if self._process.poll() is None:
            _signal(pid, signal.SIGSTOP)
            _await(lambda: _state(pid) in "TtZX")
        return [stat.pid for stat in tree.descendants(pid)]

    def _collect(self, below: Sequence[int]) -> None:
        """Wait until it has ended, and the processes `below` it."""
        assert self._process is not None
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {_END_S} s:\n{self._log_tail()}") from None
        _await(lambda: all(_state(pid) in "ZX" for pid in below))
        self._process, self._frozen = None, False

    def _run(self, command: Sequence[str]) -> None:
        status = self._starter.submit(self._spawn, command).result().wait(_READY_S)
        assert status == 0, f"{command[0]} ended with status {status}:\n{self._log_tail()}"

    def _log_tail(self) -> str:
        return (self.directory / "log").read_text("utf-8", "replace")[-4000:]


class PostgresServer(Server):
    """PostgreSQL from the wheel that the gate uses; as an unprivileged user when this process is root."""

    name = "postgres"
    _clean_stop = signal.SIGINT  # PostgreSQL's "fast": sessions are told and ended, what is in memory is written

    def __init__(self) -> None:
        super().__init__()
        installed = find_binaries()
        assert installed is not None, "no PostgreSQL binaries were found; pip install gonogo[services]"
        self._installed = installed

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def crash_session(self, pid: int) -> float:
        """Kill the process of one session: PostgreSQL ends all others, recovers and serves again; see `start`."""
        assert self._process is not None
        below = [stat.pid for stat in tree.descendants(self._process.pid)]
        assert pid in below, f"{pid} is no session of this server"
        _signal(pid, signal.SIGKILL)
        _await(lambda: all(_state(other) in "ZX" for other in below))
        return self.start()

    def _prepare(self) -> None:
        if self._user and not anybody_enters(self._installed / "bin"):
            self._installed = _copied(self._installed, self.directory)
        how = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
        self._run([f"{self._installed}/bin/initdb", f"--pgdata={self.directory}/data", "--username=postgres", *how])

    def _command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.directory),
            "shared_buffers": "32MB",
            "timezone": "UTC",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [f"{self._installed}/bin/postgres", "-D", f"{self.directory}/data", *words]

    def _serves(self) -> bool:
        try:
            with Session.open(("127.0.0.1", self.port), user="postgres", database="postgres"):
                return True
        except (OSError, PostgresRefused):
            return False


class RedisServer(Server):
    """Valkey from the wheel that the gate uses, or the Redis on PATH."""

    name = "redis"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start_empty(self) -> float:
        """As `start`, after all that it kept is gone, as when its disk was lost."""
        assert not self.running
        shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)
        return self.start()

    def _command(self) -> Sequence[str]:
        binary = find_server(os.environ)
        assert binary is not None, "no valkey-server or redis-server was found; pip install gonogo[services]"
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.directory),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
        }
        return [binary, *(word for name, value in settings.items() for word in (f"--{name}", value))]

    def _serves(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")  # an error while it still reads its file
        except OSError:
            return False


def held_port() -> socket.socket:
    """A socket that keeps a free port for us: bound, never listening.

    While the server is away nobody else is given its port, and no client of it can connect to itself by chance.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


def _open_folder() -> str:
    """Where a folder can be made that an unprivileged user reaches."""
    places = (tempfile.gettempdir(), "/tmp", "/var/tmp")
    return next((place for place in places if anybody_enters(Path(place))), places[0])


def _copied(installed: Path, directory: Path) -> Path:
    """A copy below `directory`, with the shared libraries that the wheel keeps beside its package."""
    package = installed.parent
    libraries = package.with_name(f"{package.name}.libs")
    copy = directory / package.name / installed.name
    shutil.copytree(installed, copy, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, directory / libraries.name, symlinks=True)
    return copy


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _state(pid: int) -> str:
    stat = tree.read_stat(pid)
    return stat.state if stat else "X"


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _END_S
    while not condition():
        assert time.monotonic() < deadline, "a process did not obey its signal"
        time.sleep(_LOOK_S)
