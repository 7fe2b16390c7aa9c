"""From the exchange into PostgreSQL, tick by tick: what it sent is what the bars hold, whatever is taken away."""

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import serve

from suites.database_persistence.day import UNACKNOWLEDGED_TICKS, day, exchange_environment
from suites.oracle import expected_bars
from suites.system import FEED_SOURCE, Ack, Expect, Regime, Tick, Ticks, decode_reply, encode
from suites.waiting import until

COUNT = 15_000
DAY = exchange_environment(ticks=COUNT)
RATE = 5000
ENDLESS = exchange_environment(rate=RATE)  # there is always more to come, whatever is taken away and for how long


async def pulled(start_service, exchange, **environment):
    """An ingestion service that pulls from `exchange`."""
    return await start_service(TICKSTREAM_EXCHANGE_URL=exchange.url("exchange", "/ticks", scheme="ws"), **environment)


async def assert_whole(service, database, *, rate=RATE):
    """After a stop every bar holds exactly the ticks of the day as far as the database says it has come."""
    assert await asyncio.to_thread(service.terminate) == 0
    applied = await applied_by(database)
    assert await database.bars() == expected_bars(day(applied, rate=rate))


async def applied_by(database):
    async with database.connect() as connection:
        query = "SELECT coalesce(max(applied), 0) FROM tick_source WHERE source = $1"
        return await connection.fetchval(query, FEED_SOURCE)


async def some_more(database):
    """Return when the bars have got a good deal further than they are now."""
    await database.settled(FEED_SOURCE, await applied_by(database) + 1000)


