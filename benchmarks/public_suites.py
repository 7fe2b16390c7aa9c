"""Test suites of public packages, run by bare pytest and by gate: both must count the same, and green must be GO.

`python -m benchmarks.public_suites [NAME]…` downloads each package's sdist by name and pinned version with pip, gives
it an environment of its own with gate installed from this source tree, runs `pytest`, `gate init`, `gate init --run`,
`gate check` and `gate run` on it, unmodified, and prints one table. It needs a package index and some minutes, so it
has no `measure()` and is no part of `make bench`, of the tests or of `make gate`.

Exits 1 when a count differs or a suite that is green under bare pytest does not come out GO.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_COUNTED: Final = ("passed", "failed", "errors", "skipped", "xfailed", "xpassed", "deselected")
_SUMMARY: Final = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed|deselected)\b")
_TIMEOUT_S: Final = 900
_OK: Final = (0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One public suite. `paths` are given to `gate init` only where it does not find the tests by itself.

    `pytest_args` and `budgets` go into the defaults of the manifest that it wrote; it measures without them.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    tests: str = "tests"
    workers: int = 0
    pytest_args: tuple[str, ...] = ()
    budgets: str = ""


PACKAGES: Final = (
    Package(name="attrs", version="26.1.0", requires=("hypothesis", "cloudpickle", "pympler"), workers=2),
    Package(name="click", version="8.5.1"),
    Package(name="h11", version="0.16.0", paths=("h11",), tests="h11"),
    Package(name="jinja2", version="3.1.6", requires=("trio",)),
    Package(
        name="jsonschema",
        version="4.26.0",
        requires=("jsonpath-ng", "pip"),
        paths=("jsonschema",),
        tests="jsonschema",
    ),
    Package(name="markdown-it-py", version="4.3.0", requires=("linkify-it-py", "pytest-regressions", "pytest-timeout")),
    Package(
        name="more-itertools",
        version="11.2.1",
        paths=("more_itertools", "tests/test_recipes.py"),
        tests="more_itertools tests/test_recipes.py",
        pytest_args=("--doctest-modules",),
        budgets="{skipped: 5}",
    ),
    Package(
        name="packaging", version="26.3", requires=("hypothesis", "pip", "pretend", "tomli_w", "coverage"), workers=2
    ),
    Package(name="pluggy", version="1.7.0", requires=("pytest-benchmark",), tests="testing"),
    Package(
        name="structlog",
        version="26.1.0",
        requires=("pytest-asyncio", "pytest-randomly", "simplejson", "time-machine"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came out of one package. `hidden` counts test files that a conftest keeps from being collected: gate counts
    them as deselected, pytest not at all. `notes` says what went wrong, and which findings kept a GO away.
    """

    package: Package
    bare: dict[str, int]
    gate: dict[str, int]
    decision: str
    notes: tuple[str, ...] = ()
    hidden: int = 0
    budgets: str = ""

    @property
    def equal(self) -> bool:
        return self.bare == self.gate

    @property
    def good(self) -> bool:
        green = not self.bare.get("failed") and not self.bare.get("errors")
        return self.equal and not self.notes and (self.decision == "GO") == green


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a package is tried: its unpacked sdist and its environment."""

    source: Path
    environment: Path
    troubles: list[str] = field(default_factory=list)

    def run(self, *argv: str, allowed: Iterable[int] = _OK) -> str:
        """Standard output and error of a program of the environment; an exit status not allowed is a trouble."""
        command = [str(self.environment / "bin" / argv[0]), *argv[1:]]
        done = subprocess.run(
            command,
            cwd=self.source,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode not in allowed:
            last = "\n".join(done.stdout.splitlines()[-15:])
            self.troubles.append(f"{' '.join(argv)} ended with {done.returncode}: {last}")
        return done.stdout


def try_package(package: Package, folder: Path) -> Seen:
    """Download, install, run both ways."""
    place = _prepare(package, folder)
    bare = _bare(package, place)
    place.run("gate", "init", *package.paths)
    place.run("gate", "check")
    place.run("gate", "init", *package.paths, "--force", "--run")
    manifest = place.source / "gates.yaml"
    manifest.write_text(_with_defaults(manifest.read_text("utf-8"), package), "utf-8")
    place.run("gate", "check")
    place.run("gate", "run", allowed=(0, 10, 11))
    record = _record(place)
    hidden = _hidden_files(place.source / "reports/latest/suites")
    counted = {name: sum(suite["tests"][name] for suite in record["suites"]) for name in _COUNTED}
    counted["deselected"] -= hidden
    return Seen(
        package=package,
        bare=bare,
        gate=counted,
        hidden=hidden,
        decision=record["decision"],
        notes=(*place.troubles, *(_bad(record) if not bare["failed"] + bare["errors"] else ())),
        budgets=" ".join(line.strip() for line in manifest.read_text("utf-8").splitlines() if " budgets:" in line),
    )


def _prepare(package: Package, folder: Path) -> _Place:
    """An environment with gate, the package and what its tests need, and its sdist unpacked."""
    place = _Place(folder, folder / "environment")
    venv.create(place.environment, with_pip=True)
    pinned = f"{package.name}=={package.version}"
    quiet = ("python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    place.run(*quiet, "download", "--no-deps", "--no-binary", package.name, "--dest", str(folder), pinned)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    source = sdist.with_name(sdist.name.removesuffix(".tar.gz"))
    place.run(*quiet, "install", str(_ROOT), str(source), *package.requires)
    return _Place(source, place.environment, place.troubles)


def _record(place: _Place) -> dict[str, Any]:
    """What `gate run` decided. Raises RuntimeError with what went wrong before, when there is none."""
    try:
        record: dict[str, Any] = json.loads((place.source / "reports/latest/record.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise RuntimeError("\n".join(place.troubles)) from error
    return record


def _hidden_files(suites: Path) -> int:
    """How many of the ids told as deselected are files."""
    records = (json.loads(line) for path in suites.glob("*/journal*.jsonl") for line in path.open(encoding="utf-8"))
    return len({id_ for record in records if record["k"] == "deselected" for id_ in record["ids"] if "::" not in id_})


def _bare(package: Package, place: _Place) -> dict[str, int]:
    spread = ("-n", str(package.workers)) if package.workers else ()
    arguments = (*package.tests.split(), *package.pytest_args, *spread)
    counted = summary(place.run("pytest", *arguments, allowed=(0, 1)))
    if package.workers:  # pytest-xdist does not tell what its workers deselected
        counted |= {"deselected": _deselected(package, place)}
    return counted


def _deselected(package: Package, place: _Place) -> int:
    arguments = (*package.tests.split(), *package.pytest_args, "--collect-only", "-q")
    return summary(place.run("pytest", *arguments))["deselected"]


def summary(output: str) -> dict[str, int]:
    """The counts in the last line of what pytest printed."""
    counted = dict.fromkeys(_COUNTED, 0)
    for number, what in _SUMMARY.findall(output.rstrip().rpartition("\n")[2]):
        counted["errors" if what == "error" else what] = int(number)
    return counted


def _with_defaults(text: str, package: Package) -> str:
    """The manifest that `gate init` wrote, with the workers and arguments of `package` in its defaults."""
    more = f", workers: {package.workers}" if package.workers else ""
    more += f", pytest_args: [{', '.join(package.pytest_args)}]" if package.pytest_args else ""
    more += f", budgets: {package.budgets}" if package.budgets else ""
    return text.replace("defaults: {timeout: 10m", "defaults: {timeout: 10m" + more, 1)


def _bad(record: dict[str, Any]) -> tuple[str, ...]:
    """The findings that a green suite must not have."""
    findings = [*record["findings"], *(finding for suite in record["suites"] for finding in suite["findings"])]
    return tuple(
        f"{found['status']} {found['id']}: {found['reason']}" for found in findings if found["status"] != "PASS"
    )


def _environment() -> dict[str, str]:
    """As it is, but without what belongs to the Python that runs this, or to another pytest."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST_", "VIRTUAL_ENV"))}


