"""Each user gets what they asked for, and only that, from the number that they were told."""

import asyncio
import random
from contextlib import AsyncExitStack

import pytest

from suites.websocket_broadcast.subscriber import subscriber
from suites.websocket_broadcast.told import KINDS, Wish, a_pattern, expected, patterns


def symbols_of(unique):
    return [f"{unique}{letter}" for letter in "ABCD"]


def last_for(wish, unique):
    """A pattern that this wish asks for, to know when everything before it has come."""
    symbol = unique if wish.symbols == "*" else wish.symbols[0]
    return a_pattern(symbol, KINDS[0] if wish.kinds == "*" else wish.kinds[0], 100)


@pytest.mark.parametrize(
    "wish",
    [
        Wish(),
        Wish(symbols=["A"]),
        Wish(symbols=["A", "C"]),
        Wish(kinds=["gap"]),
        Wish(kinds=["gap", "engulfing"]),
        Wish(min_strength=75),
        Wish(symbols=["B", "D"], kinds=["breakout", "volume_spike"], min_strength=40),
    ],
    ids=["everything", "one symbol", "two symbols", "one kind", "two kinds", "strong ones", "all three"],
)
async def test_a_user_gets_what_they_asked_for_and_nothing_else(url, teller, unique, wish):
    if wish.symbols != "*":
        wish = Wish([unique + letter for letter in wish.symbols], wish.kinds, wish.min_strength)
    async with teller, subscriber(url, unique) as user:
        answer = await user.subscribe(wish)
        assert {name: answer[name] for name in ("symbols", "kinds", "min_strength")} == {
            **wish.frame(),
            "kinds": wish.kinds if wish.kinds == "*" else sorted(wish.kinds),
        }
        await teller.tell_all(patterns(100, symbols_of(unique)))
        last = await teller.tell(last_for(wish, unique))
        assert await user.reach(last) == expected(wish, teller.told)


async def test_a_pattern_comes_as_it_was_told(url, teller, unique):
    async with teller, subscriber(url, unique) as user:
        await user.subscribe()
        told = a_pattern(f"{unique}<é>", "engulfing", 93, number=4711)
        number = await teller.tell(told)
        await user.reach(number)
        assert user.got == [{**told, "type": "pattern", "number": number, "pattern": 4711}]


async def test_many_users_each_with_their_own_filter(url, teller, unique):
    rng = random.Random(7)
    symbols = symbols_of(unique)
    wishes = [
        Wish(
            sorted(rng.sample(symbols, rng.randint(1, 3))) if rng.random() < 0.7 else "*",
            sorted(rng.sample(KINDS, rng.randint(1, 3))) if rng.random() < 0.7 else "*",
            rng.choice([1, 30, 60, 90]),
        )
        for _ in range(30)
    ]
    async with teller, AsyncExitStack() as stack:
        users = [await stack.enter_async_context(subscriber(url, f"{unique}{index}")) for index in range(len(wishes))]
        for user, wish in zip(users, wishes, strict=True):
            await user.subscribe(wish)
        await teller.tell_all(patterns(200, symbols))
        ends = [await teller.tell(last_for(wish, unique)) for wish in wishes]
        got = await asyncio.gather(*(user.reach(end) for user, end in zip(users, ends, strict=True)))
    for wish, end, numbers in zip(wishes, ends, got, strict=True):
        assert numbers == [number for number in expected(wish, teller.told) if number <= end]


async def test_a_new_filter_holds_from_the_number_that_was_told(url, teller, unique):
    old, new = Wish(symbols=[f"{unique}A"]), Wish(symbols=[f"{unique}B"], min_strength=30)
    async with teller, subscriber(url, unique) as user:
        await user.subscribe(old)
        many = patterns(200, symbols_of(unique), seed=2)
        await teller.tell_all(many[:60])
        meanwhile = asyncio.create_task(teller.tell_all(many[60:]))
        turn = (await user.subscribe(new))["from"]
        await meanwhile
        last = await teller.tell(a_pattern(f"{unique}B", strength=100))
        numbers = await user.reach(last)
    told = teller.told
    assert min(told) < turn <= last
    assert numbers == [n for n in expected(old, told) if n < turn] + [n for n in expected(new, told) if n >= turn]


async def test_a_filter_holds_for_what_is_told_while_its_user_is_away(url, teller, unique):
    wish = Wish(symbols=[f"{unique}A", f"{unique}C"], kinds=["gap", "breakout"], min_strength=20)
    async with teller:
        async with subscriber(url, unique) as user:
            await user.subscribe(wish)
        await teller.tell_all(patterns(150, symbols_of(unique), seed=3))
        last = await teller.tell(a_pattern(f"{unique}A", "gap", 100))
        async with subscriber(url, unique) as user:
            answer = await user.subscribe()
            assert answer["symbols"] == wish.symbols
            assert await user.reach(last) == expected(wish, teller.told)


async def test_what_was_told_before_a_change_goes_by_the_filter_before_also_on_return(url, teller, unique):
    old, new = Wish(symbols=[f"{unique}A"]), Wish(symbols=[f"{unique}B"])
    async with teller:
        async with subscriber(url, unique) as user:
            await user.subscribe(old)
        await teller.tell_all(patterns(60, symbols_of(unique), seed=4))
        async with subscriber(url, unique) as user:
            turn = (await user.subscribe(new))["from"]
        await teller.tell_all(patterns(60, symbols_of(unique), seed=5))
        last = await teller.tell(a_pattern(f"{unique}B"))
        async with subscriber(url, unique) as user:
            await user.subscribe()
            numbers = await user.reach(last)
    told = teller.told
    assert numbers == [n for n in expected(old, told) if n < turn] + [n for n in expected(new, told) if n >= turn]


async def test_two_users_who_return_together_each_get_by_their_own_filter(url, teller, unique):
    wishes = {f"{unique}ada": Wish(symbols=[f"{unique}A"]), f"{unique}eve": Wish(symbols=[f"{unique}B"])}
    async with teller:
        for user, wish in wishes.items():
            async with subscriber(url, user) as away:
                await away.subscribe(wish)
        await teller.tell_all(patterns(80, symbols_of(unique), seed=6))
        last = {user: await teller.tell(a_pattern(wish.symbols[0])) for user, wish in wishes.items()}
        async with AsyncExitStack() as stack:
            back = {user: await stack.enter_async_context(subscriber(url, user)) for user in wishes}
            for user, wish in wishes.items():
                await back[user].subscribe()
                assert await back[user].reach(last[user]) == expected(wish, teller.told)


@pytest.mark.parametrize(
    "fields",
    [
        {"symbols": []},
        {"symbols": [f"S{n}" for n in range(101)]},
        {"symbols": ["x" * 65]},
        {"symbols": [""]},
        {"symbols": "AAPL"},
        {"symbols": [1]},
        {"kinds": ["nonsense"]},
        {"kinds": []},
        {"kinds": {}},
        {"min_strength": 0},
        {"min_strength": 101},
        {"min_strength": "50"},
        {"min_strength": 1.5},
        {"user": "eve"},
        {"device": "a b"},
        {"device": ""},
    ],
    ids=str,
)
async def test_a_filter_that_cannot_be_is_refused(url, unique, fields):
    async with subscriber(url, unique) as user:
        await user.send(type="subscribe", **fields)
        assert (await user.next("error"))["code"] == 4400
        assert (await user.end())[0] == 4400
