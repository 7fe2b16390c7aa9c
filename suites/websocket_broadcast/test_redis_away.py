"""Redis goes and comes back: who is connected stays; what was told meanwhile arrives, once and in order.

`faults` is the first fixture of each test: the proxies are closed last, when nobody tries to connect any more.
"""

import asyncio
import json

from suites.waiting import until
from suites.websocket_broadcast.conftest import ws
from suites.websocket_broadcast.subscriber import subscriber
from suites.websocket_broadcast.test_connections import refused
from suites.websocket_broadcast.told import Wish, a_pattern, patterns


async def healthy(service, status):
    async def so():
        return service.health()["status"] == status

    await until(so)


async def test_what_is_told_while_redis_is_away_arrives_when_it_is_back(
    faults, start_broadcaster, own_teller, redis_url
):
    proxy = faults.proxy(redis_url)
    service = await start_broadcaster(REDIS_URL=proxy.url)
    async with own_teller as teller, subscriber(ws(service)) as user:
        await user.subscribe()
        told = await teller.tell_all(patterns(5, ["A"]))
        await user.reach(told[-1])
        proxy.down()
        await healthy(service, "degraded")
        told += await teller.tell_all(patterns(100, ["A"]))
        await refused(ws(service), "eve", 503)
        await user.connection.ping()
        proxy.up()
        assert await user.reach(told[-1]) == told
        await healthy(service, "ok")
        async with subscriber(ws(service), "eve") as other:
            await other.subscribe()


async def test_an_acknowledgement_while_redis_is_away_is_kept_when_it_is_back(
    faults, start_broadcaster, own_teller, redis_url
):
    proxy = faults.proxy(redis_url)
    service = await start_broadcaster(REDIS_URL=proxy.url)
    async with own_teller as teller, subscriber(ws(service)) as user:
        await user.subscribe()
        told = await teller.tell_all(patterns(5, ["A"]))
        await user.reach(told[-1])
        proxy.down()
        await user.send(type="ack", number=told[2])
        await user.send(type="subscribe", symbols=["A", "B"])
        await proxy.refused()
        proxy.up()
        answers = [json.loads(await user.connection.recv()) for _ in range(2)]
        assert sorted(answer["type"] for answer in answers) == ["acknowledged", "subscribed"]
        await asyncio.to_thread(service.kill)
    again = await start_broadcaster()
    async with subscriber(ws(again)) as user:
        answer = await user.subscribe()
        assert (answer["acknowledged"], answer["symbols"]) == (told[2], ["A", "B"])


async def test_a_silent_network_to_redis_delays_and_loses_nothing(faults, start_broadcaster, own_teller, redis_url):
    proxy = faults.proxy(redis_url)
    service = await start_broadcaster(REDIS_URL=proxy.url)
    async with own_teller as teller, subscriber(ws(service)) as user:
        await user.subscribe()
        told = []
        for _ in range(3):
            proxy.blackhole()
            told += await teller.tell_all(patterns(30, ["A"]))
            proxy.heal()
            told += await teller.tell_all(patterns(5, ["A"]))
            assert await user.reach(told[-1]) == told


async def test_broken_connections_to_redis_lose_and_repeat_nothing(faults, start_broadcaster, own_teller, redis_url):
    proxy = faults.proxy(redis_url)
    service = await start_broadcaster(REDIS_URL=proxy.url)
    async with own_teller as teller, subscriber(ws(service)) as user:
        await user.subscribe(Wish(["A"]))
        told = []
        for round_ in range(10):
            proxy.reset() if round_ % 2 else proxy.cut_answer_to(b"XREAD")
            told += await teller.tell_all([a_pattern("A") for _ in range(20)])
        assert await user.reach(told[-1]) == told
        assert user.missed == 0
