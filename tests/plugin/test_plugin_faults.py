"""`faults` breaks what it says, tells when it is so, and leaves nothing broken behind."""

import asyncio
import itertools
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gate.plugin.faults import Faults
from gate.plugin.faults.proxy import Proxy
from gate.plugin.faults.relay import Link
from gate.plugin.faults.weather import CHUNK, Shape
from tests.plugin.echo import Server


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def proxy(server: Server, faults: Faults) -> Proxy:
    return faults.proxy(f"127.0.0.1:{server.port}")


def connect(proxy: Proxy) -> socket.socket:
    sock = socket.create_connection((proxy.host, proxy.port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def asked(sock: socket.socket, data: bytes) -> bytes:
    """What comes back for `data`, as much of it as there is."""
    sock.sendall(data)
    return answer(sock, len(data))


def answer(sock: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size and (part := sock.recv(65536)):
        got += part
    return got


# ---- the way through ------------------------------------------------------------------------------------------------


def test_a_proxy_passes_everything_and_counts_it(proxy: Proxy, server: Server) -> None:
    sent = os.urandom(300_000)
    with connect(proxy) as sock:
        sender = threading.Thread(target=sock.sendall, args=(sent,))
        sender.start()
        assert answer(sock, len(sent)) == sent
        sender.join()
        assert (proxy.accepted, proxy.connections, proxy.bytes_up, proxy.bytes_down) == (1, 1, 300_000, 300_000)
        (address,) = proxy.far_addresses()
        assert address == "{}:{}".format(*server.links[0].getpeername())
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    server.join()
    assert server.ended == ["closed"]


@pytest.mark.parametrize(
    ("server_url", "through"),
    [
        ("127.0.0.1:7", "127.0.0.1:{}"),
        ("postgresql://user:pw@127.0.0.1/db?sslmode=disable", "postgresql://user:pw@127.0.0.1:{}/db?sslmode=disable"),
        ("redis://:p%40w@localhost:7/0", "redis://:p%40w@127.0.0.1:{}/0"),
        ("ws://[::1]:7/ticks", "ws://127.0.0.1:{}/ticks"),
        ("http://127.0.0.1", "http://127.0.0.1:{}"),
    ],
)
def test_the_url_through_a_proxy_differs_in_host_and_port_only(faults: Faults, server_url: str, through: str) -> None:
    proxy = faults.proxy(server_url)
    assert proxy.url == through.format(proxy.port)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "mine://127.0.0.1", "http://", "postgresql:///db", "a:b", "redis://h:1x"]
)
def test_a_server_without_a_place_is_refused(faults: Faults, text: str) -> None:
    with pytest.raises(ValueError, match="no proxy before"):
        faults.proxy(text)


def test_no_message_shows_a_password(faults: Faults) -> None:
    with pytest.raises(ValueError, match="no proxy before") as refused:
        faults.proxy("mine://me:secret@127.0.0.1")
    proxy = faults.proxy("redis://me:secret@127.0.0.1:1")
    with pytest.raises(TimeoutError) as nobody:
        proxy.wait_refused(0)
    assert "secret" not in f"{refused.value} {nobody.value} {proxy!r}"


def test_a_server_that_takes_no_connection_is_felt_as_a_reset(faults: Faults) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionResetError), connect(faults.proxy(f"127.0.0.1:{port}")) as sock:
        asked(sock, b"x")


# ---- faults of the network ------------------------------------------------------------------------------------------


def test_down_breaks_every_connection_and_refuses_until_up(proxy: Proxy, server: Server) -> None:
    with connect(proxy) as sock:
        assert asked(sock, b"before") == b"before"
        proxy.down()
        assert proxy.connections == 0
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    server.join()
    assert server.ended == ["reset"]
    with pytest.raises(ConnectionResetError), connect(proxy) as sock:
        asked(sock, b"x")
    proxy.wait_refused(5)
    proxy.up()
    with connect(proxy) as sock:
        assert asked(sock, b"after") == b"after"
    assert server.received == b"beforeafter"


def test_reset_breaks_every_connection_and_welcomes_new_ones(proxy: Proxy) -> None:
    with connect(proxy) as first, connect(proxy) as second:
        assert asked(first, b"1") + asked(second, b"2") == b"12"
        proxy.reset()
        for sock in (first, second):
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
    with connect(proxy) as sock:
        assert asked(sock, b"3") == b"3"


