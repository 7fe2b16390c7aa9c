"""Signals that ask for the end: INT, TERM and HUP become requests that the run looks at.

The first one asks for an orderly end (children are stopped, the report is written), every further one for haste. The
former actions are put back when the block is left.
"""

import signal
from types import FrameType, TracebackType
from typing import Final, Self

from gate.execute.scheduler import Cancellation

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Context manager; `name` is the first signal received (`SIGINT` …), `cancellation` what follows from it."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.cancellation = Cancellation()
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self._former = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, action in self._former.items():
            signal.signal(number, action)  # type: ignore[arg-type]  # what signal.signal returned fits back in

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        self.name = self.name or name
        self.cancellation.request(f"interrupted by {name}")
