"""A part of the system, as the process around it sees it: it runs, tells how it feels, counts, and stops.

Parts know nothing of each other; what passes between them goes over the network, through PostgreSQL or through Redis,
so that each can run in a process of its own.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

Listening = Callable[[str, int], None]  # the host and the port


class State(IntEnum):
    """`DEGRADED`: it serves, but something behind it is missing. `DOWN`: it does not do its work."""

    OK = 0
    DEGRADED = 1
    DOWN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    state: State
    facts: Mapping[str, Any] = field(default_factory=dict)


class Part(Protocol):
    """Made by `build(settings, faults, observation, stack)` in the module `part` of its package.

    What it opens is closed by the stack, after `stop`. `url` is where the exchange gives its ticks, for the parts that
    are built after it in the same process; empty for every other part.
    """

    name: str
    url: str

    async def run(self, listening: Listening) -> None:
        """Work until cancelled; calls `listening` once clients are welcome. Raises what it cannot live with."""

    def stop(self) -> Awaitable[None]:
        """Take nothing more, and finish what was acknowledged. Must not take longer than 3 s."""

    def health(self) -> Health: ...