def test_nothing_passes_a_blackhole_upwards_and_nothing_is_lost_in_it(proxy: Proxy, server: Server) -> None:
    with connect(proxy) as sock:
        assert asked(sock, b"a") == b"a"
        proxy.blackhole()
        sock.sendall(b"b")
        proxy.wait_refused(5)
        assert (server.received, proxy.connections) == (b"a", 1)
        sock.shutdown(socket.SHUT_WR)
        proxy.heal()
        assert answer(sock, 10) == b"b"
    server.join()
    assert server.ended == ["closed"]


def test_nothing_passes_a_blackhole_downwards(proxy: Proxy, server: Server) -> None:
    with connect(proxy) as sock:
        assert asked(sock, b"a") == b"a"
        proxy.blackhole()
        server.links[0].sendall(b"news")
        proxy.wait_refused(5)
        sock.settimeout(0)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        sock.settimeout(10)
        proxy.heal()
        assert answer(sock, 4) == b"news"


def test_the_end_of_a_connection_does_not_pass_a_blackhole(proxy: Proxy, server: Server) -> None:
    with connect(proxy) as sock:
        assert asked(sock, b"a") == b"a"
        proxy.blackhole()
    proxy.wait_refused(5)
    assert (server.ended, proxy.connections) == ([], 1)
    proxy.heal()
    server.join()
    assert server.ended == ["closed"]


def test_a_blackhole_holds_what_has_passed_in_part(proxy: Proxy, server: Server) -> None:
    proxy.slice(3, pause_s=3600, direction="up")
    with connect(proxy) as sock:
        sock.sendall(b"012345")
        assert answer(sock, 3) == b"012"
        proxy.blackhole()
        proxy.wait_refused(5)
        assert server.received == b"012"
        proxy.heal()
        assert answer(sock, 3) == b"345"


def test_a_connection_that_has_only_been_accepted_is_broken_too(proxy: Proxy) -> None:
    near, client = socket.socketpair()

    async def scene() -> None:
        proxy._relay.links.add(Link(proxy._relay, near))
        await proxy._relay.reset()

    proxy._thread.run(scene())
    assert (near.fileno(), proxy.connections) == (-1, 0)
    client.close()


def test_who_comes_during_a_blackhole_hangs_until_it_heals(proxy: Proxy, server: Server) -> None:
    proxy.blackhole()
    with connect(proxy) as sock:
        proxy.wait_refused(5)
        assert (proxy.accepted, server.links) == (1, [])
        proxy.heal()
        assert asked(sock, b"x") == b"x"


def test_a_blackhole_takes_in_one_chunk_and_then_the_sender_feels_it(proxy: Proxy) -> None:
    with connect(proxy) as sock:
        assert asked(sock, b"a") == b"a"
        proxy.latency(0.01)
        proxy.blackhole()
        sock.settimeout(0)
        endless = itertools.repeat(b"x" * 65536)
        with pytest.raises(BlockingIOError):
            deque(map(sock.send, endless), maxlen=0)
        proxy.wait_refused(5)
        (link,) = proxy._relay.links
        assert (proxy.bytes_up, link._streams[0]._held <= CHUNK) == (1, True)


@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_latency_holds_every_chunk_back_in_its_direction(proxy: Proxy, direction: str) -> None:
    proxy.latency(0.04, direction=direction)  # type: ignore[arg-type]
    with connect(proxy) as sock:
        began = time.perf_counter()
        assert asked(sock, b"x") == b"x"
        took_s = time.perf_counter() - began
    assert took_s >= (0.08 if direction == "both" else 0.04)


def test_what_was_held_back_goes_on_when_the_proxy_heals(proxy: Proxy) -> None:
    proxy.latency(3600)
    with connect(proxy) as sock:
        sock.sendall(b"x")
        proxy.heal()
        assert answer(sock, 1) == b"x"


def test_jitter_changes_no_order(proxy: Proxy) -> None:
    proxy.latency(0.002, jitter_s=0.002)
    sent = bytes(range(200))
    with connect(proxy) as sock:
        for at in range(200):
            sock.sendall(sent[at : at + 1])
        assert answer(sock, 200) == sent


def test_a_bandwidth_is_not_exceeded(proxy: Proxy) -> None:
    proxy.bandwidth(400_000, direction="down")
    with connect(proxy) as sock:
        began = time.perf_counter()
        assert len(asked(sock, b"x" * 40_000)) == 40_000
        took_s = time.perf_counter() - began
    assert took_s >= 0.08  # the last piece needs no time behind it


