"""How a child process tells a test that it has come to a point: through a named pipe, so that nobody has to poll."""

import os
import select
from pathlib import Path

PATIENCE_S = 60.0


class Bell:
    """A named pipe. The child writes to `path`, the test awaits it; both sides may come first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        # Open for writing as well, so that the reading side never sees an end before the child has come.
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def wait(self) -> str:
        """What the child has written. Fails when nothing comes."""
        poller = select.poll()
        poller.register(self._pipe, select.POLLIN)
        assert poller.poll(PATIENCE_S * 1000), f"nobody wrote to {self.path.name}"
        return os.read(self._pipe, 4096).decode()

    def close(self) -> None:
        os.close(self._pipe)
