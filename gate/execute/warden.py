"""The process between the gate and one child: it outlives the gate just long enough to end everything below it.

Runs on its own, as `python -I -S` with the standard library alone. It takes one specification from its control channel
(a socket whose other end only the gate holds), starts the child in a session of its own and waits. It promises that
nothing below it lives longer than itself: when the child has ended, when the gate asks, when the deadline is over, and
when the gate is gone by whatever means, every descendant is ended, daemons that left group and session included,
because it is the subreaper below which orphans stay. The kernel tells when none is left: waiting says "no children".

Lines of JSON come in (the specification, then `stop` or `kill`) and go out:

    {"k": "started", "pid": 7, "trees": true}          per command; `trees` is false where only the group can be seen
    {"k": "failed", "reason": "…"}                     the command could not be started
    {"k": "exited", "code": 0, "duration_s": 1.5, "cause": ""}   `cause`: what had asked for the end before
    {"k": "leaked", "processes": ["pid 9 sleep: sleep 60"]}
    {"k": "end", "stuck": []}                          nothing below is left, but for what not even KILL could end

What an outcome means is left to the gate.
"""

import contextlib
import json
import math
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypedDict

from gate.execute import tree
from gate.execute.spawn import Place, spawn

LEAK_GRACE_S: Final = 2.0  # multiprocessing's resource tracker and xdist's workers end a moment after their parent
_GIVE_UP_S: Final = 10.0  # a process in uninterruptible sleep does not even hear KILL
_MOST_LEAKS: Final = 20
_FIRST_SAMPLE_S: Final = 0.1  # by then the child is past exec
_HASTY: Final = ("kill", "orphaned")
_SIGNALS: Final = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Spec(TypedDict):
    """What a warden is told.

    `stop` and `orphaned` are pairs of signal number and seconds of grace before the next step; KILL over the whole
    tree always comes last. `commands` run one after the other while each exits with 0. `directories` are made (private,
    owned by `user`) before the first command and removed with their content at the end; `copies` are pairs of folders.
    """

    gate: int
    commands: list[list[str]]
    cwd: str
    env: dict[str, str]
    output: str
    deadline_s: float | None
    stop: list[tuple[int, float]]
    orphaned: list[tuple[int, float]]
    user: tuple[int, int] | None
    directories: list[str]
    copies: list[tuple[str, str]]
    sample: str | None
    sample_every_s: float