def test_a_slice_is_handed_over_before_the_next_one_follows(proxy: Proxy, server: Server) -> None:
    proxy.slice(3, pause_s=3600, direction="up")
    with connect(proxy) as sock:
        sock.sendall(b"0123456789")
        assert answer(sock, 3) == b"012"
        assert (server.received, proxy.bytes_up) == (b"012", 3)
        proxy.heal()
        assert answer(sock, 7) == b"3456789"


def test_a_shape_cuts_pieces_and_keeps_room_for_what_is_under_way() -> None:
    assert Shape().piece(1000) == 1000
    assert Shape(slice_bytes=16).piece(1000) == 16
    assert Shape(slice_bytes=16).piece(5) == 5
    assert Shape(bytes_per_s=64_000).piece(1000) == 640
    assert Shape(bytes_per_s=3, slice_bytes=16).piece(1000) == 1
    assert Shape().room() == 0
    assert Shape(latency_s=0.1).room() >= 1_000_000
    assert Shape(latency_s=0.1, bytes_per_s=50_000).room() == 5_000
    assert (Shape(latency_s=0.1, jitter_s=0.2).delay_s(-1), Shape(latency_s=1, jitter_s=2).delay_s(1)) == (0.0, 3.0)


def test_a_request_arrives_and_its_answer_does_not(proxy: Proxy, server: Server) -> None:
    with connect(proxy) as sock:
        proxy.cut_answer_to(b"COMMIT")
        assert asked(sock, b"BEGIN") == b"BEGIN"
        sock.sendall(b"COM")
        assert answer(sock, 3) == b"COM"
        sock.sendall(b"MIT;")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    server.join()
    assert (server.received, proxy.cuts) == (b"BEGINCOMMIT;", 1)
    with connect(proxy) as sock:
        assert asked(sock, b"COMMIT") == b"COMMIT"
    assert proxy.cuts == 1


def test_only_an_answer_is_cut_off_and_no_later_request(proxy: Proxy, server: Server) -> None:
    proxy.cut_answer_to(b"COMMIT")
    with connect(proxy) as sock:
        sock.sendall(b"SILENT COMMIT")
        assert server.arrived.get(timeout=10) == b"SILENT COMMIT"
        sock.sendall(b"more")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert server.arrived.get(timeout=10) == b"more"
    assert proxy.cuts == 1


def test_heal_takes_an_armed_cut_back(proxy: Proxy) -> None:
    proxy.cut_answer_to(b"COMMIT")
    proxy.heal()
    with connect(proxy) as sock:
        assert asked(sock, b"COMMIT") == b"COMMIT"


def test_waiting_for_somebody_to_be_refused_has_an_end(proxy: Proxy) -> None:
    with connect(proxy) as sock:
        asked(sock, b"x")
    with pytest.raises(TimeoutError, match="nobody was refused"):
        proxy.wait_refused(0.01)


def test_only_who_came_since_the_last_down_counts_as_refused(proxy: Proxy) -> None:
    proxy.down()
    with pytest.raises(ConnectionResetError), connect(proxy) as sock:
        asked(sock, b"x")
    proxy.wait_refused(5)
    proxy.down()
    with pytest.raises(TimeoutError):
        proxy.wait_refused(0.01)


def test_a_coroutine_hears_of_the_refused_in_its_own_loop(proxy: Proxy) -> None:
    async def scene() -> None:
        proxy.down()
        impatient = asyncio.create_task(proxy.refused())
        await asyncio.sleep(0)
        impatient.cancel()  # one who waits no more changes nothing for the others
        waiting = asyncio.create_task(proxy.refused())
        await asyncio.sleep(0)
        assert not waiting.done()
        with suppress(OSError), connect(proxy):
            pass
        await asyncio.wait_for(waiting, 10)
        await proxy.refused()

    asyncio.run(scene())


@pytest.mark.parametrize(
    "call",
    [
        lambda proxy: proxy.latency(-1),
        lambda proxy: proxy.latency(1, jitter_s=-1),
        lambda proxy: proxy.latency(1, direction="sideways"),
        lambda proxy: proxy.bandwidth(0),
        lambda proxy: proxy.slice(0),
        lambda proxy: proxy.cut_answer_to(b""),
    ],
)
def test_a_fault_that_means_nothing_is_refused(proxy: Proxy, call: object) -> None:
    with pytest.raises(ValueError, match=r"negative|allowed|above 0|at least|empty"):
        call(proxy)  # type: ignore[operator]
