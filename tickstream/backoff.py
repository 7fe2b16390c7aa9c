"""How long to wait between attempts: doubling from a few milliseconds to a cap, with jitter.

The cap is low on purpose: recovery is promised within a second of the server's return, and an attempt against a closed
port costs next to nothing. Jitter keeps many processes from knocking in step.
"""

import random
from collections.abc import Iterator


def delays(first_s: float = 0.01, cap_s: float = 0.2) -> Iterator[float]:
    """Endless waits in seconds, each between half and all of first_s * 2**n, at most cap_s. The first one is 0."""
    yield 0.0
    wait_s = first_s
    while True:
        yield wait_s * random.uniform(0.5, 1.0)  # noqa: S311  # spreading load, no secret
        wait_s = min(wait_s * 2, cap_s)
