"""Samples of a histogram in bounded memory, exact where it matters.

Owns the two forms: up to 100,000 samples as they are; beyond that, counts in buckets of which 128 make an octave, with
exact count, minimum, maximum and sum, and exact counts above each declared limit. The bucket of a sample is given by
the upper half of its value as a 32-bit float: no logarithm, and rounding to it never moves a sample below the bucket it
is in, so that no breach becomes a pass.
"""

import base64
import struct
import sys
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Final

EXACT: Final = 100_000
_SLICE: Final = 4096
HUGE: Final = 1e38  # samples are smaller, so that they fit a 32-bit float
_MINUS_ZERO: Final = 0x8000
_KEY_AT: Final = 2 if sys.byteorder == "little" else 0  # bytes
_UPPER_HALF: Final = slice(_KEY_AT // 2, None, 2)


class Fold:
    """The samples taken in so far. Not safe for concurrent calls; the caller holds a lock."""

    __slots__ = ("_counts", "_exact", "_highest", "_limits", "_lowest", "_maximum", "_minimum", "_total", "count")

    def __init__(self, limits: Sequence[float]) -> None:
        self.count = 0
        self._limits = [_Limit(limit) for limit in limits if limit >= 0]
        self._exact = array("d")
        self._counts: Counter[int] | None = None
        self._total = 0.0
        self._minimum, self._maximum = float("inf"), float("-inf")
        self._lowest, self._highest = 1 << 16, -1

    def take(self, samples: list[float]) -> None:
        """Add `samples`: at least 0, less than `HUGE`."""
        self.count += len(samples)
        if self._counts is None:
            if self.count <= EXACT:
                self._exact.extend(samples)
                return
            self._counts = Counter()
            for start in range(0, len(self._exact), _SLICE):
                self._fold(self._counts, self._exact[start : start + _SLICE].tolist())
            del self._exact[:]
        for start in range(0, len(samples), _SLICE):
            self._fold(self._counts, samples[start : start + _SLICE])

    def plain(self) -> dict[str, object]:
        """The fields of a record: `f8` are little-endian 64-bit floats, `b` pairs of upper edge and count."""
        if self._counts is None:
            exact = self._exact
            if sys.byteorder == "big":
                exact.byteswap()
            return {"n": self.count, "f8": base64.b64encode(exact.tobytes()).decode("ascii")}
        return {
            "n": self.count,
            "total": self._total,
            "min": self._minimum,
            "max": self._maximum,
            "b": self._buckets(self._counts),
            "above": [limit.above(self._counts) for limit in self._limits],
        }

    def _buckets(self, counts: Counter[int]) -> list[tuple[float, int]]:
        buckets: Counter[float] = Counter()
        for key, count in sorted(counts.items()):
            # A maximum on the edge between two buckets is the upper edge of both.
            buckets[min(_edge(key + 1), self._maximum)] += count
        return list(buckets.items())

    def _fold(self, counts: Counter[int], samples: list[float]) -> None:
        packed = _pack(samples)
        kinds, low, high = len(counts), counts[self._lowest], counts[self._highest]
        before = [counts[limit.key] for limit in self._limits]
        counts.update(_keys(packed))
        if _MINUS_ZERO in counts:
            counts[0] += counts.pop(_MINUS_ZERO)
            packed = _pack([sample + 0.0 for sample in samples])
        self._total += sum(samples)
        lowest, highest = self._lowest, self._highest
        if len(counts) != kinds:
            self._lowest, self._highest = min(counts), max(counts)
        # Only when something fell into the outermost bucket can it be a new extreme.
        if self._lowest != lowest or counts[lowest] != low:
            least = min(samples)
            self._minimum = min(self._minimum, least)
        if self._highest != highest or counts[highest] != high:
            greatest = max(samples)
            self._maximum = max(self._maximum, greatest)
        for limit, count in zip(self._limits, before, strict=True):
            if counts[limit.key] != count:
                limit.look(samples, packed)


class _Limit:
    """Counts what the buckets cannot tell: samples on either side of a limit within the bucket that holds it."""

    __slots__ = ("_equal", "_greater", "_pattern", "_value", "key")

    def __init__(self, value: float) -> None:
        self._value = value
        packed = _pack([min(value, HUGE) + 0.0])  # there is a minus zero
        self.key = _keys(packed)[0]
        self._pattern = packed[_KEY_AT : _KEY_AT + 2]
        self._greater = 0
        self._equal = 0

    def look(self, samples: list[float], packed: bytes) -> None:
        # Searching the bytes finds the few samples in question without looking at the others.
        at = packed.find(self._pattern)
        while at >= 0:
            index, offset = divmod(at, 4)
            if offset == _KEY_AT:
                self._greater += samples[index] > self._value
                self._equal += samples[index] == self._value
            at = packed.find(self._pattern, at + 1)

    def above(self, counts: Counter[int]) -> tuple[float, int, int]:
        """The limit, the number of samples greater than it, and of those greater or equal."""
        greater = self._greater + sum(count for key, count in counts.items() if key > self.key)
        return self._value, greater, greater + self._equal


def _pack(samples: list[float]) -> bytes:
    return struct.pack(f"{len(samples)}f", *samples)


def _keys(packed: bytes) -> "array[int]":
    halves = array("H")
    halves.frombytes(packed)
    return halves[_UPPER_HALF]


def _edge(key: int) -> float:
    """The lower edge of bucket `key`, which is the upper edge of the one before."""
    value: float = struct.unpack(">f", struct.pack(">I", key << 16))[0]
    return value
