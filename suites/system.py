"""The one file through which the suites reach the system under test.

Everything that a suite needs of the system stands here: how its service is started and watched, how ticks go in, how
bars and messages come out. Another system takes the place of this one by offering the same names from here; the tests
know nothing else. Where a rule can be seen from outside, the tests go through the service's own network face.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tickstream.bars import BarBuilder
from tickstream.exchange import Regime, ticks
from tickstream.faults import Faults
from tickstream.journal import Journal
from tickstream.messages import Message, Names
from tickstream.model import Batch, Span, Tick
from tickstream.publisher import Publisher
from tickstream.source import Source
from tickstream.store import DATABASE_ERRORS, BarStore, SourceConflict, Target
from tickstream.subscriber import Live, Mailbox
from tickstream.wire import Ack, Expect, Hello, Ticks, decode_reply, decode_request, encode

__all__ = [
    "DATABASE_ERRORS",
    "Ack",
    "BarBuilder",
    "BarStore",
    "Batch",
    "Expect",
    "Faults",
    "Hello",
    "Journal",
    "Live",
    "Mailbox",
    "Message",
    "Names",
    "Publisher",
    "Regime",
    "Service",
    "Source",
    "SourceConflict",
    "Span",
    "Target",
    "Tick",
    "Ticks",
    "declared_faults",
    "decode_reply",
    "decode_request",
    "encode",
    "ticks",
]

_READY_S = 20.0
_STOP_S = 10.0


def declared_faults() -> Faults:
    """The defects that a drill has switched on; none otherwise."""
    return Faults(os.environ.get("TICKSTREAM_FAULTS", ""))


class Service:
    """The ingestion service as a process of its own. Use as `with Service(environment) as service`.

    Entering returns when it takes ticks; AssertionError with its log when it never does. Leaving ends it for certain.
    """

    def __init__(self, environment: Mapping[str, str], *, wait: bool = True) -> None:
        self._environment = {**os.environ, "TICKSTREAM_PORT": "0", **environment}
        self._wait = wait
        self._ready = threading.Event()
        self._port = 0
        self.log: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tickstream", "ingest"],
            env=self._environment,
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if self._wait:
            self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._collect()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ticks_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/ticks"

    def wait_ready(self) -> None:
        ready = self._ready.wait(_READY_S)
        assert ready, f"the service was not ready within {_READY_S} s; it said {self.log}"
        assert self._port, f"the service ended before it was ready; it said {self.log}"

    def health(self) -> dict[str, Any]:
        """What the service says of itself, whether it feels well or not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz", timeout=5) as answer:
                return dict(json.load(answer), http_status=answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return dict(json.load(error), http_status=error.code)

    def kill(self) -> None:
        """The end without any warning, as when the machine takes the process away."""
        self._process.send_signal(signal.SIGKILL)
        self._collect()

    def terminate(self) -> int:
        """Ask for the end and wait for it; the exit status."""
        self._process.terminate()
        return self._collect()

    def wait_end(self) -> int:
        """Wait until the service ends by itself; the exit status."""
        return self._collect()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's entries of one name so far."""
        return [line for line in self.log if line["event"] == name]

    def _collect(self) -> int:
        status = self._process.wait(_STOP_S)
        self._reader.join(_STOP_S)
        if self._process.stderr:
            self._process.stderr.close()
        return status

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for text in self._process.stderr:
            line = json.loads(text) if text.startswith("{") else {"event": "text", "text": text}
            self.log.append(line)
            if line["event"] == "listening":
                self._port = line["port"]
                self._ready.set()
        self._ready.set()
