"""The JUnit file of another tool, which lands where the tool puts it: made fresh before, fetched after.

Owns the two steps around a `command` suite. Promises that a file from an earlier run is gone before the tool starts, so
that nothing old can be taken for evidence, and that no link is followed. What the file says is left to `junit`.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

from gate.durable import write_atomic
from gate.errors import GateError
from gate.evidence.files import read_regular

_CAP: Final = 1 << 30


def clear(project_dir: Path, junit: str) -> None:
    """Remove what lies at `junit`. Raises GateError when that is not possible or it lies outside `project_dir`."""
    path = project_dir / junit
    if not path.parent.resolve().is_relative_to(project_dir.resolve()):
        raise GateError(f"junit: {junit} lies outside {project_dir}", hint="name a file inside the project")
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise GateError(f"junit: the old {junit} cannot be removed: {error.strerror or error}") from error


def fetch(project_dir: Path, junit: str, evidence_dir: Path) -> None:
    """Copy what the tool wrote to `junit.xml` beside the other evidence. Nothing there stays nothing."""
    with suppress(FileNotFoundError):
        write_atomic(evidence_dir / "junit.xml", read_regular(project_dir / junit, _CAP))
