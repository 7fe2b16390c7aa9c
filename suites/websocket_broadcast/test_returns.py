"""Users who were away: what they had not acknowledged comes again, then what they missed, in order, once, then live."""

import asyncio

import pytest
import redis

from suites.websocket_broadcast.conftest import ws
from suites.websocket_broadcast.subscriber import subscriber
from suites.websocket_broadcast.told import Teller, Wish, a_pattern, expected, patterns

LAST = 100  # the strength of a pattern after which nothing comes


async def test_what_was_missed_comes_in_order_and_once_and_then_what_is_new(url, teller, unique):
    async with teller:
        async with subscriber(url, unique) as user:
            await user.subscribe(Wish([unique]))
        missed = await teller.tell_all(patterns(300, [unique]))
        async with subscriber(url, unique) as user:
            await user.subscribe()
            new = await teller.tell_all(patterns(50, [unique]))
            assert await user.reach(new[-1]) == missed + new


async def test_what_was_not_acknowledged_comes_again_first_and_what_was_never(url, teller, unique):
    async with teller:
        async with subscriber(url, unique) as user:
            await user.subscribe(Wish([unique]))
            told = await teller.tell_all(patterns(10, [unique]))
            await user.reach(told[-1])
            assert await user.ack(told[3]) == told[3]
        missed = await teller.tell_all(patterns(5, [unique]))
        async with subscriber(url, unique) as user:
            assert (await user.subscribe())["acknowledged"] == told[3]
            assert await user.reach(missed[-1]) == told[4:] + missed


async def test_an_older_acknowledgement_takes_nothing_back(url, teller, unique):
    async with teller:
        async with subscriber(url, unique) as user:
            await user.subscribe(Wish([unique]))
            told = await teller.tell_all(patterns(10, [unique]))
            await user.reach(told[-1])
            await user.ack(told[8])
            assert await user.ack(told[2]) == told[8]
        async with subscriber(url, unique) as user:
            await user.subscribe()
            assert await user.reach(told[-1]) == told[9:]


async def test_what_was_acknowledged_just_before_leaving_counts(url, teller, unique):
    async with teller:
        async with subscriber(url, unique) as user:
            await user.subscribe(Wish([unique]))
            told = await teller.tell_all(patterns(10, [unique]))
            await user.reach(told[-1])
            await user.send(type="ack", number=told[-1])
        new = await teller.tell(a_pattern(unique))
        async with subscriber(url, unique) as user:
            await user.subscribe()
            assert await user.reach(new) == [new]


async def visit(url, name, unique, count):
    """Come back for `count` patterns or until the last one, acknowledge them, go; what was acknowledged."""
    async with subscriber(url, name) as user:
        await user.subscribe(Wish([unique]))
        for _ in range(count):
            if (await user.next("pattern"))["strength"] == LAST:
                break
        last = user.numbers[-1]
        await user.ack(last)
        return [pattern for pattern in user.got if pattern["number"] <= last]


async def test_returning_again_and_again_while_patterns_come_leaves_no_gap_and_no_repetition(url, teller, unique):
    async def come_and_go(name, count):
        got = []
        while not got or got[-1]["strength"] != LAST:
            got += await visit(url, name, unique, count)
        return [pattern["number"] for pattern in got]

    names = {f"{unique}{count}": count for count in (3, 7, 19, 37, 60)}
    async with teller:
        for name in names:
            async with subscriber(url, name) as user:
                await user.subscribe(Wish([unique]))
        coming = [asyncio.create_task(come_and_go(*item)) for item in names.items()]
        for number in range(200):
            await teller.tell(a_pattern(unique, number=number + 1))
            await asyncio.sleep(0.001)
        await teller.tell(a_pattern(unique, strength=LAST))
        for numbers in await asyncio.gather(*coming):
            assert numbers == sorted(teller.told)


async def test_devices_of_a_user_have_places_and_filters_of_their_own(url, teller, unique):
    async with teller, subscriber(url, unique) as phone, subscriber(url, unique) as desk:
        await phone.subscribe(Wish([unique], min_strength=60), device="phone")
        await desk.subscribe(Wish([unique]), device="desk")
        await teller.tell_all(patterns(50, [unique]))
        last = await teller.tell(a_pattern(unique, strength=100))
        assert await phone.reach(last) == expected(Wish([unique], min_strength=60), teller.told)
        assert await desk.reach(last) == expected(Wish([unique]), teller.told)
        await desk.ack(last)
    async with subscriber(url, unique) as phone, subscriber(url, unique) as desk:
        assert (await desk.subscribe(device="desk"))["acknowledged"] == last
        await phone.subscribe(device="phone")
        assert await phone.reach(last) == expected(Wish([unique], min_strength=60), teller.told)


async def test_connections_of_one_device_each_get_everything_and_acknowledge_for_each_other(url, teller, unique):
    async with teller, subscriber(url, unique) as one, subscriber(url, unique) as two:
        await one.subscribe(Wish([unique]))
        await two.subscribe()
        told = await teller.tell_all(patterns(20, [unique]))
        assert await one.reach(told[-1]) == await two.reach(told[-1]) == told
        await one.ack(told[-1])
    async with subscriber(url, unique) as user:
        assert (await user.subscribe())["acknowledged"] == told[-1]


