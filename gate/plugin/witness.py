"""What really happened inside a phase, seen where no other hook can hide it.

Owns the innermost wrappers around set-up, call and tear-down: an exception passes here first, before a hook further out
can swallow it. Where another plugin answers for the call itself, it is also seen whether the test's function was called
at all. What a fixture or the test does with its own exceptions cannot be seen from here.
"""

import inspect
import sys
from collections.abc import Generator
from functools import wraps
from types import MethodType
from typing import Any, Final

import pytest

_OWN: Final = "python"  # pytest's own plugin that calls functions
_WATCHED: Final = ("pytest_runtest_setup", "pytest_runtest_call", "pytest_runtest_teardown", "pytest_pyfunc_call")
_TRUSTED: Final = ("_pytest.", "gate.plugin")


class Witness:
    """Hooks of its own, registered beside the observer's as soon as anybody but pytest itself stands around a test.

    More wrappers around every test cost more than all else that the plugin does, so they are spared where there is
    nobody to be watched. A plugin or conftest that comes later is seen when it is registered.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._escaped = False
        self._watching = False
        self._answered_elsewhere: bool | None = None

    def watch_if_needed(self) -> None:
        """Begin to watch if there is somebody to be watched. Costs next to nothing once it watches."""
        if not self._watching and any(map(self._has_strangers, _WATCHED)):
            self._watching = True
            self._config.pluginmanager.register(self, "gate.witness")

    def _has_strangers(self, hook: str) -> bool:
        return any(
            not str(getattr(one.function, "__module__", "")).startswith(_TRUSTED)
            for one in getattr(self._config.hook, hook).get_hookimpls()
        )

    def take(self, item: pytest.Item, when: str) -> bool:
        """Whether the phase that has just ended was left by an exception, or never ran the test; asked once."""
        escaped, self._escaped = self._escaped, False
        return escaped or (when == "call" and _left_by_exception(item))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        try:
            return (yield)
        except BaseException:
            self._escaped = True
            raise

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        try:
            return (yield)
        except BaseException:
            self._escaped = True
            raise

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        if self._answered_elsewhere is None:
            self._answered_elsewhere = self._others_answer()
        calls = _Calls(pyfuncitem) if self._answered_elsewhere and not _is_async(pyfuncitem.obj) else None
        try:
            result = yield
        except BaseException:
            self._escaped = True
            raise
        finally:
            if calls is not None:
                calls.stop()
        if calls is not None and not calls.count:
            self._escaped = True
        return result

    def _others_answer(self) -> bool:
        """Whether a hook besides pytest's may answer for a call; by then every conftest is loaded."""
        implementations = self._config.hook.pytest_pyfunc_call.get_hookimpls()
        return any(not (one.wrapper or one.hookwrapper or one.plugin_name == _OWN) for one in implementations)


class _Calls:
    """Counts the calls of an item's function, which is put back by `stop`."""

    def __init__(self, item: pytest.Function) -> None:
        self.count = 0
        self._item, self._original = item, item.obj
        bound = getattr(item.obj, "__self__", None)
        function = getattr(item.obj, "__func__", item.obj) if bound is not None else item.obj

        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return function(*args, **kwargs)

        item.obj = counted if bound is None else MethodType(counted, bound)

    def stop(self) -> None:
        self._item.obj = self._original


def _left_by_exception(item: pytest.Item) -> bool:
    """Whether the call of any kind of item, this one and no other, ended by an exception.

    pytest leaves the traceback from `runtest` on behind, and takes away the one of the test before. That costs less
    than one more wrapper.
    """
    traceback = getattr(sys, "last_traceback", None)
    if traceback is None or traceback.tb_frame.f_code.co_name != "runtest":
        return False
    return traceback.tb_frame.f_locals.get("self") is item


def _is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
