"""A small project in a folder, and `gate` run on it as a child process, the way a user runs it."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

GATE = (sys.executable, "-m", "gate.cli")
GOOD_TEST = """
def test_one(): pass
def test_two(): pass
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one command line did. `record` is empty when none was written."""

    exit_code: int
    stdout: str
    stderr: str
    record: Mapping[str, Any]

    @property
    def decision(self) -> str:
        return str(self.record.get("decision", ""))

    def findings(self, *, bad: bool = True) -> dict[str, str]:
        """Status by finding id, of the whole run; only those that are not PASS unless `bad` is False."""
        every = [*self.record["findings"], *(f for suite in self.record["suites"] for f in suite["findings"])]
        return {f["id"]: f["status"] for f in every if not bad or f["status"] != "PASS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def manifest(self, suite: str = "", rest: str = "") -> None:
        """gates.yaml with one suite `s` over suites/s; `suite` adds keys to it, `rest` top-level keys."""
        body = "version: 1\nproject: p\ndefaults: {timeout: 60s}\nsuites:\n  s:\n    title: S\n    paths: [suites/s]\n"
        body += textwrap.indent(textwrap.dedent(suite).strip("\n"), "    ") + "\n"
        self.write("gates.yaml", body + textwrap.dedent(rest))

    def gate(self, *args: str, env: Mapping[str, str] | None = None, timeout_s: float = 120) -> Run:
        done = subprocess.run(
            [*GATE, *args],
            cwd=self.folder,
            env=self.environment(env),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Run(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr, record=self.record())

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*GATE, *args],
            cwd=self.folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST_", "GATE_", "CI", "GITHUB_"))
        }
        return {**kept, "PROJECT_UNDER_TEST": str(self.folder), **(extra or {})}

    def record(self) -> dict[str, Any]:
        path = self.folder / "reports" / "latest" / "record.json"
        return json.loads(path.read_text("utf-8")) if path.exists() else {}

    def processes(self) -> list[psutil.Process]:
        """Every process that was started, however indirectly, from this project's runs and is still alive."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("PROJECT_UNDER_TEST") == str(self.folder)
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found
