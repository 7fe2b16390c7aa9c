"""What the journal says first: which interpreter, which pytest, which options are in effect.

Owns the list of options that can make a run look better than it is; the values are recorded as pytest understood them,
after ini files, environment and command line. Judging them is left to `gate.evidence.journal`.
"""

import os
import sys
from typing import Final

import pytest

FORMAT: Final = 1

OPTIONS: Final = (
    *("collectonly", "setupplan", "setuponly", "setupshow", "trace", "usepdb", "debug"),
    *("lf", "failedfirst", "newfirst", "stepwise", "stepwise_skip", "last_failed_no_failures"),
    *("showfixtures", "show_fixtures_per_test", "cacheshow", "help", "version", "markers"),
    *("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "maxfail", "runxfail", "noconftest", "pyargs"),
    *("importmode", "assertmode", "confcutdir", "rootdir", "inifilename", "override_ini", "basetemp", "plugins"),
    *("continue_on_collection_errors", "keepduplicates", "disable_plugin_autoload", "pythonwarnings", "xmlpath"),
    *("reruns", "only_rerun", "rerun_except", "dist", "numprocesses", "maxprocesses", "tx", "count", "timeout"),
)


def start_record(config: pytest.Config, invitation: dict[str, str], worker: str | None) -> dict[str, object]:
    """The first record of a journal."""
    return {
        "k": "start",
        "v": FORMAT,
        "nonce": invitation["nonce"],
        "run": invitation["run"],
        "suite": invitation["suite"],
        "pid": os.getpid(),
        "worker": worker,
        "python": sys.version.split()[0],
        "executable": sys.executable,
        "optimize": sys.flags.optimize,
        "pytest": pytest.__version__,
        "pytest_file": pytest.__file__,
        "plugins": _plugins(config),
        "options": effective_options(config),
        "addopts": [str(word) for word in config.getini("addopts")],
        "args": [str(word) for word in config.invocation_params.args],
        "ini": str(config.inipath) if config.inipath else None,
        "root": str(config.rootpath),
    }


def effective_options(config: pytest.Config) -> dict[str, object]:
    """The watched options as they are now; a plugin may change them at any time."""
    return {name: _plain(getattr(config.option, name)) for name in OPTIONS if hasattr(config.option, name)}


def _plugins(config: pytest.Config) -> dict[str, str]:
    return {dist.project_name: dist.version for _, dist in config.pluginmanager.list_plugin_distinfo()}


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)
