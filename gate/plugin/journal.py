"""Files of records, written by one process each: the journal, and the file of metrics.

Owns the file: created exclusively, never through a link, one `write` per record, so that a crash can lose the end but
never tear two records into one. A forked child never writes into its parent's file: it gets one of its own, made when
it has something to say. What the records mean is left to the modules that write them and to `gate.evidence`.
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


class RecordFile:
    """An append-only file of records. After a failed write it stays silent, so that its end is missing too."""

    def __init__(self, path: Path, fork_path: Path, about: dict[str, object]) -> None:
        """Create `path`. A forked child makes `fork_path`, with its pid for `{pid}`, and says `about` first.

        Raises OSError when the file exists or cannot be made.
        """
        self.count = 0
        self.forked = False
        self.name = path.name
        self._fork_path = fork_path
        self._about = about
        self._silent = False
        self._fd: int | None = _open(path, FLAGS, 0o600)
        os.register_at_fork(after_in_child=self._in_child)

    def add(self, record: dict[str, object]) -> None:
        self.write(encode(record))

    def write(self, line: bytes) -> None:
        """Append `line`, which ends with a newline."""
        fd = self._fd
        if fd is None:
            if self._silent or not self.forked:
                return
            fd = self._open_in_child()
        try:
            whole = _write(fd, line) == len(line)
        except OSError:
            whole = False
        self.count += 1
        if not whole:
            self._silent = True
            self.close()

    def close(self) -> None:
        if self._fd is not None:
            _close(self._fd)
            self._fd = None

    def _in_child(self) -> None:
        # The child's copy of the descriptor is closed; the parent's stays open. A closed file stays closed, but a child
        # of a child finds none open only because nothing had been said yet.
        self._silent = self._silent or (self._fd is None and not self.forked)
        self.forked = True
        self.close()

    def _open_in_child(self) -> int:
        pid = _getpid()
        fd = self._fd = _open(self._fork_path.with_name(self._fork_path.name.format(pid=pid)), FLAGS, 0o600)
        self.count = 0
        self.add({"k": "fork", **self._about, "pid": pid, "ppid": os.getppid()})
        return fd
