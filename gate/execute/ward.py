"""The gate's end of one warden: starts it, tells it what to run, hears what happened.

Owns the control channel and the warden's process. Nothing here blocks, but for handing over the specification. If the
warden itself is lost (somebody killed it), its child dies with it, by order of the kernel; whatever the child had
started falls to the gate, which ends it here before the ward counts as ended. Meaning is left to `process.py` (suites)
and `services/`.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gate.execute import tree
from gate.execute.warden import Spec

_ROOT: Final = str(Path(__file__).parents[2])
_BOOT: Final = "import sys; sys.path.append(sys.argv[1]); from gate.execute import warden; warden.main()"
# What the interpreter itself may need to start, and to spell file names as the gate does.
_WARDEN_ENV: Final = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE")
_HANDOVER_S: Final = 20.0
# INT lets pytest write its reports; the rest is for those that do not listen.
STOP_STEPS: Final = ((signal.SIGINT, 5.0), (signal.SIGTERM, 3.0))
_wardens: Final[set[int]] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a warden is to do. `commands` run one after the other while each exits with 0; all write to `output`.

    `directories` are made before (0700, owned by `user`, a pair of uid and gid) and removed with their content at the
    end, also if the gate is no longer there. `copies` are pairs of folders, copied before the first command.
    `stop_steps` are signals, each with the grace in seconds before the next step; `orphan_steps` the same for the loss
    of the gate. `sample_to` asks for resource samples in that file.
    """

    commands: tuple[tuple[str, ...], ...]
    cwd: str
    env: Mapping[str, str]
    output: str
    deadline_s: float | None = None
    stop_steps: tuple[tuple[int, float], ...] = STOP_STEPS
    orphan_steps: tuple[tuple[int, float], ...] = ()
    user: tuple[int, int] | None = None
    directories: tuple[str, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()
    sample_to: str | None = None
    sample_every_s: float = 0.5


class Ward:
    """One running warden. Call `hear` when its channel is readable; the attributes tell what is known so far.

    `pid` is that of the child once it has started. `exit_code` and `duration_s` (seconds on the warden's monotonic
    clock) are set when it has ended, `cause` names what had asked for the end before ("" for nothing). `ended` is set
    when no process is left.
    """

    def __init__(self, task: Task) -> None:
        self.pid: int | None = None
        self.exit_code: int | None = None
        self.duration_s = 0.0
        self.cause = ""
        self.failure = ""
        self.leaks: tuple[str, ...] = ()
        self.stuck: tuple[str, ...] = ()
        self.ended = False
        self.lost = False  # the warden ended without having said so
        self._task = task
        self._finished = False
        self._buffer = b""
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = _start_warden(theirs)
        self._hand_over(task)

    def fileno(self) -> int:
        """The channel, for selectors; -1 when it is closed."""
        return self._channel.fileno()

    @property
    def warden_pid(self) -> int:
        return self._process.pid

    def hear(self) -> None:
        """Take in what the warden has said since the last call."""
        while self.fileno() >= 0:
            try:
                data = self._channel.recv(1 << 16, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._close()
                break
            self._buffer += data
            *lines, self._buffer = self._buffer.split(b"\n")
            for line in lines:
                self._take(json.loads(line))
        if not self.ended:
            self._sweep()

    def ask(self, word: str) -> None:
        """Ask for the end: `stop` (signals with grace, then KILL) or `kill` (at once)."""
        with contextlib.suppress(OSError):
            self._channel.sendall(word.encode() + b"\n", socket.MSG_DONTWAIT)

    def _hand_over(self, task: Task) -> None:
        self._channel.settimeout(_HANDOVER_S)
        # A warden that is lost already is noticed when its channel is read.
        with contextlib.suppress(OSError):
            self._channel.sendall(json.dumps(_spec(task)).encode() + b"\n")
        self._channel.setblocking(False)

    def _take(self, message: dict[str, Any]) -> None:
        match message["k"]:
            case "started":
                self.pid = message["pid"]
            case "failed":
                self.failure = message["reason"]
            case "exited":
                self.exit_code, self.duration_s = message["code"], message["duration_s"]
                self.cause = message["cause"]
            case "leaked":
                self.leaks = tuple(message["processes"])
            case "end":
                self.stuck, self._finished = tuple(message["stuck"]), True

    def _close(self) -> None:
        self._channel.close()
        # It leaves with os._exit right after the end of its channel.
        code = self._process.wait()
        _wardens.discard(self._process.pid)
        self.lost = not self._finished
        if self.lost:
            self.failure = self.failure or f"its warden ended with {_exit_text(code)}"

    def _sweep(self) -> None:
        """After the end of the channel: end what a lost warden has left to the gate, put its directories away."""
        if self.lost and _kill_orphans():
            return
        if self.lost:
            for directory in self._task.directories:
                shutil.rmtree(directory, ignore_errors=True)
        self.ended = True


def _start_warden(theirs: socket.socket) -> subprocess.Popen[bytes]:
    tree.adopt_orphans()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _BOOT, _ROOT, str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={name: os.environ[name] for name in _WARDEN_ENV if name in os.environ},
        pass_fds=(theirs.fileno(),),
        start_new_session=True,
    )
    _wardens.add(process.pid)
    return process


def _spec(task: Task) -> Spec:
    return Spec(
        gate=os.getpid(),
        commands=[list(command) for command in task.commands],
        cwd=task.cwd,
        env=dict(task.env),
        output=task.output,
        deadline_s=task.deadline_s,
        stop=list(task.stop_steps),
        orphaned=list(task.orphan_steps),
        user=task.user,
        directories=list(task.directories),
        copies=list(task.copies),
        sample=task.sample_to,
        sample_every_s=task.sample_every_s,
    )


def _kill_orphans() -> bool:
    """End every process that fell to the gate from a lost warden; whether there were any.

    What the gate itself starts stays in the gate's own session or is a warden; all below a warden is in other sessions.
    """
    own_session = os.getsid(0)
    found = False
    for pid in tree.children(os.getpid()):
        stat = None if pid in _wardens else tree.read_stat(pid)
        if stat is None or stat.session == own_session:
            continue
        found = True
        with contextlib.suppress(OSError):
            os.killpg(stat.group, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(pid, os.WNOHANG)
    return found


def _exit_text(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"status {code}"
