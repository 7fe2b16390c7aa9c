"""What a proxy does to what passes: values only."""

from dataclasses import dataclass, field
from typing import Final

CHUNK: Final = 65536
# How much may be under way in one direction of one connection, when it only takes longer.
_UNDER_WAY: Final = 4 * 1024 * 1024
_PIECES_PER_S: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One direction: how late, how fast and in which pieces. None is without a limit."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float | None = None
    slice_bytes: int | None = None
    pause_s: float = 0.0

    def delay_s(self, luck: float) -> float:
        """How long a chunk is held back; `luck`, of -1 to 1, is its place within the jitter."""
        return max(0.0, self.latency_s + self.jitter_s * luck)

    def piece(self, size: int) -> int:
        """How many of `size` bytes are handed over at once: at least one."""
        if self.slice_bytes is not None:
            size = min(size, self.slice_bytes)
        if self.bytes_per_s is not None:
            size = min(size, max(1, int(self.bytes_per_s / _PIECES_PER_S)))
        return size

    def room(self) -> int:
        """How many bytes may wait here before no more are read, so that the sender feels a slow path."""
        if self.bytes_per_s is not None:
            return int(self.bytes_per_s * self.latency_s)
        return _UNDER_WAY if self.latency_s + self.jitter_s else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Both directions: whether newcomers are refused, whether anything passes, and how."""

    refuses: bool = False
    holds: bool = False
    up: Shape = field(default_factory=Shape)
    down: Shape = field(default_factory=Shape)


FAIR: Final = Weather()
