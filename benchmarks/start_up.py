"""How long the program takes to begin: `gate --version` and `gate list` beside the least that Python and pytest need.

All four are started in turns, so that a machine that gets slower gets slower for all of them; medians are compared.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

_ROUNDS = 15
_ROOT = Path(__file__).resolve().parent.parent
_GATE = str(Path(sys.executable).parent / "gate")
_COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "version": [_GATE, "--version"],
    "pytest": [sys.executable, "-m", "pytest", "--version"],
    "list": [_GATE, "list", "-c", str(_ROOT / "gates.yaml")],
}


def _environment() -> dict[str, str]:
    """As it is, but with byte code kept, and pytest without the plugins that happen to be installed."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return env | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def _once(argv: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, cwd=_ROOT, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    return time.perf_counter() - began


def medians() -> dict[str, float]:
    """Seconds per command, medians over interleaved rounds; the first round only warms up."""
    taken: dict[str, list[float]] = {name: [] for name in _COMMANDS}
    for number in range(_ROUNDS + 1):
        for name, argv in _COMMANDS.items():
            elapsed = _once(argv)
            if number:
                taken[name].append(elapsed)
    return {name: statistics.median(times) for name, times in taken.items()}


def measure() -> list[tuple[str, float, float, str]]:
    found = medians()
    shown = {name: f"{seconds * 1000:.0f} ms" for name, seconds in found.items()}
    return [
        (
            "gate --version",
            found["version"] / found["python"],
            3.0,
            f"× python -c pass ({shown['version']}, {shown['python']})",
        ),
        ("gate list", found["list"] / found["pytest"], 2.0, f"× pytest --version ({shown['list']}, {shown['pytest']})"),
    ]


def main() -> None:
    for what, measured, budget, explanation in measure():
        print(f"{what}: {measured:.2f} (budget {budget:g}) {explanation}")


if __name__ == "__main__":
    main()
