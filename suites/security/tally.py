"""What the attacks of one test came to, told to the thresholds, and what must never be seen outside.

A test that asserts fails with the attack that went through. A sweep over many attacks only records: data of a failed
test do not count, and the thresholds would have nothing to judge. What went through stands in the test's properties.
"""

import re
from collections.abc import Callable, Iterable

from gate.plugin.recording import Metrics

# A token, or as much of one as could be used: three parts of base64, the first beginning like a JSON object.
_TOKEN = re.compile(r"eyJ[\w-]{6,}\.eyJ[\w-]{6,}\.[\w-]{20,}")
# Words of the inside: a traceback, the driver, the text of a query, a file or module of ours, a version of a library.
_INSIDE = re.compile(
    r"Traceback|File \\?\"|\.py\b|site-packages|asyncpg|PostgresError|SELECT |INSERT INTO|ohlcv_1min|pattern_told"
    r"|syntax error|relation \\?\"|uvicorn|starlette|websockets/|Python/3|h11|msgspec"
)


class Tally:
    """Made per test. `secrets` are texts that nobody but the system and its operator may see."""

    def __init__(
        self, metrics: Metrics, secrets: Iterable[str], record_property: Callable[[str, object], None]
    ) -> None:
        self._secrets = tuple(secrets)
        self._record_property = record_property
        self._tried = metrics.counter("attacks")
        self._counts = {
            name: metrics.counter(name) for name in ("attacks_succeeded", "unauthorised_answers", "leaks_found")
        }
        for counter in self._counts.values():
            counter.add(0)

    def tried(self, attacks: int = 1) -> None:
        self._tried.add(attacks)

    def succeeded(self, attack: str) -> None:
        self._count("attacks_succeeded", attack)

    def unauthorised(self, answer: str) -> None:
        """Something was answered to somebody who may not have it."""
        self._count("unauthorised_answers", answer)

    def look_for_leaks(self, text: str, place: str) -> list[str]:
        """Secrets in `text`; each is counted."""
        found = self.leaks(text)
        for leak in found:
            self._count("leaks_found", f"{place}: {leak}")
        return found

    def leaks(self, text: str) -> list[str]:
        found = [f"…{secret[:6]}…" for secret in self._secrets if secret in text]
        return found + [f"token {match[0][:12]}…" for match in _TOKEN.finditer(text)]

    def _count(self, name: str, what: str) -> None:
        self._counts[name].add(1)
        self._record_property(f"seen.{name}", what)


def inside(text: str) -> str | None:
    """The first word of the inside that `text` tells; None when it tells nothing."""
    match = _INSIDE.search(text)
    return match[0] if match else None
