"""The whole system under a seeded schedule of losses, compared from end to end: what was traded is what the database
holds, what the ticks show is what was found, and what was found is what Redis keeps and every user got, each once.

Two sources trade: the exchange, whose day is pulled, and a feed, which pushes a market in which minutes pass quickly,
so that there are patterns.
"""

import asyncio
import json
import random
from itertools import islice

import pytest

from suites.oracle import expected_bars, lost_and_doubled
from suites.recovery.feeding import NAME, SYMBOLS, feeding
from suites.recovery.subscribers import subscribed
from suites.recovery.talking import kept
from suites.redis_pubsub.pattern_oracle import expected_patterns
from suites.servers import held_port
from suites.system import FEED_SOURCE, Regime, ticks

TICKS = 6000
TRADED = [f"X{number}" for number in range(10)]
MARKET = {
    "TICKSTREAM_TICKS": str(TICKS),
    "TICKSTREAM_RATE": "1000",
    "TICKSTREAM_SEED": "7",
    "TICKSTREAM_SYMBOLS": ",".join(TRADED),
    "TICKSTREAM_FLUSH_MS": "5",
    "TICKSTREAM_HEARTBEAT_MS": "1000",
}
_PATTERNS = "SELECT number, kind, symbol, minute, direction, price, strength FROM pattern ORDER BY number"


class System:
    """All parts in one process, with its servers and the lines between them, and the ways in which they break."""

    def __init__(self, start_service, faults, servers, names, ports):
        self._start_service = start_service
        self._postgres, self._redis = servers
        self._exchange = faults.proxy(f"127.0.0.1:{ports[0]}")
        self._broadcast = faults.proxy(f"127.0.0.1:{ports[1]}")
        self._redis_line = faults.proxy(self._redis.url)
        self._postgres_line = faults.proxy(self._postgres.url)
        self.users_url = f"ws://127.0.0.1:{self._broadcast.port}/ws"
        self._settings = {
            **MARKET,
            "POSTGRES_URL": self._postgres_line.url,
            "REDIS_URL": self._redis_line.url,
            "TICKSTREAM_PREFIX": names.prefix,
            "TICKSTREAM_EXCHANGE_URL": f"ws://127.0.0.1:{self._exchange.port}/ticks",
            "TICKSTREAM_EXCHANGE_PORT": ports[0],
            "TICKSTREAM_BROADCAST_PORT": ports[1],
            "TICKSTREAM_PORT": ports[2],
        }

    async def start(self):
        self.service = await self._start_service("serve", **self._settings)

    @property
    def losses(self):
        return [
            self._restart_of(self._postgres),
            self._restart_of(self._redis),
            self._standstill_of(self._postgres),
            self._standstill_of(self._redis),
            self._reset_of(self._exchange),
            self._reset_of(self._broadcast),
            self._partition_of(self._postgres_line),
            self._partition_of(self._redis_line),
            self._kill,
        ]

    async def _kill(self):
        await asyncio.to_thread(self.service.kill)
        await self.start()

    def _restart_of(self, server):
        async def loss():
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(0.1)
            await asyncio.to_thread(server.start)

        return loss

    def _standstill_of(self, server):
        async def loss():
            await asyncio.to_thread(server.freeze)
            await asyncio.sleep(0.2)
            await asyncio.to_thread(server.thaw)

        return loss

    def _reset_of(self, line):
        async def loss():
            line.reset()

        return loss

    def _partition_of(self, line):
        async def loss():
            line.blackhole()
            await asyncio.sleep(0.2)
            line.reset()
            line.heal()

        return loss


@pytest.fixture
def system(start_service, faults, postgres, redis, names):
    with held_port() as exchange, held_port() as broadcast, held_port() as ingest:
        ports = [str(holder.getsockname()[1]) for holder in (exchange, broadcast, ingest)]
        yield System(start_service, faults, (postgres, redis), names, ports)


@pytest.mark.performance
@pytest.mark.parametrize("seed", range(2))
async def test_everything_is_everywhere_once_whatever_breaks(metrics, seed, system, database, redis, names):
    schedule = random.Random(seed)
    await system.start()
    async with subscribed(system.users_url, "ada", "bob", "cy") as users:
        lively = ticks(SYMBOLS, seed=seed, regime=Regime.VOLATILE, rate_per_s=5)
        async with feeding(system.service, market=lively, pause_s=0.015) as feed:
            for loss in schedule.sample(system.losses, k=len(system.losses)):
                await feed.passes(schedule.randrange(100, 500))
                await loss()
            await feed.passes(500)
        await database.settled(FEED_SOURCE, TICKS)
        await database.settled(NAME, feed.sent[-1].sequence)
        found = expected_patterns(feed.sent)
        assert len(found) >= 50
        await asyncio.gather(*(one.reaches(len(found)) for one in users))

    day = islice(ticks(TRADED, seed=7, rate_per_s=1000), TICKS)
    lost, doubled = lost_and_doubled(expected_bars([*day, *feed.sent]), await database.bars())
    metrics.counter("recovery_ticks_lost").add(lost)
    metrics.counter("recovery_ticks_doubled").add(doubled)
    stored = await patterns(database)
    told = [json.loads(payload) for payload in await kept(redis.url, names, "patterns")]
    everybody = [[pattern["number"] for pattern in told], *(one.got for one in users)]
    metrics.counter("recovery_messages_lost").add(sum(len(found) - len(set(numbers)) for numbers in everybody))
    metrics.counter("recovery_messages_doubled").add(
        sum(len(numbers) - len(set(numbers)) for numbers in everybody) + sum(one.doubled for one in users)
    )
    assert sorted(map(_key, stored)) == sorted(map(_key, found))
    assert [_key(pattern) for pattern in told] == [_key(pattern) for pattern in stored]
    assert all(numbers == sorted(numbers) for numbers in everybody)


async def patterns(database):
    async with database.connect() as connection:
        return [
            dict(row, minute=row["minute"].isoformat(), price=str(row["price"]))
            for row in await connection.fetch(_PATTERNS)
        ]


def _key(pattern):
    return tuple(pattern[name] for name in ("symbol", "minute", "kind", "direction", "price", "strength"))
