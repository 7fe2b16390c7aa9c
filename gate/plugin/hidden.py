"""What collection passes over: files with tests that are ignored, and declared paths in which there is no test.

Owns the distinction between what nobody takes for a test (caches, hidden folders, whatever pytest skips by default) and
what `--ignore`, `collect_ignore`, `norecursedirs` or a hook of a conftest keeps from being collected. The latter is
deselected as much as a test that `--deselect` names, and is told so.
"""

import os
from collections.abc import Generator, Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

# What pytest does not enter unless it is told to.
_NEVER: Final = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}", "__pycache__")


class Hidden:
    """Hooks of its own, registered beside the observer's. `paths` are relative to pytest's root, in order."""

    def __init__(self, config: pytest.Config) -> None:
        self.paths: dict[str, None] = {}
        self._config = config
        self._root = config.rootpath
        self._answered: set[Path] = set()  # modules that were skipped or could not be imported
        self._patterns = [str(pattern) for pattern in config.getini("python_files")]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> Generator[None, bool | None, bool | None]:
        ignored = yield
        if ignored and self._has_tests(collection_path):
            self.paths[os.path.relpath(collection_path, self._root)] = None
        return ignored

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome != "passed":
            self._answered.add(self._root / report.nodeid.split("::")[0])

    def empty_arguments(self, collected: Iterable[Path]) -> list[str]:
        """The paths pytest was given under which nothing was collected, skipped, ignored or broken."""
        if self._config.option.pyargs:
            return []  # they are names of modules
        answered = {*collected, *self._answered, *(self._root / path for path in self.paths)}
        known = {os.path.abspath(parent) for path in answered for parent in (path, *path.parents)}  # noqa: PTH100
        base = self._config.invocation_params.dir
        return [arg for arg in self._config.args if os.path.abspath(base / arg.split("::")[0]) not in known]  # noqa: PTH100

    def _has_tests(self, path: Path) -> bool:
        if path.is_file():
            return self._is_test(path.name)
        if any(fnmatch(path.name, pattern) for pattern in _NEVER) or (path / "pyvenv.cfg").exists():
            return False
        return any(self._is_test(name) for _, _, names in os.walk(path) for name in names)

    def _is_test(self, name: str) -> bool:
        return name.endswith(".py") and any(fnmatch(name, pattern) for pattern in self._patterns)
