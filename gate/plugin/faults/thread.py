"""An event loop in a thread of its own, so that a test may have another loop or none."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")
_ANSWER_S: Final = 30.0


class LoopThread:
    """Started at once, ended by `close`."""

    def __init__(self, name: str) -> None:
        # Of the standard library's kind, whatever policy the test has set.
        self._loop = asyncio.SelectorEventLoop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """What `coroutine` returns or raises, run in the loop; called from any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_ANSWER_S)

    def close(self) -> None:
        """End the loop and the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
