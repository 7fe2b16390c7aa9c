"""What a user asks for, and from which number on.

A filter holds from the number at which it was set; what was told before goes by the filter before. So the history of a
subscription's filters reaches back as far as there are messages that were not acknowledged, and no further.
"""

from dataclasses import dataclass
from typing import Final

from msgspec import UNSET, Struct

from tickstream.broadcast.protocol import Subscribe
from tickstream.model import Pattern

# Changes that may pile up before anything is acknowledged; beyond it the oldest two count as one.
MAX_CHANGES: Final = 8


@dataclass(frozen=True, slots=True)
class Filter:
    """None stands for everything."""

    symbols: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    min_strength: int = 1

    def wants(self, pattern: Pattern) -> bool:
        return (
            pattern.strength >= self.min_strength
            and (self.symbols is None or pattern.symbol in self.symbols)
            and (self.kinds is None or pattern.kind in self.kinds)
        )


EVERYTHING: Final = Filter()


class Change(Struct, array_like=True, frozen=True):
    """A filter as it is kept in Redis, with the first number for which it holds."""

    from_number: int
    symbols: list[str] | None
    kinds: list[str] | None
    min_strength: int


class Filters:
    """The filters of one subscription in order; `current` is the newest."""

    def __init__(self, from_number: int, current: Filter = EVERYTHING) -> None:
        self._changes: list[tuple[int, Filter]] = [(from_number, current)]
        self.current = current

    @classmethod
    def restore(cls, changes: list[Change]) -> "Filters":
        """Raises IndexError for an empty list."""
        filters = cls(changes[0].from_number)
        filters._changes = [
            (
                change.from_number,
                Filter(
                    None if change.symbols is None else frozenset(change.symbols),
                    None if change.kinds is None else frozenset(change.kinds),
                    change.min_strength,
                ),
            )
            for change in changes
        ]
        filters.current = filters._changes[-1][1]
        return filters

    def stored(self) -> list[Change]:
        return [
            Change(
                number,
                None if one.symbols is None else sorted(one.symbols),
                None if one.kinds is None else sorted(one.kinds),
                one.min_strength,
            )
            for number, one in self._changes
        ]

    @property
    def since(self) -> int:
        """The first number for which the current filter holds."""
        return self._changes[-1][0]

    def at(self, number: int) -> Filter:
        """The filter that holds for `number`; the oldest known one for everything before."""
        for from_number, one in reversed(self._changes):
            if number >= from_number:
                return one
        return self._changes[0][1]

    def change(self, current: Filter, from_number: int) -> None:
        if current == self.current:
            return
        while self._changes and self._changes[-1][0] >= from_number:
            self._changes.pop()
        self._changes.append((from_number, current))
        self.current = current
        if len(self._changes) > MAX_CHANGES:
            del self._changes[0]

    def forget(self, upto: int) -> None:
        """Nothing up to this number will be asked for again."""
        while len(self._changes) > 1 and self._changes[1][0] <= upto + 1:
            del self._changes[0]


def wanted(request: Subscribe) -> Filter | None:
    """The filter that `request` sets; None if it leaves the filter as it was."""
    if request.symbols is UNSET and request.kinds is UNSET and request.min_strength is UNSET:
        return None
    return Filter(
        None if request.symbols is UNSET or request.symbols == "*" else frozenset(request.symbols),
        None if request.kinds is UNSET or request.kinds == "*" else frozenset(request.kinds),
        1 if request.min_strength is UNSET else request.min_strength,
    )
