"""From ticks to each user's connection, through the real ingestion: nothing on the way is a stand-in."""

import asyncio
from contextlib import AsyncExitStack

from suites.redis_pubsub.findings import looked_through, market
from suites.redis_pubsub.pattern_oracle import expected_patterns
from suites.system import Source
from suites.websocket_broadcast.conftest import ws
from suites.websocket_broadcast.subscriber import subscriber
from suites.websocket_broadcast.told import Wish, wanted

WISHES = [Wish(), Wish(["S0", "S3"]), Wish(kinds=["gap", "engulfing"]), Wish(["S1", "S2"], "*", 50)]
FIELDS = ("kind", "symbol", "minute", "direction", "price", "strength")


def as_told(pattern):
    return tuple(str(pattern[name]) for name in FIELDS)


async def feed(service, sent, database):
    async with Source(service.ticks_url, "feed") as source:
        await source.send(sent)
    await looked_through(database, sent)


async def test_every_pattern_of_the_ticks_reaches_each_user_who_asked_for_it(
    start_broadcaster, start_service, database, names, redis_url
):
    sent = market(2000)
    service = await start_broadcaster()
    ingest = await start_service(REDIS_URL=redis_url, TICKSTREAM_PREFIX=names.prefix)
    async with AsyncExitStack() as stack:
        users = [await stack.enter_async_context(subscriber(ws(service), f"u{n}")) for n in range(len(WISHES))]
        for user, wish in zip(users, WISHES, strict=True):
            await user.subscribe(wish)
        await feed(ingest, sent, database)
        for user, wish in zip(users, WISHES, strict=True):
            due = sorted(as_told(one) for one in expected_patterns(sent) if wanted(wish, one))
            while len(user.got) < len(due):
                await user.next("pattern")
            assert sorted(as_told(one) for one in user.got) == due
            assert user.numbers == sorted(set(user.numbers))


async def test_patterns_found_while_a_user_is_away_and_the_broadcaster_is_killed_arrive_on_return(
    start_broadcaster, start_service, database, names, redis_url
):
    sent = market(2000, seed=2)
    wish = Wish(["S0", "S1", "S2"])
    service = await start_broadcaster()
    ingest = await start_service(REDIS_URL=redis_url, TICKSTREAM_PREFIX=names.prefix)
    async with subscriber(ws(service)) as user:
        await user.subscribe(wish)
        await feed(ingest, sent[:800], database)
        first = await user.next("pattern")
        await user.ack(first["number"])
    got = [one for one in user.got if one["number"] <= first["number"]]
    await asyncio.to_thread(service.kill)
    await feed(ingest, sent, database)
    again = await start_broadcaster()
    async with subscriber(ws(again)) as back:
        await back.subscribe()
        due = sorted(as_told(one) for one in expected_patterns(sent) if wanted(wish, one))
        while len(got) + len(back.got) < len(due):
            await back.next("pattern")
        assert sorted(as_told(one) for one in got + back.got) == due
