"""The seal on a suite's evidence: what was there, byte for byte, when the gate had finished with it.

Owns `seal.json`, which lists size and sha256 of every file below a directory. Promises that a missing, extra, changed
or linked file, or a missing or broken seal, is told by name. A seal does not stop someone who can write the directory
from sealing it anew; proof against that is a signature over the record.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gate.durable import write_atomic
from gate.evidence.files import read_regular
from gate.model import Check, Status

CHECKS: Final = ("seal/intact",)
NAME: Final = "seal.json"
_SCHEMA: Final = "gate.seal/1"
_SEAL_CAP: Final = 16 << 20
_CHUNK: Final = 1 << 20
_NAMED: Final = 5


def seal(directory: Path) -> None:
    """Write the seal of everything below `directory`. Raises OSError, also when something there is no plain file."""
    files = {}
    for name, path in _entries(directory):
        files[name] = _fingerprint(path)
    content = {"schema": _SCHEMA, "files": files}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n"
    write_atomic(directory / NAME, text.encode())


def check_seal(directory: Path) -> Check:
    """Whether everything below `directory` is what was sealed. Raises nothing."""
    try:
        sealed = _read(directory / NAME)
    except FileNotFoundError:
        return _broken(Status.MISSING, f"no {NAME}: the evidence was never finished")
    except (OSError, ValueError, RecursionError) as error:
        return _broken(Status.ERROR, f"{NAME} cannot be read: {error}")
    try:
        differences = tuple(_differences(directory, sealed))
    except OSError as error:
        return _broken(Status.ERROR, f"the sealed files cannot be read: {error}")
    if differences:
        more = f" and {len(differences) - _NAMED} more" if len(differences) > _NAMED else ""
        return _broken(Status.ERROR, ", ".join(differences[:_NAMED]) + more)
    return Check(name=CHECKS[0], rule="R21", status=Status.PASS, reason=f"{len(sealed)} files as sealed")


def _broken(status: Status, reason: str) -> Check:
    return Check(name=CHECKS[0], rule="R21", status=status, reason=reason)


def _read(path: Path) -> dict[str, list[object]]:
    content = json.loads(read_regular(path, _SEAL_CAP))
    if not isinstance(content, dict) or content.keys() != {"schema", "files"} or content["schema"] != _SCHEMA:
        raise ValueError(f"it is no {_SCHEMA}")
    files = content["files"]
    if not isinstance(files, dict) or not all(isinstance(entry, list) and len(entry) == 2 for entry in files.values()):
        raise ValueError("its list of files is malformed")
    return files


def _differences(directory: Path, sealed: dict[str, list[object]]) -> Iterator[str]:
    there = dict(_entries(directory))
    for name in sorted(sealed.keys() | there.keys()):
        if name not in there:
            yield f"{name} is missing"
        elif name not in sealed:
            yield f"{name} is extra"
        else:
            try:
                now = _fingerprint(there[name])
            except _NotPlain as error:
                yield str(error)
                continue
            if now != sealed[name]:
                yield f"{name} is changed"


class _NotPlain(OSError):
    """A link, pipe or device where only files belong."""


def _entries(directory: Path) -> Iterator[tuple[str, Path]]:
    """Everything below `directory` that is no directory, but the seal itself, by its name relative to it."""
    for parent, folders, files in os.walk(directory, onerror=_raise):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        for name in (*files, *links):
            path = Path(parent) / name
            relative = path.relative_to(directory).as_posix()
            if relative != NAME:
                yield relative, path


def _raise(error: OSError) -> None:
    raise error


def _fingerprint(path: Path) -> list[object]:
    """[size in bytes, sha256] of a plain file."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _NotPlain(f"{path.name} cannot be opened as a plain file ({error.strerror})") from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise _NotPlain(f"{path.name} is not a regular file")
        digest, size = hashlib.sha256(), 0
        while chunk := os.read(file, _CHUNK):
            digest.update(chunk)
            size += len(chunk)
    finally:
        os.close(file)
    return [size, digest.hexdigest()]