class ScriptedExchange:
    """The other end of the feed in the test's own hands: sends what it is told, notes what it hears."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: asyncio.Queue[Ack | Expect] = asyncio.Queue()
        self.acknowledged = 0
        self._connection = None

    async def __call__(self, connection):
        self._connection = connection
        async for frame in connection:
            heard = decode_reply(frame)
            if isinstance(heard, Ack):
                self.acknowledged = heard.sequence
            self.heard.put_nowait(heard)

    async def send(self, *ticks):
        await self._connection.send(encode(Ticks(list(ticks))))

    async def say(self, data):
        await self._connection.send(data)

    async def end(self):
        await self._connection.close()


@asynccontextmanager
async def scripted_exchange():
    exchange = ScriptedExchange()
    async with serve(exchange, "127.0.0.1", 0, compression=None) as server:
        exchange.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ticks"
        yield exchange


@pytest.mark.parametrize("regime", list(Regime))
async def test_a_whole_day_in_one_process_comes_out_tick_by_tick(start_service, database, regime):
    service = await start_service("serve exchange ingest", **DAY, TICKSTREAM_REGIME=regime)
    await database.settled(FEED_SOURCE, COUNT)
    assert await database.bars() == expected_bars(day(COUNT, regime=regime))
    facts = await asyncio.to_thread(service.facts)
    assert (facts["ticks"], facts["duplicates"], facts["gaps"], facts["exchange_losses"]) == (COUNT, 0, 0, 0)


async def test_kills_of_ingest_lose_and_double_nothing(start_service, database):
    exchange = await start_service("exchange", **ENDLESS)
    service = await pulled(start_service, exchange)
    for _ in range(2):
        await some_more(database)
        await asyncio.to_thread(service.kill)
        service = await pulled(start_service, exchange)
    await some_more(database)
    assert (await asyncio.to_thread(service.facts))["gaps"] == 0
    await assert_whole(service, database)


async def test_kills_of_the_exchange_lose_and_double_nothing(start_service, database, exchange_port):
    fixed = {**ENDLESS, "TICKSTREAM_EXCHANGE_PORT": exchange_port}
    exchange = await start_service("exchange", **fixed)
    service = await pulled(start_service, exchange)
    for _ in range(2):
        await some_more(database)
        await asyncio.to_thread(exchange.kill)
        exchange = await start_service("exchange", **fixed)
    await some_more(database)
    facts = await asyncio.to_thread(service.facts)
    assert (facts["gaps"], facts["exchange_losses"]) == (0, 2)
    await assert_whole(service, database)


async def test_a_database_that_goes_away_in_mid_stream_changes_no_bar(start_service, database, faults):
    exchange = await start_service("exchange", **ENDLESS)
    proxy = faults.proxy(database.url)
    service = await pulled(start_service, exchange, POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    for _ in range(2):
        await some_more(database)
        proxy.down()
        await proxy.refused()
        proxy.up()
    await some_more(database)
    await assert_whole(service, database)


async def test_everything_away_at_once_changes_no_bar(start_service, database, exchange_port, faults):
    fixed = {**ENDLESS, "TICKSTREAM_EXCHANGE_PORT": exchange_port}
    exchange = await start_service("exchange", **fixed)
    proxy = faults.proxy(database.url)
    service = await pulled(start_service, exchange, POSTGRES_URL=proxy.url, TICKSTREAM_FLUSH_MS="1")
    await some_more(database)
    proxy.down()
    await proxy.refused()
    await asyncio.to_thread(exchange.kill)
    await asyncio.to_thread(service.kill)
    exchange = await start_service("exchange", **fixed)
    proxy.up()
    service = await pulled(start_service, exchange, POSTGRES_URL=proxy.url)
    await some_more(database)
    await assert_whole(service, database)


async def test_an_exchange_that_is_not_there_yet_is_waited_for(start_service, database, exchange_port):
    service = await start_service(TICKSTREAM_EXCHANGE_URL=f"ws://127.0.0.1:{exchange_port}/ticks")
    await until(lambda: asyncio.sleep(0, service.events("exchange_lost")))
    assert (await asyncio.to_thread(service.health))["status"] == "degraded"
    small = exchange_environment(ticks=500) | {"TICKSTREAM_EXCHANGE_PORT": exchange_port}
    await start_service("exchange", **small)
    await database.settled(FEED_SOURCE, 500)
    assert (await asyncio.to_thread(service.health))["status"] == "ok"
    assert await database.bars() == expected_bars(day(500))


async def test_ingestion_that_has_no_room_holds_the_exchange_up(start_service, database, faults):
    exchange = await start_service("exchange", **exchange_environment())  # as fast as it is taken, without end
    proxy = faults.proxy(database.url)
    service = await pulled(
        start_service, exchange, POSTGRES_URL=proxy.url, TICKSTREAM_MAX_BARS="3", TICKSTREAM_FLUSH_MS="1"
    )
    await database.settled(FEED_SOURCE, 1)
    proxy.down()
    await proxy.refused()
    sent = await _resting(exchange)
    taken = (await asyncio.to_thread(service.facts))["ticks"]
    proxy.up()
    await database.settled(FEED_SOURCE, sent + 1)
    assert sent - taken <= UNACKNOWLEDGED_TICKS
    await assert_whole(service, database, rate=0)


async def _resting(exchange):
    """How many ticks the exchange has sent, once that does not change any more; TimeoutError when it goes on."""
    before = -1
    async with asyncio.timeout(5):
        while (sent := (await asyncio.to_thread(exchange.facts, "exchange"))["sent"]) != before:
            before = sent
            await asyncio.sleep(0.2)
    return sent


async def test_a_gap_is_asked_for_again_and_what_lies_behind_it_is_not_taken(start_service, database):
    sent = day(60)
    async with scripted_exchange() as exchange:
        await start_service(TICKSTREAM_EXCHANGE_URL=exchange.url)
        assert await exchange.heard.get() == Expect(1)
        await exchange.send(*sent[:10])
        assert await exchange.heard.get() == Ack(10)
        await exchange.send(*sent[20:30])
        await exchange.send(*sent[30:40])
        assert await exchange.heard.get() == Expect(11)
        await exchange.send(*sent[10:50])
        assert await exchange.heard.get() == Ack(50)
        await exchange.send(*sent[45:])
        assert await exchange.heard.get() == Ack(60)
        await database.settled(FEED_SOURCE, 60)
    assert await database.bars() == expected_bars(sent)


async def test_nonsense_from_the_exchange_is_answered_with_a_new_connection(start_service, database):
    sent = day(30)
    wrong = Tick("A", 0, 1, 0, 11)  # no price is zero
    async with scripted_exchange() as exchange:
        service = await start_service(TICKSTREAM_EXCHANGE_URL=exchange.url)
        assert await exchange.heard.get() == Expect(1)
        await exchange.send(*sent[:10])
        assert await exchange.heard.get() == Ack(10)
        for nonsense in (encode(Ticks([wrong])), "text", b"\xc1"):
            await exchange.say(nonsense)
            assert await exchange.heard.get() == Expect(11)
        await exchange.send(*sent[10:])
        assert await exchange.heard.get() == Ack(30)
        await database.settled(FEED_SOURCE, 30)
        assert (await asyncio.to_thread(service.facts))["exchange_losses"] == 3
    assert await database.bars() == expected_bars(sent)


async def test_what_the_exchange_was_told_to_be_safe_is_in_the_bars_after_a_stop(start_service, database):
    sent = day(20_000)
    async with scripted_exchange() as exchange:
        service = await start_service(TICKSTREAM_EXCHANGE_URL=exchange.url, TICKSTREAM_FLUSH_MS="1000")
        assert await exchange.heard.get() == Expect(1)
        sending = asyncio.create_task(_send_all(exchange, sent))
        await until(lambda: asyncio.sleep(0, exchange.acknowledged >= 5000))
        assert await asyncio.to_thread(service.terminate) == 0
        sending.cancel()
        await asyncio.wait([sending])
    applied = await applied_by(database)
    assert applied >= exchange.acknowledged
    assert await database.bars() == expected_bars(sent[:applied])


async def _send_all(exchange, sent):
    with contextlib.suppress(OSError):
        for start in range(0, len(sent), 100):
            await exchange.send(*sent[start : start + 100])