class Warden:
    """One child from start to end. `run` returns when nothing below is left."""

    def __init__(self, control: socket.socket, spec: Spec) -> None:
        self._control = control
        self._spec = spec
        self._commands = iter(spec["commands"])
        self._wakeup, self._poller = _wakeup_channel(), select.poll()
        self._place: Place
        self._child = 0
        self._began = 0.0
        self._cause = ""
        self._ended = False  # the last command has ended, or none could be started
        self._alone = False  # the kernel says that nothing is left below
        self._ending: Iterator[float] | None = None
        self._due = 0.0
        self._sampler: Callable[[float], None] | None = None
        self._sample_due = 0.0

    def run(self) -> None:
        self._prepare()
        self._start_next()
        while not self._ended:
            self._wait(self._next_due())
            self._reap()
            self._advance()
        self._finish()

    def _prepare(self) -> None:
        output = os.open(self._spec["output"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        user = self._spec["user"]
        self._place = Place(cwd=self._spec["cwd"], env=self._spec["env"], output=output, user=user)
        for directory in self._spec["directories"]:
            os.mkdir(directory, 0o700)  # noqa: PTH102 - pathlib costs 5 ms at import
            if user:
                os.chown(directory, *user)
        self._copy()
        self._poller.register(self._control, select.POLLIN)
        self._poller.register(self._wakeup, select.POLLIN)
        # The end of the channel says the same, but a process forked by the gate could hold the channel open.
        with contextlib.suppress(OSError, AttributeError):
            self._poller.register(os.pidfd_open(self._spec["gate"]), select.POLLIN)
        if self._spec["deadline_s"] is not None:
            self._due = time.monotonic() + self._spec["deadline_s"]

    def _copy(self) -> None:
        if self._spec["copies"]:
            import shutil  # noqa: PLC0415 - it costs 5 ms, and only services need it

            former = os.umask(0o022)  # another user has to reach what is copied
            for source, target in self._spec["copies"]:
                shutil.copytree(source, target, symlinks=True)
            os.umask(former)

    # ---- the child ----

    def _start_next(self) -> bool:
        command = next(self._commands, None)
        if command is None or self._cause:
            return False
        self._began = time.monotonic()
        try:
            self._child = spawn(command, self._place)
        except OSError as error:
            self._say({"k": "failed", "reason": f"{command[0]}: {error.strerror}"})
            self._ended = True
            return False
        self._say({"k": "started", "pid": self._child, "trees": tree.SEES_TREES})
        self._start_sampling()
        return True

    def _start_sampling(self) -> None:
        path = self._spec["sample"]
        if path is not None and self._sampler is None:
            from gate.execute import resources  # noqa: PLC0415 - services are not sampled and need not pay for it

            self._sampler = resources.Sampler(os.getpid(), path).take
            self._sample_due = self._began + _FIRST_SAMPLE_S

    def _reap(self) -> None:
        """Take every exit status there is. The child's is reported; orphans that ended are only put away."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._alone = True
                return
            self._alone = False
            if pid == 0:
                return
            if pid == self._child:
                self._child = 0
                self._exited(os.waitstatus_to_exitcode(status))

    def _exited(self, code: int) -> None:
        duration_s = time.monotonic() - self._began
        if code == 0 and self._start_next():
            return
        self._ended = True
        self._say({"k": "exited", "code": code, "duration_s": duration_s, "cause": self._cause})

    # ---- waiting ----

    def _next_due(self) -> float | None:
        """Seconds until something is due, None for never."""
        dues = [due for due in (self._due, self._sample_due) if due]
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _wait(self, timeout_s: float | None) -> None:
        # Rounded up, so that a due moment has come when the call returns.
        events = self._poller.poll(None if timeout_s is None else int(timeout_s * 1000) + 1)
        for number, _ in events:
            if number == self._wakeup.fileno():
                self._hear_signals()
            elif number == self._control.fileno():
                self._hear_gate()
            else:
                self._poller.unregister(number)
                self._begin_ending("orphaned")

    def _hear_signals(self) -> None:
        if set(self._wakeup.recv(4096)) - {signal.SIGCHLD}:
            self._begin_ending("signal")

    def _hear_gate(self) -> None:
        try:
            data = self._control.recv(4096)
        except OSError:
            data = b""
        if not data:
            self._poller.unregister(self._control)
            self._begin_ending("orphaned")
        for word in data.decode("ascii", "replace").split():
            self._begin_ending(word)

    # ---- the end ----

    def _advance(self) -> None:
        now = time.monotonic()
        if self._sampler is not None and now >= self._sample_due:
            self._sampler(now - self._began)
            # From the schedule, not from now: the distance between samples stays what was declared.
            every_s = self._spec["sample_every_s"]
            self._sample_due += every_s * max(1, math.ceil((now - self._sample_due) / every_s))
        if self._due and now >= self._due:
            if self._ending is None:
                self._begin_ending("deadline")
            else:
                self._due = time.monotonic() + next(self._ending)

    def _begin_ending(self, cause: str) -> None:
        """Start the steps of an end. `kill` and the loss of the gate overtake an end that is already under way."""
        if self._cause in _HASTY or (self._cause and cause not in _HASTY):
            return
        self._cause = cause
        self._ending = self._steps({"kill": [], "orphaned": self._spec["orphaned"]}.get(cause, self._spec["stop"]))
        self._due = time.monotonic() + next(self._ending)

    def _steps(self, steps: list[tuple[int, float]]) -> Iterator[float]:
        """Each next() does one step and gives the seconds until the following one."""
        for signum, grace_s in steps:
            _signal_group(self._child, signum)
            _signal_group(self._child, signal.SIGCONT)  # one that is stopped hears nothing else
            yield grace_s
        began = time.monotonic()
        while time.monotonic() < began + _GIVE_UP_S:
            self._kill_below()
            yield 0.01
        self._ended = True
        while True:
            yield _GIVE_UP_S

    def _kill_below(self) -> None:
        """One round: KILL to every direct child and its group. What forked in between is a direct child then."""
        own_group = os.getpgrp()
        pids = tree.children(os.getpid()) or ((self._child,) if self._child else ())
        for pid in pids:
            with contextlib.suppress(OSError):
                group = os.getpgid(pid)
                # Stopping a group is atomic with regard to fork; a single process could fork once more.
                if group != own_group:
                    os.killpg(group, signal.SIGKILL)
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def _finish(self) -> None:
        """Wait the grace for what is still there, report it as leaked, end it, put the directories away."""
        if self._cause not in _HASTY:
            self._grant_grace()
            leaked = tree.descendants(os.getpid())
            if leaked:
                self._say({"k": "leaked", "processes": _described(leaked)})
        self._kill_until_none()
        stuck = _described(tree.descendants(os.getpid()))
        self._remove_directories()
        self._say({"k": "end", "stuck": stuck})

    def _grant_grace(self) -> None:
        """Up to LEAK_GRACE_S for descendants to end by themselves; none any more once the gate is gone."""
        deadline = time.monotonic() + LEAK_GRACE_S
        pauses_ms = _rising_pauses()
        while not self._nothing_left() and time.monotonic() < deadline and not self._gate_is_gone():
            self._pause(next(pauses_ms))

    def _kill_until_none(self) -> None:
        deadline = time.monotonic() + _GIVE_UP_S
        pauses_ms = _rising_pauses()
        while not self._nothing_left() and time.monotonic() < deadline:
            self._kill_below()
            self._pause(next(pauses_ms))

    def _nothing_left(self) -> bool:
        self._reap()
        return self._alone

    def _pause(self, at_most_ms: int) -> None:
        """Until a signal arrives: the death of a child, or of an orphan that has become one, ends the pause."""
        if select.select([self._wakeup], [], [], at_most_ms / 1000)[0]:
            self._wakeup.recv(4096)

    def _gate_is_gone(self) -> bool:
        try:
            return not self._control.recv(4096, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _remove_directories(self) -> None:
        if self._spec["directories"]:
            import shutil  # noqa: PLC0415 - as above

            for directory in self._spec["directories"]:
                shutil.rmtree(directory, ignore_errors=True)

    def end_all(self) -> None:
        """The last resort after an error in here: nothing below may stay."""
        self._cause = "kill"
        self._kill_until_none()
        self._remove_directories()

    def _say(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._control.sendall(json.dumps(message).encode() + b"\n")


def _described(processes: tuple[tree.ProcessStat, ...]) -> list[str]:
    more = len(processes) - _MOST_LEAKS
    return [tree.describe(stat) for stat in processes[:_MOST_LEAKS]] + ([f"and {more} more"] if more > 0 else [])


def _signal_group(pid: int, signum: int) -> None:
    if not pid:
        return
    try:
        os.killpg(pid, signum)
    except OSError:  # it has left its group
        with contextlib.suppress(OSError):
            os.kill(pid, signum)


def _rising_pauses() -> Iterator[int]:
    """Milliseconds: short at first, because most ends are quick, then 50 for ever."""
    for exponent in range(6):
        yield 1 << exponent
    while True:
        yield 50


def _wakeup_channel() -> socket.socket:
    """A socket that becomes readable with the number of every signal that arrives."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    for signum in _SIGNALS:
        signal.signal(signum, lambda *_: None)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    return reading


def main() -> None:
    """Take the specification from the control channel (file descriptor in argv) and see the child to its end."""
    control = socket.socket(fileno=int(sys.argv[-1]))
    control.set_inheritable(False)
    spec = _read_spec(control)
    if spec is None:
        return
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    tree.adopt_orphans()
    tree.signal_on_parents_death(signal.SIGCONT)  # a warden that somebody has stopped must see the gate's end
    warden = Warden(control, spec)
    try:
        warden.run()
    except BaseException as error:  # noqa: BLE001 - whatever happens in here, the tree below must go and the gate must know
        reason = f"{type(error).__name__}: {error}"
        with contextlib.suppress(OSError):
            control.sendall(json.dumps({"k": "failed", "reason": reason}).encode() + b"\n")
        warden.end_all()
    os._exit(0)  # at once: the gate waits for the end of this process


def _read_spec(control: socket.socket) -> Spec | None:
    data = bytearray()
    while not data.endswith(b"\n"):
        piece = control.recv(1 << 16)
        if not piece:
            return None  # the gate went away before it had said anything
        data += piece
    spec: Spec = json.loads(data)
    return spec
