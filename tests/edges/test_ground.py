"""The habits of this repository that no tool checks by itself."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PACKAGES = ("gate", "tickstream", "benchmarks", "suites")


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git work tree")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def normal(requirement: str) -> str:
    """The normalised name of the project that a requirement line is about."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


def required() -> set[str]:
    extras = PYPROJECT["optional-dependencies"].values()
    return {normal(line) for line in [*PYPROJECT["dependencies"], *(line for extra in extras for line in extra)]}


def pins() -> list[str]:
    return [line for line in CONSTRAINTS.splitlines() if line and not line.startswith("#")]


def test_every_dependency_is_pinned():
    assert len(required()) > 20
    assert required() <= {normal(line) for line in pins()}


def test_every_pin_is_exact_and_names_no_address():
    assert [line for line in pins() if not re.match(r"[a-z0-9-]+==[\w.]+( ; .+)?$", line)] == []
    assert "://" not in CONSTRAINTS


def test_the_makefile_installs_every_extra():
    (installed,) = re.findall(r"^EXTRAS := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(installed.split(",")) == set(PYPROJECT["optional-dependencies"])


def test_every_module_opens_with_a_paragraph():
    assert len(modules()) > 20
    assert [path for path in modules() if not ast.get_docstring(ast.parse(path.read_bytes()))] == []


def test_every_module_can_be_read_in_one_sitting():
    exempt = {ROOT / "gate" / "model.py"}  # a vocabulary is looked up, not read through
    files = [*modules(), *(ROOT / "tests").rglob("*.py")]
    long = {path: len(path.read_bytes().splitlines()) for path in files if path not in exempt}
    assert {path: lines for path, lines in long.items() if lines > 400} == {}


def test_no_tracked_file_names_a_place_on_somebodys_machine():
    places = re.compile(rb"(?<![\w.])/(?:" + b"|".join([b"wo" + b"rk", b"ro" + b"ot", b"Us" + b"ers"]) + rb")/\w")
    assert [path for path in tracked_files() if places.search(path.read_bytes())] == []