def table(seen: Sequence[Seen]) -> str:
    """One row per package in Markdown; where both ways count the same, the count stands there once."""
    columns = ("package", "workers", *_COUNTED, "files hidden", "decision")
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for one in seen:
        cells = [
            str(one.bare[name]) if one.bare[name] == one.gate[name] else f"{one.bare[name]} ≠ {one.gate[name]}"
            for name in _COUNTED
        ]
        title = f"{one.package.name} {one.package.version}"
        lines.append(
            f"| {title} | {one.package.workers} | " + " | ".join(cells) + f" | {one.hidden} | {one.decision} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.public_suites", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these packages")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work there, and leave everything in place")
    options = parser.parse_args(argv)
    unknown = set(options.names) - {package.name for package in PACKAGES}
    if unknown:
        parser.error(f"no package {', '.join(sorted(unknown))}")
    chosen = [package for package in PACKAGES if not options.names or package.name in options.names]
    with tempfile.TemporaryDirectory(prefix="public-suites-") as scratch:
        seen = [_one(package, (options.keep or Path(scratch)) / package.name) for package in chosen]
    print(table(seen))
    return 0 if all(one.good for one in seen) else 1


def _one(package: Package, folder: Path) -> Seen:
    folder.mkdir(parents=True)
    one = try_package(package, folder)
    print(f"{package.name}: {one.decision}", *one.notes, one.budgets, sep="\n  ", file=sys.stderr)
    return one


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
