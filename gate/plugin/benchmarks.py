"""What pytest-benchmark measured, left where the gate looks for it.

Owns `benchmark.json`, in the form of `--benchmark-json` but with no more than what is read: names and every measured
duration. Written from the plugin's own results, so that the options of the suite stay as they are. Without
pytest-benchmark, or when no benchmark ran, there is no file. What becomes a metric is left to `gate.evidence`.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gate.plugin.journal import FLAGS


def write(config: pytest.Config, directory: Path) -> None:
    """Write the file if any benchmark ran in this process. Raises OSError when it cannot be made."""
    session = config.pluginmanager.get_plugin("pytest-benchmark")
    measured = list(_measured(session)) if session is not None else []
    if not measured:
        return
    with os.fdopen(os.open(directory / "benchmark.json", FLAGS, 0o600), "w", encoding="ascii") as file:
        json.dump({"benchmarks": measured}, file)


def _measured(session: object) -> Iterator[dict[str, Any]]:
    for benchmark in getattr(session, "benchmarks", ()):
        if benchmark:  # false for one that ended with an error
            data = list(benchmark.stats.data)
            yield {"name": benchmark.name, "fullname": benchmark.fullname, "stats": {"data": data}}
