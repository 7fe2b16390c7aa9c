"""What a watcher of the public stream gets: JSON messages, in order, each numbered within its symbol.

A trade is told as it happens; a book after a trade, a few times per second and symbol; a heartbeat when nothing else
was said for a while. `sequence` counts the messages of a symbol on this connection, trades and books together, without
gaps from 1; `tick` is the trade's number in the day. A watcher that reads slowly is waited for, nothing is left out and
nothing gathers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from tickstream.exchange.book import Level, book
from tickstream.exchange.floor import Floor
from tickstream.model import MICROS, Tick

Send = Callable[[str], Awaitable[None]]

BOOK_S: Final = 0.25  # least time between two books of a symbol
_LOT: Final = 200  # ticks looked at between two waits

_ENCODE: Final = msgspec.json.Encoder().encode


class Trade(Struct, tag="trade", frozen=True):
    symbol: str
    sequence: int
    tick: int
    price: str
    size: int
    at_us: int


class BookMessage(Struct, tag="book", frozen=True):
    """`tick` is the trade after which the book looked like this; levels are pairs of price and size, best first."""

    symbol: str
    sequence: int
    tick: int
    bids: list[tuple[str, int]]
    asks: list[tuple[str, int]]


class Heartbeat(Struct, tag="heartbeat", frozen=True):
    """`tick` is the latest trade of the day, of whichever symbol."""

    tick: int


class Watcher:
    """One client of the stream; `symbols` are those it wants, none of them means all."""

    def __init__(
        self,
        floor: Floor,
        *,
        symbols: tuple[str, ...],
        seed: int,
        heartbeat_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._floor = floor
        self._wanted = frozenset(symbols)
        self._seed = seed
        self._heartbeat_s = heartbeat_s
        self._clock = clock
        self._sequences: dict[str, int] = {}
        self._books: dict[str, float] = {}  # when the symbol's book was told last

    async def run(self, send: Send) -> None:
        """Tell what happens from now on, until cancelled."""
        following = self._floor.happened + 1
        heartbeat_at = self._clock() + self._heartbeat_s
        while True:
            for tick in await self._floor.next(following, _LOT):
                following = tick.sequence + 1
                for message in self._messages(tick):
                    await send(_text(message))
                    heartbeat_at = self._clock() + self._heartbeat_s
            if self._clock() >= heartbeat_at:
                await send(_text(Heartbeat(self._floor.happened)))
                heartbeat_at = self._clock() + self._heartbeat_s
            await asyncio.sleep(0)  # a watcher of quiet symbols in a busy market must not keep others from their turn

    def _messages(self, tick: Tick) -> Iterator[Trade | BookMessage]:
        if self._wanted and tick.symbol not in self._wanted:
            return
        yield Trade(
            tick.symbol, self._count(tick.symbol), tick.sequence, _price(tick.price_micros), tick.size, tick.at_us
        )
        now = self._clock()
        if now - self._books.get(tick.symbol, -BOOK_S) >= BOOK_S:
            self._books[tick.symbol] = now
            both = book(tick, self._seed)
            yield BookMessage(
                tick.symbol, self._count(tick.symbol), tick.sequence, _levels(both.bids), _levels(both.asks)
            )

    def _count(self, symbol: str) -> int:
        self._sequences[symbol] = sequence = self._sequences.get(symbol, 0) + 1
        return sequence


def _text(message: Trade | BookMessage | Heartbeat) -> str:
    return _ENCODE(message).decode()


def _levels(levels: tuple[Level, ...]) -> list[tuple[str, int]]:
    return [(_price(level.price_micros), level.size) for level in levels]


def _price(micros: int) -> str:
    return f"{micros // MICROS}.{micros % MICROS:06d}"
