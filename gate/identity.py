"""What was decided on and where: the commit and its state, and the facts of the machine.

Owns the calls of `git` and the reading of versions. Promises that nothing of the environment can redirect or extend
those calls (no `GIT_*`, no fsmonitor command, no lock, no prompt, a deadline), that a directory without git is an
answer and no error, and that no value of an environment variable is ever among the facts. Whether two identities
differ is left to `gate.judge`.
"""

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gate import __version__
from gate.model import Identity

CHANGED_CAP: Final = 50
_TIMEOUT_S: Final = 60.0
_GIT: Final = ("git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
_STATUS: Final = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=none")
_CI_SYSTEMS: Final = {
    "GITHUB_ACTIONS": "GitHub Actions",
    "GITLAB_CI": "GitLab CI",
    "JENKINS_URL": "Jenkins",
    "BUILDKITE": "Buildkite",
    "CIRCLECI": "CircleCI",
    "TF_BUILD": "Azure Pipelines",
    "TEAMCITY_VERSION": "TeamCity",
    "BITBUCKET_BUILD_NUMBER": "Bitbucket Pipelines",
    "DRONE": "Drone",
    "TRAVIS": "Travis CI",
    "CI": "unnamed CI",
}


def read_identity(directory: Path) -> Identity:
    """Commit, tree, branch and uncommitted changes of the work tree around `directory`; empty without one.

    A file that git was told to assume unchanged counts as changed, because nothing can be said about it.
    """
    status = _git(directory, *_STATUS)
    if status is None:
        return Identity()
    commit, branch, changed, untracked = _parse_status(status)
    hidden = _git(directory, "ls-files", "-v", "-z", "--full-name", "--", ":/")
    if hidden is not None:
        changed += [entry[2:] for entry in hidden.split("\0") if entry[:1].islower()]
    tree = _git(directory, "rev-parse", "--verify", "--quiet", "HEAD^{tree}") if commit else None
    return Identity(
        commit=commit,
        tree=tree.strip() if tree else None,
        branch=branch,
        dirty=bool(changed or untracked),
        changed=tuple(sorted(set(changed))[:CHANGED_CAP]),
        untracked=tuple(sorted(untracked)[:CHANGED_CAP]),
    )


def environment_facts(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the run happened on, by name. Of the environment only the presence of a CI system's variable is told."""
    env = os.environ if env is None else env
    facts = {
        "gate": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable_flags": f"optimize={sys.flags.optimize} dev_mode={int(sys.flags.dev_mode)}",
        "platform": f"{platform.system()} {platform.machine()}",
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "cores": f"{_usable_cores()} usable of {os.cpu_count() or 0}",
        "memory": _memory(),
        "utc_offset": time.strftime("%z"),
        "pytest": _version("pytest"),
        "pytest_plugins": _plugins(),
    }
    ci = next((name for variable, name in _CI_SYSTEMS.items() if env.get(variable)), None)
    return {name: value for name, value in facts.items() if value} | ({"ci": ci} if ci else {})


def _git(directory: Path, *arguments: str) -> str | None:
    """What git says, None when it cannot say it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
    try:
        done = subprocess.run(
            [*_GIT, *arguments],
            cwd=directory,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "backslashreplace") if done.returncode == 0 else None


def _parse_status(text: str) -> tuple[str | None, str | None, list[str], list[str]]:
    """(commit, branch, changed paths, untracked paths) of `git status --porcelain=v2 --branch -z`."""
    commit, branch, changed, untracked = None, None, [], []
    entries = iter(text.split("\0"))
    for entry in entries:
        if entry.startswith("# branch.oid "):
            commit = entry.removeprefix("# branch.oid ")
        elif entry.startswith("# branch.head "):
            branch = entry.removeprefix("# branch.head ")
        elif entry[:2] in ("1 ", "u ", "2 "):
            fields = {"1": 8, "2": 9, "u": 10}[entry[0]]
            changed.append(entry.split(" ", fields)[fields])
            if entry[0] == "2":
                changed.append(next(entries, ""))  # where it was renamed from
        elif entry.startswith("? "):
            untracked.append(entry[2:])
    return (
        None if commit == "(initial)" else commit,
        None if branch == "(detached)" else branch,
        [path for path in changed if path],
        untracked,
    )


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(names, platform.processor())


def _usable_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 0


def _memory() -> str:
    try:
        size_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return ""
    return f"{size_bytes / 2**30:.1f} GiB"


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _plugins() -> str:
    """Every installed pytest plugin with its version, e.g. `pytest-timeout 2.4.0, pytest-xdist 3.8.0`."""
    found = {
        f"{entry.dist.metadata['Name']} {entry.dist.version}"
        for entry in importlib.metadata.entry_points(group="pytest11")
        if entry.dist is not None
    }
    return ", ".join(sorted(found))
