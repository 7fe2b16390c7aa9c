"""`gate init`: a first manifest for tests that are already there.

Finds the tests the way pytest would, gives every folder a suite, and, when asked to measure, runs them once with open
budgets and writes down what was seen: how many tests pass, and what must be tolerated today. The text it writes is read
back through the same reader as any manifest, so what it writes is never refused later.
"""

import configparser
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any, Final

from gate import manifest as declared
from gate.errors import UsageError
from gate.model import Record, Selection, SuiteResult
from gate.protocols import Progress
from gate.run import declaration, release

_USUAL: Final = ("tests", "test", "suites", "src/tests")
_TOLERATED: Final = ("skipped", "xfailed", "xpassed", "deselected", "flaky", "warnings", "leaks")
_HEAD: Final = """\
# What must hold before a release. `gate check` checks this file, `gate run` decides.
version: 1
project: {project}
defaults: {{timeout: 10m}}
suites:
"""


def write_manifest(config: Path, paths: tuple[str, ...], *, force: bool, measured: bool, progress: Progress) -> str:
    """Write `config` and return a sentence about it. Raises UsageError when it exists or no tests are found."""
    if config.exists() and not force:
        raise UsageError(f"{config} is already there", hint="--force replaces it")
    folder = config.resolve().parent
    found = paths or _test_paths(folder)
    missing = [path for path in found if not (folder / path).exists()]
    if missing or not found:
        what = f"there is no {missing[0]}" if missing else f"no tests were found in {folder}"
        raise UsageError(what, hint="name the folders with tests: gate init tests/unit tests/integration")
    results = _measure(config, found, progress) if measured else {}
    text = _text(folder.name, {path: results.get(_name(path)) for path in found})
    declared.read(text.encode(), str(config))
    config.write_text(text, encoding="utf-8")
    return (
        f"wrote {config} with {len(found)} suites; next: gate run"
        if len(found) > 1
        else f"wrote {config}; next: gate run"
    )


def _test_paths(folder: Path) -> tuple[str, ...]:
    for declared_paths in (_from_toml(folder), _from_ini(folder)):
        existing = tuple(path for path in declared_paths if (folder / path).exists())
        if existing:
            return existing
    return next(((path,) for path in _USUAL if (folder / path).is_dir()), ())


def _from_toml(folder: Path) -> tuple[str, ...]:
    """From the first file that says something; pytest 9 reads plain TOML beside its older `ini_options`."""
    native, project = _toml(folder / "pytest.toml").get("pytest", {}), _toml(folder / "pyproject.toml")
    inside = project.get("tool", {}).get("pytest", {})
    for options in (native, inside, inside.get("ini_options", {})):
        if testpaths := options.get("testpaths"):
            return tuple(testpaths.split() if isinstance(testpaths, str) else map(str, testpaths))
    return ()


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def _from_ini(folder: Path) -> tuple[str, ...]:
    for name, section in (("pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(folder / name, encoding="utf-8")
        except configparser.Error:
            continue
        if testpaths := parser.get(section, "testpaths", fallback=""):
            return tuple(testpaths.split())
    return ()


def _name(path: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_")
    return slug[:64] or "tests"


def _text(project: str, suites: dict[str, SuiteResult | None]) -> str:
    return _HEAD.format(project=_quoted(project)) + "".join(_suite(path, seen) for path, seen in suites.items())


def _suite(path: str, seen: SuiteResult | None) -> str:
    lines = [f"  {_name(path)}:", f"    paths: [{_quoted(path)}]", f"    categories: [{_name(Path(path).name)}]"]
    if seen is None:
        lines.append("    min_tests: 1  # how many tests must pass at least; `gate init --run` counts them")
        return "\n".join(lines) + "\n"
    lines.append(f"    min_tests: {max(1, seen.tests.passed)}")
    tolerated = _needed_budgets(seen)
    if tolerated:
        lines.append("    # What the tests did when this file was written. Bring each of these down to 0.")
        lines.append("    budgets: {" + ", ".join(f"{name}: {count}" for name, count in tolerated.items()) + "}")
    return "\n".join(lines) + "\n"


def _needed_budgets(seen: SuiteResult) -> dict[str, int]:
    observed = {
        finding.id.rpartition("/")[2]: finding.observed for finding in seen.findings if "/budget/" in finding.id
    }
    return {name: int(observed[name] or 0) for name in _TOLERATED if int(observed.get(name) or 0) > 0}


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text) else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _measure(config: Path, paths: tuple[str, ...], progress: Progress) -> dict[str, SuiteResult]:
    """Run the tests once under open budgets; what was seen by suite name."""
    openly = "{" + ", ".join(f"{name}: any" for name in _TOLERATED) + "}"
    text = _text(config.resolve().parent.name, dict.fromkeys(paths)).replace(
        "defaults: {timeout: 10m}", f"defaults: {{timeout: 1h, budgets: {openly}}}"
    )
    with tempfile.TemporaryDirectory(prefix="gate-init-") as scratch:
        # A file, because a run looks at its end whether the manifest is still the same.
        draft, root = Path(scratch) / "gates.yaml", Path(scratch) / "reports"
        draft.write_text(text, encoding="utf-8")
        plan = declaration.plan(declaration.load(draft), Selection(jobs=1), root=root)
        record = release.run(plan, project_dir=config.resolve().parent, root=root, progress=progress)
    return _by_name(record)


def _by_name(record: Record) -> dict[str, SuiteResult]:
    return {suite.name: suite for suite in record.suites}
