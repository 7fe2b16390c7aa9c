"""The order book around a trade: twenty levels on each side, a function of the tick and the seed and nothing else.

The price of the trade lies between the best bid and the best ask, bids fall and asks rise strictly, every level holds
something and more the farther out it lies. Levels stand on the grid of one cent; where a price is so low that forty
levels would not fit above zero, on a finer one.
"""

import random
from typing import Final

from msgspec import Struct

from tickstream.exchange.market import CENT_MICROS
from tickstream.model import Tick

LEVELS: Final = 20
_WIDEST: Final = 3  # grid steps between two levels
_FINEST: Final = LEVELS * _WIDEST + 4  # the lowest bid is this many steps below the price at the most


class Level(Struct, frozen=True, array_like=True):
    price_micros: int
    size: int


class Book(Struct, frozen=True):
    """Both sides from the best level outwards."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


def book(tick: Tick, seed: int) -> Book:
    """The book right after `tick`."""
    rng = random.Random(f"{seed}/{tick.sequence}")  # noqa: S311  # repeatable, no secret
    step = min(CENT_MICROS, tick.price_micros // _FINEST)
    return Book(bids=_side(tick.price_micros, -step, rng), asks=_side(tick.price_micros, step, rng))


def _side(price: int, step: int, rng: random.Random) -> tuple[Level, ...]:
    levels = []
    for number in range(1, LEVELS + 1):
        price += step * rng.randint(1, _WIDEST)
        levels.append(Level(price, 100 * number + rng.randint(0, 500)))
    return tuple(levels)
