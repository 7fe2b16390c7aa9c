"""Forks and executes one command the way the warden wants its child: alone, clean, and dying with its parent.

The child gets a session of its own, no input, one file for both outputs, no other open file, every signal in its
default state, and the kernel's promise to kill it when the warden is gone. Standard library alone, because the warden
loads it; the warden has one thread, so that forking is safe.
"""

import contextlib
import errno
import os
import signal
from typing import NamedTuple, NoReturn

from gate.execute import tree


class Place(NamedTuple):
    """Where a command runs. `output` is an open file descriptor; `user` a pair of uid and gid to become, if any."""

    cwd: str
    env: dict[str, str]
    output: int
    user: tuple[int, int] | None


def spawn(command: list[str], place: Place) -> int:
    """Fork and execute `command`. Raises OSError when it cannot be executed; returns its pid otherwise."""
    reading, writing = os.pipe()
    warden = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(command, place, writing, warden)
    os.close(writing)
    with os.fdopen(reading, "rb") as failure:
        number = failure.read()
    if number:
        os.waitpid(pid, 0)
        raise OSError(int(number), os.strerror(int(number)))
    return pid


def _become(command: list[str], place: Place, failure: int, warden: int) -> NoReturn:
    """In the forked child: turn into `command`, or tell the error number through `failure`."""
    try:
        os.setsid()
        _default_signals()
        null = os.open(os.devnull, os.O_RDONLY)
        for target, source in ((0, null), (1, place.output), (2, place.output)):
            os.dup2(source, target)
        os.chdir(place.cwd)
        if place.user:
            os.setgroups([])
            os.setgid(place.user[1])
            os.setuid(place.user[0])
        tree.signal_on_parents_death(signal.SIGKILL)
        if os.getppid() != warden:  # it died before it could be watched
            os._exit(1)
        os.execvpe(command[0], command, place.env)  # noqa: S606 - an argv list
    except (OSError, ValueError) as error:
        os.write(failure, str(getattr(error, "errno", None) or errno.EINVAL).encode())
    finally:
        os._exit(127)


def _default_signals() -> None:
    # A gate started with nohup or in the background passes ignored signals on; the child must hear INT all the same.
    for signum in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError):
            signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
