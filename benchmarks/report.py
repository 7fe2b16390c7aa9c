"""How long the report of a big run takes, how large it gets and how soon a browser shows it.

    python -m benchmarks.report [tests]

Each rendering runs in a process of its own, so that the memory it needs can be told. The dossier and the imports are
there before the clock starts, as they are at the end of a run.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = 100_000
# Seconds, MiB of growth and MB of text. Plots start a JavaScript engine and draw up to 40 pictures.
_BUDGETS = {
    "html": (1.0, 64, 3.0),
    "html with plots": (3.0, 160, 3.0),
    "markdown": (1.0, 64, 0.9),
    "junit": (1.0, 64, 20.0),
    "record": (1.0, 64, 3.0),
}
_CHROMIUM_ARGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking")


def measure(tests: int = TESTS) -> list[tuple[str, float, float, str]]:
    """Rows of (what, measured, budget, explanation); less is better."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "report.html")
        for name, (seconds, growth, size) in _BUDGETS.items():
            command = [sys.executable, "-m", "benchmarks.report", "--one", name, str(tests), str(page)]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rows += [
                (f"report, {name}: time", done["seconds"], seconds, f"s for {tests:,} tests"),
                (f"report, {name}: memory", done["growth"], growth, "MiB more than before"),
                (f"report, {name}: size", done["size"], size, "MB"),
            ]
            if name.startswith("html") and shutil.which("chromium"):
                rows.append((f"report, {name}: usable in Chromium", _usable(page), 0.5, "s until laid out"))
    return rows


def _one(name: str, tests: int, file: Path) -> None:
    """Render once and print what it took."""
    from gate.report import html, junit, markdown, record  # noqa: PLC0415  # as a run of gate has them already
    from tests import dossiers  # noqa: PLC0415

    dossier = dossiers.huge(tests)
    renderers = {
        "html": lambda: html.render(dossier, with_plots=False),
        "html with plots": lambda: html.render(dossier),
        "markdown": lambda: markdown.render(dossier),
        "junit": lambda: junit.render(dossier),
        "record": lambda: record.render(dossier),
    }
    before, start = _memory_mib(), time.perf_counter()
    text = renderers[name]()
    seconds = time.perf_counter() - start
    file.write_text(text, encoding="utf-8")
    figures = {"name": name, "seconds": seconds, "growth": _memory_mib() - before, "size": file.stat().st_size / 1e6}
    print(json.dumps(figures))


def _memory_mib() -> float:
    """The most memory this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _usable(page: Path) -> float:
    """Seconds until a browser that already runs has laid the page out."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # a tool of development

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_CHROMIUM_ARGS))
        tab = chromium.new_page()
        tab.goto("about:blank")
        start = time.perf_counter()
        tab.goto(page.as_uri())
        tab.locator("h1").bounding_box()
        seconds = time.perf_counter() - start
        chromium.close()
    return seconds


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        for what, measured, budget, explanation in measure(int(sys.argv[1]) if len(sys.argv) > 1 else TESTS):
            print(f"{what:<44} {measured:>8.3g} of {budget:<5g} {explanation}")
