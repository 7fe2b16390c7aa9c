"""The file of metrics of one pytest process: `metrics/<worker or main>-<pid>.jsonl`.

Owns what all tests of a process share: the file, the declared limits, the one meaning of each name, and the live series
that a forked child must empty, because their samples are its parent's. A child writes each sample at once into a file
of its own, since nobody can tell when it ends.
"""

import json
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.plugin.journal import RecordFile

if TYPE_CHECKING:
    from gate.plugin.series import Series

FORMAT: Final = 1


class Spool:
    """Where records of metrics go. Raises OSError when the file cannot be made."""

    def __init__(self, directory: Path, worker: str | None, nonce: str, started: float) -> None:
        self.started = started
        self.live: weakref.WeakSet[Series] = weakref.WeakSet()
        self._limits: dict[str, list[float]] = _read_limits(directory / "limits.json")
        folder = directory / "metrics"
        folder.mkdir(mode=0o700, exist_ok=True)
        name = worker or "main"
        about: dict[str, object] = {"v": FORMAT, "nonce": nonce, "worker": name}
        self._file = RecordFile(folder / f"{name}-{os.getpid()}.jsonl", folder / f"{name}-fork-{{pid}}.jsonl", about)
        self._file.add({"k": "head", **about, "pid": os.getpid()})
        os.register_at_fork(after_in_child=self._in_child)

    @property
    def forked(self) -> bool:
        return self._file.forked

    def limits(self, metric: str) -> list[float]:
        return self._limits.get(metric, [])

    def add(self, record: dict[str, object]) -> None:
        self._file.add(record)

    def close(self) -> dict[str, int]:
        """Write the last record; the number of records by file, for the journal."""
        self._file.add({"k": "end", "n": self._file.count + 1})
        self._file.close()
        return {self._file.name: self._file.count}

    def _in_child(self) -> None:
        for series in list(self.live):
            series.enter_child()


def _read_limits(path: Path) -> dict[str, list[float]]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    return {str(name): [float(limit) for limit in limits] for name, limits in json.loads(text).items()}
