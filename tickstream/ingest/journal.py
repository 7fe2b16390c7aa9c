"""The write-ahead journal: what is in it survives the end of the process at any instant, and of the machine.

A group is written with one `write` and one `fdatasync` and carries its length and CRC-32; groups fill numbered segment
files, and a segment goes when all of it has been applied. A group that the end of the process cut short was never
acknowledged and is cut off on opening; damage anywhere else raises, because it cannot be explained by a crash. What the
groups mean is not known here.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tickstream.faults import Faults

_MAGIC: Final = b"\xf5TJ\xf5"  # 0xf5 occurs neither in UTF-8 nor often by chance; finds groups behind damage
_HEADER: Final = struct.Struct("<4sII")
SEGMENT_BYTES: Final = 16 * 1024 * 1024


class JournalError(Exception):
    """The journal cannot be used: another process holds it, or it is damaged where no crash can have damaged it."""


class Journal:
    """One directory of segments, owned by one process. Raises JournalError on opening, OSError where the disk fails.

    `write` may run in another thread than the rest, one call at a time.
    """

    def __init__(self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES, faults: Faults | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._marker = directory / "lock.marker" if faults is not None and faults.on("stale_lock") else None
        if self._marker is not None:
            _mark(self._marker)
        self._lock = _lock(directory / "lock")
        self._sizes = {int(path.stem): path.stat().st_size for path in sorted(directory.glob("*.log"))}
        self._last = max(self._sizes, default=0)
        self._file = -1
        if self._sizes:
            self._cut_torn_end()
        self._open_segment(self._last + 1)

    @property
    def segment(self) -> int:
        """The number of the segment that groups go to now."""
        return self._last

    @property
    def size_bytes(self) -> int:
        return sum(tuple(self._sizes.values()))

    def write(self, group: bytes) -> None:
        """Append one group; it is durable when this returns. A whole group lies in one segment."""
        if self._sizes[self._last] >= self._segment_bytes:
            self._open_segment(self._last + 1)
        data = memoryview(_HEADER.pack(_MAGIC, len(group), zlib.crc32(group)) + group)
        self._sizes[self._last] += len(data)
        while data:
            data = data[os.write(self._file, data) :]
        os.fdatasync(self._file)

    def replay(self) -> Iterator[bytes]:
        """All groups in the order in which they were written."""
        for number in sorted(self._sizes):
            path = self._path(number)
            data = path.read_bytes()
            end = 0
            for start, end in _groups(data):
                yield data[start:end]
            if end != len(data):
                raise JournalError(f"{path} is damaged at byte {end} of {len(data)}, with whole groups after it")

    def release(self, segment: int) -> None:
        """Remove all segments before number `segment`: what they held has been applied."""
        for number in [number for number in tuple(self._sizes) if number < segment]:
            self._path(number).unlink(missing_ok=True)
            del self._sizes[number]

    def close(self) -> None:
        for file in (self._file, self._lock):
            if file >= 0:
                os.close(file)
        self._file = self._lock = -1
        if self._marker is not None:
            self._marker.unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:012d}.log"

    def _open_segment(self, number: int) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(
            self._path(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        self._last = number
        self._sizes[number] = 0
        directory = os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _cut_torn_end(self) -> None:
        """Only the newest segment can end in a group that was never finished, and only one group can."""
        path = self._path(self._last)
        data = path.read_bytes()
        end = max((end for _, end in _groups(data)), default=0)
        if _is_torn(data[end:]):
            os.truncate(path, end)
            self._sizes[self._last] = end


def _groups(data: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each whole group, up to the first that is not whole."""
    offset = 0
    while span := _group_at(data, offset):
        yield span
        offset = span[1]


def _group_at(data: bytes, offset: int) -> tuple[int, int] | None:
    start = offset + _HEADER.size
    if start > len(data):
        return None
    magic, length, checksum = _HEADER.unpack_from(data, offset)
    end = start + length
    whole = magic == _MAGIC and end <= len(data) and zlib.crc32(data[start:end]) == checksum
    return (start, end) if whole else None


def _is_torn(rest: bytes) -> bool:
    """Whether `rest` can be the trace of one unfinished write: no whole group stands anywhere in it."""
    offset = rest.find(_MAGIC)
    while offset >= 0:
        if _group_at(rest, offset):
            return False
        offset = rest.find(_MAGIC, offset + 1)
    return True


def _lock(path: Path) -> int:
    file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise JournalError(f"{path.parent} is in use by another process") from error
    return file


def _mark(path: Path) -> None:
    """What `stale_lock` does in place of a lock that the system gives up: nothing tells whose file it is."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError as error:
        raise JournalError(f"{path.parent} is in use by another process") from error
