"""The journal file of one pytest process.

Owns the file: created exclusively, never through a link, one `write` per record, so that a crash can lose the end but
never tear two records into one. A forked child never writes into its parent's journal: it gets a file of its own, made
when it has something to say. What the records mean is left to the modules that write them and `gate.evidence.journal`.
"""

import json
import os
from pathlib import Path
from typing import Final

FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
# Bound here: tests may replace what the modules offer under these names.
_open, _write, _close, _getpid = os.open, os.write, os.close, os.getpid
_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), default=str).encode


def encode(record: dict[str, object]) -> bytes:
    """`record` as one line of ASCII JSON."""
    return _encode(record).encode("ascii") + b"\n"


class Journal:
    """An append-only file of records. After a failed write it stays silent, so that its end is missing too."""

    def __init__(self, directory: Path, worker: str | None, nonce: str) -> None:
        """Create the file. Raises OSError when it exists or cannot be made."""
        self.directory = directory
        self.worker = worker
        self.nonce = nonce
        self.count = 0
        self._path = directory / (f"journal-{worker}.jsonl" if worker else "journal.jsonl")
        self._fd: int | None = _open(self._path, FLAGS, 0o600)
        self._forked = False
        os.register_at_fork(after_in_child=self._in_child)

    def add(self, record: dict[str, object]) -> None:
        self.write(encode(record))

    def write(self, line: bytes) -> None:
        """Append `line`, which ends with a newline."""
        if self._fd is None:
            if not self._forked:
                return
            self._open_for_child()
        try:
            whole = _write(self._fd, line) == len(line)  # type: ignore[arg-type]  # opened above or in __init__
        except OSError:
            whole = False
        self.count += 1
        if not whole:
            self._forked = False
            self.close()

    def close(self) -> None:
        if self._fd is not None:
            _close(self._fd)
            self._fd = None

    def _in_child(self) -> None:
        # The descriptor is shared with the parent: closing the child's copy leaves the parent's open.
        self.close()
        self._forked = True

    def _open_for_child(self) -> None:
        self._forked = False
        self.count = 0
        pid = _getpid()
        self._fd = _open(self.directory / f"journal-fork-{pid}.jsonl", FLAGS, 0o600)
        self.add({"k": "fork", "nonce": self.nonce, "pid": pid, "ppid": os.getppid(), "worker": self.worker})
