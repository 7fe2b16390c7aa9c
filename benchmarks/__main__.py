"""Runs the benchmarks and prints one table of budgets: what, measured, budget, and whether it is kept.

A benchmark is a module of this folder with `measure() -> list[tuple[what, measured, budget, explanation]]`, where less
is better. Names on the command line choose among them. Exits 1 when a budget is broken or a benchmark broke.
"""

import importlib
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

Row = tuple[str, float, float, str]


def names() -> list[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def table(rows: Iterable[Row]) -> str:
    """The rows as text, aligned; a broken budget is marked."""
    cells = [("what", "measured", "budget", "", "")]
    cells += [
        (what, f"{measured:.4g}", f"{budget:.4g}", "kept" if measured <= budget else "BROKEN", explanation)
        for what, measured, budget, explanation in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    return "\n".join(_line(row, widths) for row in cells)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    what, measured, budget, kept, explanation = row
    numbers = f"{measured:>{widths[1]}}  {budget:>{widths[2]}}"
    return f"{what:<{widths[0]}}  {numbers}  {kept:<{widths[3]}}  {explanation}".rstrip()


def run(name: str) -> list[Row] | None:
    """The rows of one benchmark; None when it broke. A module without `measure` has no rows."""
    began = time.perf_counter()
    try:
        measure: Callable[[], list[Row]] | None = getattr(
            importlib.import_module(f"benchmarks.{name}"), "measure", None
        )
        rows = measure() if measure else []
    except Exception:  # noqa: BLE001  # one broken benchmark does not keep the others from measuring
        traceback.print_exc()
        return None
    print(f"{name}: {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return rows


def main(chosen: list[str]) -> int:
    unknown = set(chosen) - set(names())
    if unknown:
        print(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    results = {name: run(name) for name in chosen or names()}
    rows = [row for found in results.values() for row in found or []]
    print(table(rows))
    broke = [name for name, found in results.items() if found is None]
    if broke:
        print(f"did not measure: {', '.join(broke)}")
    return 1 if broke or any(measured > budget for _, measured, budget, _ in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
