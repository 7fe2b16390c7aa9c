"""What `gate list` and `gate drill --list` say: the suites and what they promise, the drills and what they expect.

Pure; nothing has been run when it is shown.
"""

from collections.abc import Iterable

from gate.model import Drill, Manifest, Suite
from gate.terminal.screen import Line
from gate.terminal.text import count


def list_suites(manifest: Manifest) -> list[Line]:
    """Every declared suite in two lines: name and title, then what it belongs to, promises and needs."""
    profile = f", profile {manifest.profile}" if manifest.profile else ""
    lines: list[Line] = [
        ((manifest.project, "strong"), (f": {count(len(manifest.suites), 'suite')} in {manifest.file}{profile}", ""))
    ]
    for suite in manifest.suites:
        lines += [((suite.name, "strong"), (f"  {suite.title}", "")), (("    ", ""), (_promises(suite), "faint"))]
    if manifest.profiles:
        lines.append(((f"profiles: {', '.join(manifest.profiles)}", "faint"),))
    return lines


def _promises(suite: Suite) -> str:
    parts = [
        ", ".join(suite.categories) or "no category",
        f"at least {count(suite.min_tests, 'test')}",
        count(len(suite.thresholds), "threshold"),
        f"needs {', '.join(suite.needs)}" if suite.needs else "needs nothing",
    ]
    return " · ".join(parts)


def list_drills(manifest: Manifest, drills: Iterable[Drill]) -> list[Line]:
    """Each of `drills` with the findings that it expects, one to a line."""
    drills = tuple(drills)
    lines: list[Line] = [((manifest.project, "strong"), (f": {count(len(drills), 'drill')} in {manifest.file}", ""))]
    for drill in drills:
        lines.append(((drill.name, "strong"), (f"  only {drill.only}" if drill.only else "", "faint")))
        lines += [(("    expects ", "faint"), (finding, "")) for finding in drill.expect]
    return lines
