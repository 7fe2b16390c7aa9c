"""What a process shows of itself: `/healthz` and `/metrics`, the same on every port that it serves.

`/healthz` answers 200 while everything is ok or degraded, since a degraded process still serves, and 503 once a part is
down; the JSON tells each part's state and facts. `/metrics` is Prometheus' text format. Neither names addresses with
passwords, tokens or users.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from tickstream.faults import Faults
from tickstream.part import Part, State


@dataclass(frozen=True, slots=True)
class Answer:
    status: HTTPStatus
    content_type: str
    body: bytes


class Observation:
    """One per process. Parts put their collectors into `registry`; their network faces pass requests to `answer`."""

    def __init__(self, faults: Faults, *, secrets: Sequence[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self._faults = faults
        self._secrets = secrets
        self._parts: list[Part] = []

    def watch(self, part: Part) -> None:
        self._parts.append(part)

    def answer(self, path: str) -> Answer | None:
        """The answer to a GET of `path`, None if it is neither of the two."""
        if path == "/healthz":
            return self._health()
        if path == "/metrics":
            body = generate_latest(self.registry)
            if self._faults.on("secret_in_metrics"):
                body += "".join(f"# connected to {secret}\n" for secret in self._secrets).encode()
            return Answer(HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, body)
        return None

    def _health(self) -> Answer:
        seen = {part.name: part.health() for part in self._parts}
        worst = max((health.state for health in seen.values()), default=State.OK)
        if self._faults.on("false_health"):
            worst = State.OK
        document = {
            "status": worst.name.lower(),
            "parts": {name: {"status": health.state.name.lower(), **health.facts} for name, health in seen.items()},
        }
        status = HTTPStatus.SERVICE_UNAVAILABLE if worst is State.DOWN else HTTPStatus.OK
        return Answer(status, "application/json", msgspec.json.encode(document) + b"\n")
