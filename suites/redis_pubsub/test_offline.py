"""Messages for who is away: kept in order, handed over once, acknowledged, bounded, and never missed unseen."""

import asyncio

from redis.exceptions import ResponseError

from suites.waiting import until


async def publish(publisher, first, last, stream="s"):
    await asyncio.gather(*(publisher.publish("a", str(n).encode(), stream=stream) for n in range(first, last + 1)))


async def take_all(mailbox, *, acknowledge=True, count=64):
    """Everything that waits, acknowledged page by page."""
    numbers = []
    while messages := await mailbox.read(count=count):
        numbers += [int(message.payload) for message in messages]
        if acknowledge:
            await mailbox.acknowledge(messages)
    return numbers


async def test_who_was_away_gets_everything_in_order_and_once(broker):
    async with broker.publisher() as publisher:
        async with broker.mailbox("ada"):
            pass
        await publish(publisher, 1, 1000)
        async with broker.mailbox("ada") as mailbox:
            assert await take_all(mailbox) == list(range(1, 1001))
        async with broker.mailbox("ada") as mailbox:
            assert await take_all(mailbox) == []


async def test_absence_after_absence_continues_where_it_stopped(broker):
    async with broker.publisher() as publisher:
        async with broker.mailbox("ada"):
            pass
        for first in (1, 101, 201):
            await publish(publisher, first, first + 99)
            async with broker.mailbox("ada") as mailbox:
                assert await take_all(mailbox) == list(range(first, first + 100))


async def test_what_was_not_acknowledged_comes_again_and_first(broker):
    async with broker.publisher() as publisher:
        async with broker.mailbox("ada") as mailbox:
            await publish(publisher, 1, 30)
            messages = await mailbox.read(count=20)
            await mailbox.acknowledge(messages[:5] + messages[10:])
        await publish(publisher, 31, 40)
        async with broker.mailbox("ada") as mailbox:
            assert await take_all(mailbox) == [*range(6, 11), *range(21, 41)]
            assert mailbox.missed == 0


async def test_within_one_visit_nothing_comes_twice(broker):
    async with broker.publisher() as publisher, broker.mailbox("ada") as mailbox:
        await publish(publisher, 1, 100)
        first = await take_all(mailbox, acknowledge=False, count=7)
        assert first == list(range(1, 101))
        assert await mailbox.read() == []


async def test_each_user_has_a_place_of_their_own(broker):
    users = ["ada", "Ada", "ada ", "a:b", "ünï", "*"]
    async with broker.publisher() as publisher:
        for user in users:
            async with broker.mailbox(user):
                pass
        await publish(publisher, 1, 50)
        for user in users:
            async with broker.mailbox(user) as mailbox:
                assert await take_all(mailbox) == list(range(1, 51))


async def test_streams_do_not_mix(broker):
    async with (
        broker.publisher() as publisher,
        broker.mailbox("ada", "one") as one,
        broker.mailbox("ada", "two") as two,
    ):
        await publish(publisher, 1, 10, stream="one")
        await publish(publisher, 11, 20, stream="two")
        assert await take_all(one) == list(range(1, 11))
        assert await take_all(two) == list(range(11, 21))


async def test_a_user_starts_with_what_comes_after_the_first_opening(broker):
    async with broker.publisher() as publisher:
        await publish(publisher, 1, 10)
        async with broker.mailbox("ada") as mailbox:
            await publish(publisher, 11, 20)
            assert await take_all(mailbox) == list(range(11, 21))
            assert mailbox.missed == 0


async def test_who_gives_the_place_up_starts_anew(broker):
    async with broker.publisher() as publisher:
        async with broker.mailbox("ada") as mailbox:
            await publish(publisher, 1, 10)
            await mailbox.forget()
        async with broker.mailbox("ada") as mailbox:
            await publish(publisher, 11, 12)
            assert await take_all(mailbox) == [11, 12]


async def test_a_stream_keeps_its_length_and_says_what_it_dropped(broker):
    async with broker.publisher(stream_length=100) as publisher:
        async with broker.mailbox("ada"):
            pass
        await publish(publisher, 1, 350)
        async with broker.server() as connection:
            assert await connection.xlen(broker.names.stream("s")) == 100
        async with broker.mailbox("ada") as mailbox:
            assert await take_all(mailbox) == list(range(251, 351))
            assert mailbox.missed == 250


async def test_messages_handed_out_but_dropped_before_they_came_again_are_counted(broker):
    async with broker.publisher(stream_length=100) as publisher:
        async with broker.mailbox("ada") as mailbox:
            await publish(publisher, 1, 80)
            await mailbox.read(count=80)
        await publish(publisher, 81, 150)
        async with broker.mailbox("ada") as mailbox:
            assert await take_all(mailbox) == list(range(51, 151))
            assert mailbox.missed == 50


async def test_numbers_go_on_where_the_stream_was_emptied(broker):
    async with broker.publisher() as publisher:
        await publish(publisher, 1, 5)
        async with broker.server() as connection:
            await connection.xtrim(broker.names.stream("s"), maxlen=0)
        assert await publisher.publish("a", b"6", stream="s") == 6


async def test_who_waits_gets_a_message_when_it_comes(broker):
    async with broker.publisher() as publisher, broker.mailbox("ada") as mailbox:
        waiting = asyncio.create_task(mailbox.read(wait_s=20))
        await _blocked(broker)
        await publisher.publish("a", b"1", stream="s")
        assert [message.payload for message in await waiting] == [b"1"]


async def test_who_waits_in_vain_gets_nothing(broker):
    async with broker.mailbox("ada") as mailbox:
        assert await mailbox.read(wait_s=0.02) == []


async def test_live_and_kept_numbers_agree_so_that_a_return_is_seamless(broker):
    async with broker.publisher() as publisher, broker.mailbox("ada") as mailbox:
        await publish(publisher, 1, 50)
        async with broker.live("a") as live:
            await publish(publisher, 51, 100)
            replayed = await take_all(mailbox)
            fresh = [await anext(live) for _ in range(50)]
    assert replayed == list(range(1, 101))
    assert [message.number for message in fresh] == list(range(51, 101))


async def test_a_message_that_is_not_to_be_kept_is_not(broker):
    async with broker.publisher() as publisher:
        assert await publisher.publish("a", b"live only") == 0
        async with broker.server() as connection:
            assert await connection.exists(broker.names.stream("s"), broker.names.stream("")) == 0


async def test_a_name_that_is_taken_by_something_else_is_an_error_and_holds_nobody_up(broker):
    async with broker.publisher() as publisher:
        async with broker.server() as connection:
            await connection.set(broker.names.stream("taken"), "text")
        results = await asyncio.gather(
            publisher.publish("a", b"1", stream="s"),
            publisher.publish("a", b"2", stream="taken"),
            publisher.publish("a", b"3", stream="s"),
            return_exceptions=True,
        )
    assert (results[0], results[2]) == (1, 2)
    assert isinstance(results[1], ResponseError)


async def _blocked(broker):
    """Return when some client of the server waits for a message."""
    async with broker.server() as connection:

        async def blocked():
            return (await connection.info("clients"))["blocked_clients"]

        await until(blocked)
