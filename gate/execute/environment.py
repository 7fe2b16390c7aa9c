"""The environment of a child: what the gate was started with, without what would change how Python and pytest behave.

Owns the list of what is dropped and the names of what is added. Pure: the environment arrives as an argument. Nothing
is inherited besides the result.
"""

import os.path
from collections.abc import Mapping
from typing import Final

_DROPPED: Final = frozenset({"LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "__PYVENV_LAUNCHER__"})
_DROPPED_PREFIXES: Final = ("PYTEST_", "GATE_", "PYTHON")
# Of the many variables of Python these change no result: text encoding, hash seed, where packages of the user are.
_PYTHON_KEPT: Final = frozenset(
    {"PYTHONHASHSEED", "PYTHONIOENCODING", "PYTHONNOUSERSITE", "PYTHONUNBUFFERED", "PYTHONUSERBASE", "PYTHONUTF8"}
)


def clean(environ: Mapping[str, str], *, python: str) -> dict[str, str]:
    """`environ` without what alters Python, pytest or the loader; `python`'s folder comes first on PATH."""
    kept = {name: value for name, value in environ.items() if not _is_dropped(name)}
    folder = os.path.dirname(python)  # noqa: PTH120 - text in, text out
    others = [part for part in kept.get("PATH", os.defpath).split(os.pathsep) if part and part != folder]
    kept["PATH"] = os.pathsep.join([folder, *others])
    return kept


def _is_dropped(name: str) -> bool:
    if name in _PYTHON_KEPT:
        return False
    return name in _DROPPED or name.startswith(_DROPPED_PREFIXES)


def invitation(*, run_id: str, suite: str, nonce: str, artefact_dir: str, duration_s: float | None) -> dict[str, str]:
    """What tells the plugin, or another tool, for whom it runs. `duration_s` is what a soak is to last, if declared."""
    variables = {"GATE_NONCE": nonce, "GATE_RUN": run_id, "GATE_SUITE": suite, "GATE_DIR": artefact_dir}
    return variables if duration_s is None else variables | {"GATE_DURATION": f"{duration_s:.10g}"}