async def test_a_user_has_a_bounded_number_of_devices_and_the_least_advanced_is_forgotten(
    start_broadcaster, own_teller
):
    service = await start_broadcaster(TICKSTREAM_MAX_PER_USER="3")
    async with own_teller as teller:
        await teller.tell_all(patterns(3, ["A"]))
        places = {}
        for device in ("one", "two", "three", "four"):
            async with subscriber(ws(service)) as user:
                places[device] = (await user.subscribe(device=device))["acknowledged"]
            await teller.tell_all(patterns(2, ["A"]))
        async with subscriber(ws(service)) as user:
            assert (await user.subscribe(device="four"))["acknowledged"] == places["four"]
        async with subscriber(ws(service)) as user:
            assert (await user.subscribe(device="one"))["acknowledged"] == max(teller.told)


@pytest.mark.parametrize("way", ["killed", "stopped"])
async def test_places_and_filters_outlive_the_broadcaster(start_broadcaster, own_teller, way):
    service = await start_broadcaster()
    wish = Wish(["A", "B"], ["gap", "breakout"], 20)
    async with own_teller as teller, subscriber(ws(service)) as user:
        await user.subscribe(wish)
        await teller.tell_all(patterns(60, ["A", "B", "C"]))
        last = await teller.tell(a_pattern("A"))
        got = await user.reach(last)
        assert got == expected(wish, teller.told)
        await user.ack(got[4])
        if way == "killed":
            await asyncio.to_thread(service.kill)
            assert (await user.end())[0] == 1006
        else:
            await user.send(type="ack", number=got[6])
            assert await asyncio.to_thread(service.terminate) == 0
            assert await user.end() == (1001, "the service stops")
        await teller.tell_all(patterns(40, ["A", "B", "C"], seed=2))
        last = await teller.tell(a_pattern("B"))
        again = await start_broadcaster()
        async with subscriber(ws(again)) as back:
            answer = await back.subscribe()
            assert (answer["symbols"], answer["min_strength"]) == (wish.symbols, 20)
            place = answer["acknowledged"]
            assert place >= got[4]
            assert await back.reach(last) == expected(wish, teller.told, after=place)


async def test_users_who_were_cut_off_lose_nothing(url, teller, unique):
    names = [f"{unique}{index}" for index in range(10)]
    async with teller:

        async def stay(name):
            async with subscriber(url, name) as user:
                await user.subscribe(Wish([unique]))
                await user.next("pattern")
                await user.ack(user.numbers[0])
                acknowledged = user.numbers[0]
                user.reset()
            return acknowledged

        staying = [asyncio.create_task(stay(name)) for name in names]
        while not all(task.done() for task in staying):
            await teller.tell(a_pattern(unique))
            await asyncio.sleep(0.002)
        last = await teller.tell(a_pattern(unique))
        for name, task in zip(names, staying, strict=True):
            async with subscriber(url, name) as user:
                await user.subscribe()
                assert await user.reach(last) == expected(Wish([unique]), teller.told, after=task.result())


async def test_what_is_no_longer_kept_is_told_as_missed(start_broadcaster, redis_url, names):
    service = await start_broadcaster()
    async with Teller(redis_url, names, stream_length=100) as teller:
        async with subscriber(ws(service)) as user:
            await user.subscribe()
            told = await teller.tell_all(patterns(5, ["A"]))
            await user.reach(told[-1])
            await user.ack(told[-1])
        await asyncio.to_thread(service.kill)
        told = await teller.tell_all(patterns(250, ["A"]))
        again = await start_broadcaster()
        async with subscriber(ws(again)) as user:
            await user.subscribe()
            assert await user.reach(told[-1]) == told[150:]
            assert user.missed == 150


async def test_a_user_who_had_everything_misses_nothing_that_was_not_asked_for(start_broadcaster, redis_url, names):
    service = await start_broadcaster()
    async with Teller(redis_url, names, stream_length=50) as teller:
        async with subscriber(ws(service)) as user:
            await user.subscribe(Wish(["B"]))
            await teller.tell_all(patterns(200, ["A"]))
            last = await teller.tell(a_pattern("B"))
            await user.reach(last)
        async with subscriber(ws(service)) as user:
            await user.subscribe()
            assert await user.reach(last) == [last]
            assert user.missed == 0


async def test_a_stream_that_lost_its_data_begins_anew_and_so_do_its_users(
    start_broadcaster, own_teller, redis_url, names
):
    service = await start_broadcaster()
    async with own_teller as teller, subscriber(ws(service)) as user:
        await user.subscribe(Wish(["A"]))
        told = await teller.tell_all(patterns(20, ["A"]))
        await user.reach(told[-1])
        await user.ack(told[-1])
        with redis.Redis.from_url(redis_url) as server:
            server.delete(names.stream("patterns"))
        first = await teller.tell(a_pattern("A"))
        assert first == 1
        assert (await user.end())[0] == 1012
        async with subscriber(ws(service)) as back:
            await back.subscribe()
            assert await back.reach(first) == [first]


async def test_who_was_away_so_long_that_memory_does_not_reach_back_gets_everything_too(
    start_broadcaster, redis_url, names
):
    service = await start_broadcaster()
    async with Teller(redis_url, names, stream_length=20_000) as teller:
        async with subscriber(ws(service)) as user:
            await user.subscribe(Wish(["A", "B"], min_strength=90))
        await asyncio.to_thread(service.kill)
        await teller.tell_burst(patterns(10_700, ["A", "B", "C"]))
        again = await start_broadcaster()
        async with subscriber(ws(again)) as user:
            await user.subscribe()
            last = await teller.tell(a_pattern("A", strength=100))
            assert await user.reach(last) == expected(Wish(["A", "B"], min_strength=90), teller.told)
            assert user.missed == 0
