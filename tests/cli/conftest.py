"""Projects for whole runs; after each test no process of its project may be left."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.projects import GOOD_TEST, Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(folder=tmp_path)
    made.write("suites/s/test_s.py", GOOD_TEST)
    made.manifest()
    yield made
    left = made.processes()
    assert not left, f"left running: {left}"
