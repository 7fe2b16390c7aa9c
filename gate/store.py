"""The run directory: `reports/<run-id>/`, one per run, written whole or not at all.

Owns where a run keeps its files, who may write there, and which run is the latest. Promises that two runs never share a
file, that a run which still lives can be told from one that was killed, that a run without its final record never
reads as finished, and that no link is followed out of a run. What the files say is left to their writers.

    reports/
    ├── 20260131T120000Z-1a2b3c/    one run, mode 0700; `lock` is held as long as the run lives
    └── latest → …                  the newest run that was begun
"""

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gate import codec
from gate.durable import write_atomic, write_atomic_parts
from gate.errors import GateError, RunUnreadable
from gate.model import Record
from gate.redact import LONGEST_BYTES, Redactor, replace

RECORD: Final = "record.json"
LATEST: Final = "latest"
_LOCK: Final = "lock"
_RUN_ID: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}", re.ASCII)
_SUITE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_FILE_CAP: Final = 1 << 30
_CHUNK: Final = 1 << 22
_HINTED: Final = 5
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class RunState(StrEnum):
    """Only `finished` has a record; the other two are never a GO, whatever else lies in the directory."""

    RUNNING = "running"
    UNFINISHED = "unfinished"
    FINISHED = "finished"


class RunDirectory:
    """One run's directory: made by `create` and then locked until `close`, or opened for reading by `open_run`."""

    __slots__ = ("_lock", "path")

    def __init__(self, path: Path, lock: int | None = None) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, root: Path, now: datetime) -> Self:
        """A new directory below `root` that nobody else has or can read, locked. Raises OSError."""
        root.mkdir(parents=True, exist_ok=True)
        path = _make_new(root, now)
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # nobody has it for longer than a look at whether it is held
            _sync(path)
            _sync(root)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, lock)

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def state(self) -> RunState:
        """Whether the run has its record, is still alive, or was killed. A record may yet prove unreadable."""
        if (self.path / RECORD).is_file():
            return RunState.FINISHED
        return RunState.RUNNING if self._lock is not None or _is_locked(self.path / _LOCK) else RunState.UNFINISHED

    def suite_dir(self, name: str) -> Path:
        """A fresh, private directory for the evidence of suite `name`. Raises FileExistsError if it was made before."""
        if not _SUITE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a suite")
        suites = self.path / "suites"
        with suppress(FileExistsError):
            suites.mkdir(mode=0o700)
        self._check_inside(suites)
        directory = suites / name
        directory.mkdir(mode=0o700)
        return directory

    def write(self, name: str, data: bytes) -> Path:
        """Write the file `name` (relative, `/` between folders) atomically and durably; returns its path."""
        path = self._inside(name)
        write_atomic(path, data)
        return path

    def read(self, name: str, *, cap: int = _FILE_CAP) -> bytes:
        """The content of the plain file `name`. Raises FileNotFoundError, or RunUnreadable for anything else there."""
        path = self._inside(name)
        try:
            return _read_plain(path, cap)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise RunUnreadable(f"{self.run_id}/{name} cannot be read: {error.strerror or error}") from error

    def write_record(self, data: bytes) -> None:
        """Finish the run: write `record.json`, read it back, compare.

        Raises GateError when it cannot be read or another thing came back; then the record is taken away again.
        """
        path = self.write(RECORD, data)
        try:
            same = self.read(RECORD) == data
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if not same:
            path.unlink(missing_ok=True)
            raise GateError(
                f"{self.run_id}/{RECORD} reads back with other bytes than were written",
                hint="check the disk; nothing was decided",
            )

    def read_record(self) -> Record:
        """The record of a finished run. Raises RunUnreadable for a run that has none, or a damaged one."""
        try:
            return codec.load_file(Record, self.read(RECORD))
        except FileNotFoundError as error:
            state = "is still running" if self.state is RunState.RUNNING else "was never finished"
            raise RunUnreadable(
                f"run {self.run_id} {state}: it has no {RECORD}", hint="without a record it is no decision; run again"
            ) from error
        except (ValueError, RecursionError) as error:
            raise RunUnreadable(
                f"{self.run_id}/{RECORD} is damaged: {error}", hint="it is no decision any more; run again"
            ) from error

    def close(self) -> None:
        """Let go of the lock. Idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _inside(self, name: str) -> Path:
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ValueError(f"{name!r} is no file name inside a run")
        path = self.path.joinpath(*parts)
        self._check_inside(path.parent)
        return path

    def _check_inside(self, directory: Path) -> None:
        """Walk from the run to `directory` through real directories only."""
        here = os.open(self.path, _DIRECTORY)
        try:
            for part in directory.relative_to(self.path).parts:
                below = os.open(part, _DIRECTORY, dir_fd=here)
                os.close(here)
                here = below
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            raise RunUnreadable(f"{directory.relative_to(self.path)} in {self.run_id} is no directory") from error
        finally:
            os.close(here)


def runs(root: Path) -> tuple[str, ...]:
    """The ids of all runs below `root`, newest first."""
    try:
        entries = [entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)]
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return tuple(sorted(filter(_RUN_ID.fullmatch, entries), reverse=True))


def open_run(root: Path, which: str) -> RunDirectory:
    """The run `which` for reading: an id, `latest`, or the path of a directory. Raises RunUnreadable with a hint."""
    name = _latest(root) if which == LATEST else which
    if name is not None and _RUN_ID.fullmatch(name) and _is_directory(root / name):
        return RunDirectory(root / name)
    path = Path(which)
    if which not in ("", LATEST) and _is_directory(path) and ("/" in which or _RUN_ID.fullmatch(path.name)):
        return RunDirectory(path.absolute())
    newest = runs(root)[:_HINTED]
    hint = (
        f"the newest runs are {', '.join(newest)}" if newest else f"there are no runs in {root}; `gate run` makes one"
    )
    raise RunUnreadable(f"there is no run {which!r} in {root}", hint=hint)


def point_latest(root: Path, run: RunDirectory) -> None:
    """Let `latest` name `run`, unless it names a newer one. Atomic; any number of runs may do it at once.

    It is meant to be called when a run begins: a killed run must not leave the GO of the one before it as the latest.
    """
    with _locked_directory(root):
        current = _latest(root)
        if current is not None and current >= run.run_id and _is_directory(root / current):
            return
        temporary = root / f".{LATEST}.{secrets.token_hex(6)}.tmp"
        temporary.symlink_to(run.run_id)
        try:
            temporary.rename(root / LATEST)
        except BaseException:
            temporary.unlink()
            raise
        _sync(root)


def redact_tree(directory: Path, redactor: Redactor) -> tuple[Path, ...]:
    """Rewrite, atomically, each plain file below `directory` that holds a secret; returns those. Raises OSError."""
    changed = []
    for parent, _, names in os.walk(directory, onerror=_raise):
        for name in sorted(names):
            path = Path(parent) / name
            if stat.S_ISREG(path.lstat().st_mode) and _holds_secret(path, redactor):
                write_atomic_parts(path, _redacted(path, redactor))
                changed.append(path)
    return tuple(changed)


def _make_new(root: Path, now: datetime) -> Path:
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    while True:
        path = root / f"{stamp}-{secrets.token_hex(3)}"
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return path


def _latest(root: Path) -> str | None:
    """What `latest` names; None when it is missing or names anything but a run beside it."""
    try:
        target = str((root / LATEST).readlink())
    except OSError:
        return None
    return target if _RUN_ID.fullmatch(target) else None


def _is_directory(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _is_locked(path: Path) -> bool:
    try:
        lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@contextmanager
def _locked_directory(path: Path) -> Iterator[None]:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_plain(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is not a regular file")
    return descriptor


def _read_plain(path: Path, cap: int) -> bytes:
    with os.fdopen(_open_plain(path), "rb") as file:
        data = file.read(cap + 1)
    if len(data) > cap:
        raise OSError(f"{path.name} has more than {cap} bytes")
    return data


def _raise(error: OSError) -> None:
    raise error


def _holds_secret(path: Path, redactor: Redactor) -> bool:
    carry = b""
    with os.fdopen(_open_plain(path), "rb") as file:
        while chunk := file.read(_CHUNK):
            carry += chunk
            if redactor.spans(carry):
                return True
            carry = carry[-LONGEST_BYTES:]
    return False


def _redacted(path: Path, redactor: Redactor) -> Iterator[bytes]:
    """The file without secrets, in parts; what begins near the end of a part is seen again with the next."""
    carry = b""
    with os.fdopen(_open_plain(path), "rb") as file:
        while chunk := file.read(_CHUNK):
            carry += chunk
            spans = redactor.spans(carry)
            cut = max(0, len(carry) - LONGEST_BYTES)
            for span in reversed(spans):
                if span.context < cut < span.end:
                    cut = span.context
            yield replace(carry[:cut], [span for span in spans if span.end <= cut])
            carry = carry[cut:]
    yield redactor.redact_bytes(carry)
