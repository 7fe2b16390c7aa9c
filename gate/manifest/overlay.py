"""Lays defaults under suites and profiles over them, on plain values; sees no places and judges nothing.

A profile merges mappings, replaces lists and single values, and replaces thresholds metric by metric. Defaults fill in
what a suite leaves out; `env` and `budgets` are filled in by key. Default workers are not for exclusive suites.
"""

from collections.abc import Mapping
from typing import Any, Final

_FILLED_BY_KEY: Final = ("env", "budgets")
# A suite of another tool has no pytest to give these to.
_PYTEST_ONLY: Final = ("workers", "pytest_args")
_READY_KINDS: Final = frozenset({"http", "tcp", "log"})

Plain = Mapping[str, Any]


def with_defaults(defaults: Plain, suite: Plain) -> dict[str, Any]:
    """`suite` with what it leaves out filled in from `defaults`."""
    unused = _PYTEST_ONLY if "command" in suite else ("workers",) if suite.get("isolation") == "exclusive" else ()
    filled = {key: value for key, value in defaults.items() if key not in unused}
    filled.update(suite)
    for key in _FILLED_BY_KEY:
        if key in defaults and key in suite:
            filled[key] = {**defaults[key], **suite[key]}
    return filled


def merged(base: Plain, overlay: Plain) -> dict[str, Any]:
    """`base` with `overlay` over it."""
    result = dict(base)
    for key, value in overlay.items():
        result[key] = _merged_value(key, result.get(key), value)
    return result


def _merged_value(key: str, below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    if key == "thresholds":
        return {**below, **above}
    if key == "ready" and _READY_KINDS & above.keys():
        # Another way of being ready takes the place of the one below; two at once would contradict each other.
        below = {kind: value for kind, value in below.items() if kind not in _READY_KINDS}
    return merged(below, above)
