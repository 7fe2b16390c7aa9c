"""Strict reading of evidence files.

Owns the way a file that tests could have touched is opened. Promises never to follow a link, never to block on a pipe
or a device, and never to read more than the cap. What the bytes mean is left to the readers of each channel.
"""

import errno
import os
import stat
from pathlib import Path
from typing import Final

MIB: Final = 1024 * 1024


class NotRegular(OSError):
    """The path names a link, a directory, a pipe or a device where a plain file was expected."""


class TooLarge(OSError):
    """The file holds more bytes than the reader is willing to take."""


def read_regular(path: Path, cap: int) -> bytes:
    """The bytes of the regular file `path`, at most `cap` of them.

    Raises FileNotFoundError when nothing is there, NotRegular, TooLarge, or another OSError that names the path.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotRegular(f"{path} is not a regular file") from error
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise NotRegular(f"{path} is not a regular file")
        # One byte more than allowed tells a file that grows while it is read from one that just fits.
        data = _read(fd, cap + 1) if status.st_size <= cap else b""
    finally:
        os.close(fd)
    if status.st_size > cap or len(data) > cap:
        raise TooLarge(f"{path} has more than {cap} bytes")
    return data


def _read(fd: int, most: int) -> bytes:
    parts = []
    while most > 0 and (part := os.read(fd, min(most, MIB))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)
