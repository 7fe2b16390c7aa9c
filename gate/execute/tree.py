"""The processes below one process, read from /proc.

Owns the few Linux facts that make ownership of a tree possible: who is below whom, how a process is named, and how a
process becomes the new parent of orphans below it. Standard library alone and cheap to import (no dataclasses, no
pathlib), because each warden loads it. Elsewhere than on Linux nothing is seen below a process: `SEES_TREES` is False
and every function says so by returning nothing.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

SEES_TREES: Final = sys.platform == "linux"
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_DEAD_STATES: Final = frozenset("ZXx")
_LISTS_CHILDREN: Final = os.path.exists(f"/proc/self/task/{os.getpid()}/children")  # noqa: PTH110 - pathlib costs 5 ms


class ProcessStat(NamedTuple):
    """One line of /proc/<pid>/stat. `cpu_ticks` is its own time, `reaped_ticks` that of the children it waited for."""

    pid: int
    name: str
    state: str
    parent: int
    group: int
    session: int
    cpu_ticks: int
    reaped_ticks: int
    threads: int
    started_ticks: int
    rss_pages: int

    @property
    def dead(self) -> bool:
        """Whether only its entry is left, waiting for its parent to read the exit status."""
        return self.state in _DEAD_STATES


def adopt_orphans() -> bool:
    """Make this process the parent of every orphan below it (PR_SET_CHILD_SUBREAPER). False where that is unknown."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def signal_on_parents_death(signum: int) -> bool:
    """Have the kernel send `signum` to this process when its parent dies (PR_SET_PDEATHSIG). Call after setuid."""
    return _prctl(_PR_SET_PDEATHSIG, signum)


def _prctl(option: int, value: int) -> bool:
    if not SEES_TREES:
        return False
    done: int = ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)
    return done == 0


def read_stat(pid: int) -> ProcessStat | None:
    """The state of `pid`, None when it is gone."""
    line = _read(f"/proc/{pid}/stat")
    # The name stands in parentheses and may hold spaces and parentheses itself.
    name, _, rest = line.partition("(")[2].rpartition(") ")
    field = rest.split()
    if len(field) < 22:
        return None
    return ProcessStat(
        pid=pid,
        name=name,
        state=field[0],
        parent=int(field[1]),
        group=int(field[2]),
        session=int(field[3]),
        cpu_ticks=int(field[11]) + int(field[12]),
        reaped_ticks=int(field[13]) + int(field[14]),
        threads=int(field[17]),
        started_ticks=int(field[19]),
        rss_pages=int(field[21]),
    )


def children(pid: int) -> tuple[int, ...]:
    """The direct children of `pid`, dead ones that nobody waited for included."""
    if not SEES_TREES:
        return ()
    if not _LISTS_CHILDREN:
        return tuple(stat.pid for stat in _every_process() if stat.parent == pid)
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names, not paths, are wanted
            found.extend(map(int, _read(f"/proc/{pid}/task/{thread}/children").split()))
    return tuple(found)


def below(pid: int) -> tuple[ProcessStat, ...]:
    """Every process below `pid`, dead ones that nobody waited for included. `pid` itself is not among them."""
    if not _LISTS_CHILDREN:
        return _below_by_scan(pid)
    found: dict[int, ProcessStat] = {}
    waiting = list(children(pid))
    for child in waiting:
        stat = None if child in found or child == pid else read_stat(child)
        if stat is not None:
            found[child] = stat
            waiting.extend(children(child))
    return tuple(found.values())


def _below_by_scan(pid: int) -> tuple[ProcessStat, ...]:
    families: dict[int, list[ProcessStat]] = {}
    for stat in _every_process():
        families.setdefault(stat.parent, []).append(stat)
    found = list(families.get(pid, ()))
    for stat in found:
        found.extend(families.get(stat.pid, ()))
    return tuple(found)


def descendants(pid: int) -> tuple[ProcessStat, ...]:
    """Every living process below `pid`."""
    return tuple(stat for stat in below(pid) if not stat.dead)


def _every_process() -> Iterator[ProcessStat]:
    if not SEES_TREES:
        return
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, not paths, are wanted
        stat = read_stat(int(name)) if name.isdigit() else None
        if stat is not None:
            yield stat


def describe(stat: ProcessStat, *, width: int = 160) -> str:
    """A process in one line for a person: pid, name and the beginning of its command line."""
    words = _read(f"/proc/{stat.pid}/cmdline").replace("\0", " ").strip()
    command = "".join(character if character.isprintable() else "?" for character in words)
    shortened = command if len(command) <= width else command[: width - 1] + "…"
    return f"pid {stat.pid} {stat.name}" + (f": {shortened}" if shortened else "")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib costs 5 ms at import
            return file.read()
    except OSError:
        return ""
