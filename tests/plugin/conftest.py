"""Real pytest processes with the plugin inside, and what their evidence says."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import gate
from gate.evidence.journal import JournalReading, read_journal
from gate.evidence.metrics import MetricsReading, read_metrics
from gate.model import Status

ROOT = Path(gate.__file__).parents[1]
NONCE = "n-123"


@dataclass(frozen=True)
class Gated:
    """A folder of tests, run as the gate would run it."""

    folder: Path
    evidence: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, text: str, name: str = "test_it.py") -> None:
        (self.folder / name).write_text(textwrap.dedent(text))

    def run(
        self, *args: str, python: tuple[str, ...] = (), plugins: tuple[str, ...] = ("gate.plugin",)
    ) -> subprocess.CompletedProcess[str]:
        """One pytest process, with no plugins but those named; its output is text."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "GATE", "COV"))}
        env = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "GATE_NONCE": NONCE,
            "GATE_DIR": str(self.evidence),
            "GATE_SUITE": "s",
            "GATE_RUN": "r",
            **self.env,
        }
        loaded = [word for plugin in plugins for word in ("-p", plugin)]
        argv = [sys.executable, *python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *loaded, *args]
        return subprocess.run(argv, cwd=self.folder, env=env, text=True, capture_output=True, timeout=60, check=False)

    def journal(self, **planned: object) -> JournalReading:
        return read_journal(self.evidence, NONCE, **planned)  # type: ignore[arg-type]

    def metrics(self) -> MetricsReading:
        journal = self.journal()
        return read_metrics(self.evidence, journal.passed, nonce=NONCE, files=journal.metrics_files)


@pytest.fixture
def gated(tmp_path: Path) -> Gated:
    for name in ("tests", "evidence"):
        (tmp_path / name).mkdir()
    (tmp_path / "tests" / "pytest.ini").write_text("[pytest]\n")
    return Gated(tmp_path / "tests", tmp_path / "evidence")


def broken(reading: JournalReading | MetricsReading) -> Mapping[str, Status]:
    """The checks that did not pass, by the last part of their names."""
    return {check.name.split("/")[1]: check.status for check in reading.checks if check.status is not Status.PASS}


def reason(reading: JournalReading | MetricsReading, check: str) -> str:
    return next(found.reason for found in reading.checks if found.name.endswith("/" + check))
