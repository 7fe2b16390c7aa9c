"""The fixture `faults`: takes the network and the processes of a system away, and brings them back.

Owns what a test broke and its mending: at the end of the test every proxy is closed, every stopped process goes on, and
the thread that drove the proxies is gone. Works in coroutine tests and in others alike, because the proxies run in an
event loop and a thread of their own. That thread shares the interpreter with the test: times measured through a proxy
hold some of it.
"""

from types import TracebackType
from typing import Self

from gate.plugin.faults.process import Process
from gate.plugin.faults.proxy import Proxy
from gate.plugin.faults.thread import LoopThread


class Faults:
    """What one test breaks. Use as `with Faults() as faults`, or as the fixture of that name."""

    def __init__(self) -> None:
        self._thread: LoopThread | None = None
        self._proxies: list[Proxy] = []
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def proxy(self, server: str) -> Proxy:
        """A TCP proxy on loopback before `server`: a URL with a host, or "host:port". Passes everything at first."""
        self._thread = self._thread or LoopThread("gate-faults")
        proxy = Proxy(server, self._thread)
        self._proxies.append(proxy)
        return proxy

    def process(self, pid: int) -> Process:
        """The process that has the number `pid` now, and no other that may get it later.

        ProcessLookupError when there is none or it has ended; ValueError for this process and those it stands on.
        """
        process = Process(pid)
        self._processes.append(process)
        return process

    def close(self) -> None:
        """Mend everything: proxies are closed, their connections reset, stopped processes go on."""
        for process in self._processes:
            process.close()
        for proxy in self._proxies:
            proxy.close()
        if self._thread is not None:
            self._thread.close()
        self._processes, self._proxies, self._thread = [], [], None
