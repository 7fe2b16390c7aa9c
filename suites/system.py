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

from tickstream.database import DATABASE_ERRORS, Target
from tickstream.exchange.book import book
from tickstream.exchange.market import Regime, ticks
from tickstream.faults import Faults
from tickstream.ingest.bars import BarBuilder
from tickstream.ingest.feed import SOURCE as FEED_SOURCE
from tickstream.ingest.journal import Journal
from tickstream.ingest.source import Source
from tickstream.ingest.store import BarStore, SourceConflict
from tickstream.messaging.messages import Message, Names
from tickstream.messaging.publisher import Publisher
from tickstream.messaging.subscriber import Live, Mailbox
from tickstream.model import Batch, Span, Tick
from tickstream.tokens import SCOPES, issue
from tickstream.wire import Ack, Expect, Hello, Ticks, decode_reply, decode_request, decode_ticks, encode

__all__ = [
    "DATABASE_ERRORS",
    "FEED_SOURCE",
    "SCOPES",
    "TOKEN_SECRET",
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
    "book",
    "declared_faults",
    "decode_reply",
    "decode_request",
    "decode_ticks",
    "encode",
    "ticks",
    "token",
]

_READY_S = 20.0
_STOP_S = 10.0


def declared_faults() -> Faults:
    """The defects that a drill has switched on; none otherwise."""
    return Faults(os.environ.get("TICKSTREAM_FAULTS", ""))


TOKEN_SECRET = "only-for-tests-" + "x" * 32


def token(user: str = "ada", *scopes: str, lifetime_s: float = 600.0, secret: str = TOKEN_SECRET) -> str:
    """A token as an operator issues it; with every scope unless some are named."""
    return issue(secret, user, scopes or SCOPES, lifetime_s=lifetime_s)


class Service:
    """The system, or one part of it, as a process of its own. Use as `with Service(environment, "ingest") as service`.

    Entering returns when all its parts are ready; AssertionError with its log when that never happens. Leaving ends it
    for certain. Every part takes a free port.
    """

    def __init__(self, environment: Mapping[str, str], command: str = "ingest", *, wait: bool = True) -> None:
        ports = {f"TICKSTREAM_{name}PORT": "0" for name in ("", "EXCHANGE_", "API_", "BROADCAST_")}
        self._environment = {**os.environ, **ports, "TICKSTREAM_TOKEN_SECRET": TOKEN_SECRET, **environment}
        self._command = command
        self._wait = wait
        self._ready = threading.Event()
        self._ports: dict[str, int] = {}
        self.log: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tickstream", *self._command.split()],
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

    def url(self, part: str, path: str = "", *, scheme: str = "http") -> str:
        """Where `part` (exchange, ingest, api, broadcast) is reached."""
        return f"{scheme}://127.0.0.1:{self._ports[part]}{path}"

    @property
    def ticks_url(self) -> str:
        return self.url("ingest", "/ticks", scheme="ws")

    def wait_ready(self) -> None:
        ready = self._ready.wait(_READY_S)
        assert ready, f"the service was not ready within {_READY_S} s; it said {self.log}"
        assert self._ports, f"the service ended before it was ready; it said {self.log}"

    def health(self, part: str = "") -> dict[str, Any]:
        """What the process says of itself, whether it feels well or not: `status`, `parts`, and `http_status`."""
        port = self._ports[part] if part else next(iter(self._ports.values()))
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                return dict(json.load(answer), http_status=answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return dict(json.load(error), http_status=error.code)

    def facts(self, part: str = "ingest") -> dict[str, Any]:
        """What one part says of itself."""
        return dict(self.health()["parts"][part])

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
                self._ports[line["part"]] = line["port"]
            elif line["event"] == "ready":
                self._ready.set()
        self._ready.set()
