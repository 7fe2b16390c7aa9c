"""The JUnit file of a tool that is not pytest: out of the way before the start, taken into the evidence afterwards.

A file of an earlier run must never pass for the result of this one, so the declared path is cleared first, and nothing
outside the project's folder is ever removed. What the file says is left to `gate.evidence`.
"""

import os
import shutil
import stat
from pathlib import Path
from typing import Final

from gate.errors import GateError
from gate.execute.command import JUNIT_XML
from gate.model import Suite

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def clear_junit(suite: Suite, project_dir: Path) -> None:
    """Remove what lies at the suite's `junit` path. Raises GateError when that is not the project's to remove."""
    path = _declared(suite, project_dir)
    if path is None:
        return
    if not path.parent.resolve().is_relative_to(project_dir.resolve()):
        hint = "declare a path inside the project"
        raise GateError(f"suite {suite.name}: its JUnit file {suite.junit} lies outside the project", hint=hint)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise GateError(f"suite {suite.name}: {suite.junit} of an earlier run cannot be removed: {reason}") from error


def take_junit(suite: Suite, project_dir: Path, artefact_dir: Path) -> bool:
    """Copy the suite's JUnit file into `artefact_dir` after its end. False, and no copy, without a plain file."""
    path = _declared(suite, project_dir)
    if path is None:
        return False
    try:
        # A pipe or a device must not hold the gate up, a link not lead it elsewhere.
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(source, "rb") as file:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            return False
        with os.fdopen(os.open(artefact_dir / JUNIT_XML, _NEW, 0o600), "wb") as target:
            shutil.copyfileobj(file, target)
    return True


def _declared(suite: Suite, project_dir: Path) -> Path | None:
    return project_dir / suite.junit if suite.command and suite.junit else None
