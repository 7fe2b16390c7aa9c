"""What a process tree uses, sampled from /proc and appended to a file line by line.

Owns the reading of processor time, memory, file descriptors and threads of everything below one process, that process
itself excluded. It runs inside the warden, which has nothing else to do: the distance between two samples stays steady
whatever the gate is busy with. Each line is one `gate.model.ResourceSample` in JSON without spaces, written with one
`write`. Standard library alone, because the warden loads it. Reading the file back is left to `gate.evidence`.
"""

import contextlib
import json
import os
from typing import Final

from gate.execute import tree

PSS_EVERY: Final = 5  # walking the page tables for PSS costs more than all the rest
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Sampler:
    """Appends samples of everything below `root` to `path`, which must not exist. A sample that fails is left out."""

    def __init__(self, root: int, path: str) -> None:
        self._root = root
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        self._count = 0
        self._last_at_s = 0.0
        self._last_ticks = 0

    def take(self, at_s: float) -> None:
        """Write one sample. `at_s` is in seconds since the start of the tree."""
        with contextlib.suppress(OSError, ValueError):
            line = json.dumps(self._sample(at_s), separators=(",", ":"), allow_nan=False)
            os.write(self._file, line.encode() + b"\n")

    def _sample(self, at_s: float) -> dict[str, float | int | None]:
        everything = tree.below(self._root)
        alive = [stat for stat in everything if not stat.dead]
        self._count += 1
        return {
            "at_s": round(at_s, 6),
            "rss_bytes": sum(stat.rss_pages for stat in alive) * _PAGE_BYTES,
            "pss_bytes": _pss_bytes(alive) if self._count % PSS_EVERY == 1 else None,
            "cpu": round(self._cores(everything, at_s), 4),
            "fds": sum(_open_files(stat.pid) for stat in alive),
            "threads": sum(stat.threads for stat in alive),
            "processes": len(alive),
        }

    def _cores(self, everything: tuple[tree.ProcessStat, ...], at_s: float) -> float:
        """Processor time since the last sample over the time that went by.

        A process that has ended lives on in the account of whoever waited for it, in the end in that of `root`.
        """
        root = tree.read_stat(self._root)
        ticks = (root.reaped_ticks if root else 0) + sum(stat.cpu_ticks + stat.reaped_ticks for stat in everything)
        passed_s = at_s - self._last_at_s
        # One that ends while the tree is read is missed for one sample: never less than nothing was used.
        used = max(0, ticks - self._last_ticks)
        self._last_ticks, self._last_at_s = max(ticks, self._last_ticks), at_s
        return used / _TICKS_PER_S / passed_s if passed_s > 0 else 0.0


def _open_files(pid: int) -> int:
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        # Linux 6.2 and later give the number as size; before, the entries have to be counted.
        return os.stat(folder).st_size or len(os.listdir(folder))  # noqa: PTH116, PTH208 - pathlib costs 5 ms at import
    return 0


def _pss_bytes(processes: list[tree.ProcessStat]) -> int | None:
    """Memory with shared pages divided among their users; None if it cannot be read of every process."""
    total = 0
    for stat in processes:
        try:
            with open(f"/proc/{stat.pid}/smaps_rollup", encoding="ascii") as file:  # noqa: PTH123 - as above
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
        except PermissionError:
            return None
        except (OSError, StopIteration):
            continue  # ended in between: it has no memory any more
    return total
