"""How many requests a user may make: a bucket of tokens each, refilled steadily, with room for one second's worth.

A bucket that was left alone for a second is full, and a full one says nothing; so only those of the last second are
kept, and never more than `capacity` of them. The clock is the caller's.
"""

import math
from collections import OrderedDict
from typing import Final

_FULL_AFTER_S: Final = 1.0


class Limiter:
    """`rate_per_s` for each user, on average and in one burst."""

    def __init__(self, rate_per_s: int, *, capacity: int = 100_000) -> None:
        self._rate = float(rate_per_s)
        self._capacity = capacity
        # What was left for each user, and when; the one that came longest ago is first.
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, user: str, now_s: float) -> int:
        """0 if `user` may go on; otherwise how many whole seconds to stay away, at least 1."""
        left, since_s = self._buckets.get(user, (self._rate, now_s))
        left = min(self._rate, left + (now_s - since_s) * self._rate)
        granted = left >= 1.0
        left -= granted
        self._buckets[user] = (left, now_s)
        self._buckets.move_to_end(user)
        self._forget(now_s)
        return 0 if granted else max(1, math.ceil((1.0 - left) / self._rate))

    def _forget(self, now_s: float) -> None:
        while self._buckets:
            user, (_, since_s) = next(iter(self._buckets.items()))
            if now_s - since_s < _FULL_AFTER_S and len(self._buckets) <= self._capacity:
                return
            del self._buckets[user]
