"""What README.md tells is so."""

import re
from pathlib import Path

import pytest

from gate import manifest, verdict
from gate.commands import gate

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    """The first column of the table whose heading begins with `heading`."""
    table = README.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [line.split("|")[1] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name):
    document = ROOT / name
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_manifest_shown_is_a_manifest():
    shown = README.split("```yaml\n", 1)[1].split("```", 1)[0]
    read = manifest.read(shown.encode(), "README.md", None)
    assert [threshold.source for threshold in read.suites[0].thresholds] == ["p95 < 50 ms", "total == 0"]


def test_the_commands_shown_are_those_there_are():
    shown = {re.findall(r"`gate (\w+)", cell)[0] for cell in first_cells("command")}
    assert shown == set(gate.commands)


def test_the_options_of_run_shown_are_those_there_are():
    shown = {option for cell in first_cells("option") for option in re.findall(r"(?<=`)--?[a-z-]+(?=[` ])", cell)}
    there = {parameter.opts[0] for parameter in gate.commands["run"].params}
    assert shown == there


def test_every_exit_code_of_a_decision_is_shown():
    shown = {int(number) for cell in first_cells("exit code") for number in re.findall(r"\d+", cell)}
    assert shown == {*verdict.EXIT_CODES.values(), verdict.EXIT_REQUIRE_CLEAN, 2, 70, 130, 143}
