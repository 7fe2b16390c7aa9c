"""Manifests written by hand, as short as the point of a test allows."""

import pytest

from gate.errors import ManifestError
from gate.manifest import read
from gate.model import Manifest, Suite


def manifest_of(suite: str = "paths: [tests]", more: str = "") -> Manifest:
    return read(f"version: 1\nproject: p\nsuites:\n  a: {{{suite}}}\n{more}".encode(), "gates.yaml")


def suite_of(suite: str, more: str = "") -> Suite:
    return manifest_of(suite, more).suites[0]


def problems_of(suite: str = "paths: [tests]", more: str = "") -> list[str]:
    with pytest.raises(ManifestError) as caught:
        manifest_of(suite, more)
    return [f"{problem.path}: {problem.message} ({problem.hint})" for problem in caught.value.problems]
