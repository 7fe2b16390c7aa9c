"""The day of an exchange as it must be, from its settings alone, and a taker that sees every frame of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice

from websockets.asyncio.client import ClientConnection, connect

from suites.system import Ack, Expect, Regime, Tick, decode_ticks, encode, ticks

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")
SEED = 4
DAY_TICKS = 30_000
STREAM_RATE = 1000  # trades per second of the exchange that keeps time
UNACKNOWLEDGED_TICKS = 4000  # what an exchange sends ahead at the most


def day(count: int, *, rate: int = 0, regime: Regime = Regime.RANGING) -> list[Tick]:
    """The first `count` ticks of an exchange with `exchange_environment`."""
    pace = {"rate_per_s": float(rate)} if rate else {}
    return list(islice(ticks(SYMBOLS, seed=SEED, regime=regime, **pace), count))


def exchange_environment(*, rate: int = 0, ticks: int = 0) -> dict[str, str]:
    """A rate of 0 is as fast as the takers, a day of 0 ticks does not end."""
    return {
        "TICKSTREAM_SYMBOLS": ",".join(SYMBOLS),
        "TICKSTREAM_SEED": str(SEED),
        "TICKSTREAM_RATE": str(rate),
        "TICKSTREAM_TICKS": str(ticks),
        "TICKSTREAM_HEARTBEAT_MS": "100",
        "LOG_LEVEL": "info",
    }


class Taker:
    """A client of the exchange, frame by frame."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def expect(self, sequence: int) -> None:
        await self._connection.send(encode(Expect(sequence)))

    async def acknowledge(self, sequence: int) -> None:
        await self._connection.send(encode(Ack(sequence)))

    async def frame(self) -> list[Tick]:
        return decode_ticks(await self._connection.recv()).ticks

    async def send(self, data: str | bytes) -> None:
        await self._connection.send(data)

    async def take(self, first: int, count: int) -> list[Tick]:
        """`count` ticks from `first` on; frames that were on their way from before are passed over."""
        await self.expect(first)
        taken: list[Tick] = []
        while len(taken) < count:
            frame = await self.frame()
            if frame[0].sequence == first + len(taken):
                taken += frame
                await self.acknowledge(frame[-1].sequence)
        return taken[:count]

    async def until_silent(self, seconds: float) -> list[Tick]:
        """Everything that comes until nothing has come for so long; nothing of it is acknowledged."""
        taken: list[Tick] = []
        while True:
            try:
                taken += await asyncio.wait_for(self.frame(), seconds)
            except TimeoutError:
                return taken


@asynccontextmanager
async def taking(url: str) -> AsyncIterator[Taker]:
    async with connect(url, proxy=None, compression=None) as connection:
        yield Taker(connection)
