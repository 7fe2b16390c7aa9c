"""Writing a file whole or not at all.

Owns the one way in which a file of a run comes into being: a private temporary file beside it, fsync, rename, fsync of
the directory. Promises that a reader, or a machine after a power cut, sees the old content or the new and nothing
between, and that a link in the place of the file is replaced, never followed. Which files there are is left to others.
"""

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def write_atomic(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`, mode 0600, durably. Raises OSError, and then `path` is as it was."""
    write_atomic_parts(path, (data,))


def write_atomic_parts(path: Path, parts: Iterable[bytes]) -> None:
    """As `write_atomic`, for content that comes in parts."""
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        temporary = f".{path.name}.{secrets.token_hex(6)}.tmp"
        try:
            _write_new(temporary, parts, directory)
            os.rename(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            _remove(temporary, directory)
            raise
        os.fsync(directory)
    finally:
        os.close(directory)


def _write_new(name: str, parts: Iterable[bytes], directory: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)


def _remove(name: str, directory: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
