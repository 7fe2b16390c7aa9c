"""Files and options → manifest, selection and plan.

Reads the manifest and the durations of earlier runs, and writes nothing.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gate import manifest as declared
from gate import plan as planning
from gate import store
from gate.errors import GateError, UsageError
from gate.evidence.files import NotRegular, TooLarge, read_regular
from gate.manifest import duration_s as duration_s_of
from gate.model import Manifest, Plan, Selection

_MAX_BYTES: Final = 1 << 20
_RUNS_LOOKED_AT: Final = 10

categories = planning.all_categories
describe = planning.describe


def load(path: Path, profile: str | None = None) -> Manifest:
    """The manifest in `path` with `profile` laid over it.

    Raises UsageError when there is no such file, ManifestError with every problem of a bad one.
    """
    return declared.read(_read(path), str(path), profile)


def _read(path: Path) -> bytes:
    try:
        return read_regular(path.resolve(strict=True), _MAX_BYTES)
    except FileNotFoundError as error:
        hint = "name it with -c FILE, or write a first one with `gate init`"
        raise UsageError(f"there is no manifest {path}", hint=hint) from error
    except (NotRegular, TooLarge, OSError) as error:
        raise UsageError(
            f"the manifest {path} cannot be read: {error}", hint="it is a plain file of at most 1 MiB"
        ) from error


def digest(path: Path) -> str:
    """sha256 of the manifest as it is now; empty when it cannot be read any more."""
    try:
        return hashlib.sha256(_read(path)).hexdigest()
    except UsageError:
        return ""


def selection(
    *,
    suites: tuple[str, ...] = (),
    categories: tuple[str, ...] = (),
    keyword: str | None = None,
    duration: str | None = None,
    jobs: int | None = None,
    fail_fast: bool = False,
) -> Selection:
    """The options of the command line as a Selection. Raises UsageError for a duration that is none."""
    duration_s = None
    if duration is not None:
        try:
            duration_s = duration_s_of(duration)
        except ValueError as error:
            raise UsageError(f"--duration {duration}: {error}", hint="e.g. --duration 60s, --duration 4h") from error
    return Selection(
        suites=suites,
        categories=categories,
        keyword=keyword,
        duration_s=duration_s,
        jobs=jobs or len(os.sched_getaffinity(0)),
        fail_fast=fail_fast,
    )


def plan(manifest: Manifest, chosen: Selection, *, root: Path) -> Plan:
    """What will run. Expected durations come from the newest runs under `root` that ran the suites whole."""
    return planning.make_plan(manifest, chosen, durations(root))


def durations(root: Path) -> Mapping[str, float]:
    """Seconds that each suite took when it last ran whole and passed, from the newest records under `root`."""
    seen: dict[str, float] = {}
    for run_id in store.runs(root)[:_RUNS_LOOKED_AT]:
        try:
            record = store.open_run(root, run_id).read_record()
        except GateError:
            continue  # an unfinished run says nothing about durations, and is no reason to stop
        for suite in record.suites:
            if suite.narrowed_by is None and suite.started_at is not None:
                seen.setdefault(suite.name, suite.duration_s)
    return seen
