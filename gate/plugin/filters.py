"""Warnings that count are heard even where the project ignores them; where it makes them errors, they stay errors.

A project's filter that would silence one of them is followed by the same filter with the action `always`, restricted to
the warnings that count. Options on the command line could not do this: they would beat an `error` as well. Loaded by
the gate alone (`-p gate.plugin.filters`), in the main process and, by xdist, in each worker.
"""

import importlib
from collections.abc import Iterator
from typing import Final

import pytest

from gate.plugin.alarms import BEGINNINGS, CATEGORIES

_HEARD: Final = frozenset({"error", "always", "all"})


@pytest.hookimpl(trylast=True)  # a conftest may add filters of its own
def pytest_configure(config: pytest.Config) -> None:
    for line in tuple(config.getini("filterwarnings")):
        for louder in louder_filters(line, literal=False):
            config.addinivalue_line("filterwarnings", louder)
    given = config.known_args_namespace.pythonwarnings
    if given:
        given.extend([louder for line in given for louder in louder_filters(line, literal=True)])


def louder_filters(line: str, *, literal: bool) -> Iterator[str]:
    """`line` again, so that the project's own order is kept, and after it what makes it louder.

    Its message is the literal beginning of a warning's on the command line, elsewhere a regex.
    """
    yield line
    action, message, category, *rest = [part.strip() for part in (*line.split(":"), "", "")]
    if action in _HEARD:
        return
    silenced = _class(category)
    place = ":".join(rest[:2]).rstrip(":")
    for counted in _counted():
        if issubclass(counted, silenced):
            yield f"always:{message}:pytest.{counted.__name__}:{place}"
    for name, beginning in BEGINNINGS:
        narrowed = _narrowed(message, beginning, literal=literal) if issubclass(_class(name), silenced) else None
        if narrowed is not None:
            yield f"always:{narrowed}:{name}:{place}"


def _counted() -> Iterator[type[Warning]]:
    for name in sorted(CATEGORIES):
        found = getattr(pytest, name, None)  # some are of newer or older versions only
        if found is not None:
            yield found


def _narrowed(message: str, beginning: str, *, literal: bool) -> str | None:
    """`message` where it speaks of a warning that begins like this; None where it cannot."""
    if not literal:
        return f"(?={beginning}){message}"
    longer = max(message, beginning, key=len)
    return longer if longer.startswith(message) and longer.startswith(beginning) else None


def _class(name: str) -> type[Warning]:
    """The category of a filter. One that cannot be found is pytest's to complain about; here it silences nothing."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module or "builtins"), attribute) if name else Warning
    except (ImportError, AttributeError):
        return _Unknown
    return found if isinstance(found, type) and issubclass(found, Warning) else _Unknown


class _Unknown(Warning):
    """A category that no warning belongs to."""
