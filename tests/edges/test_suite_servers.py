"""The servers that the recovery suite breaks: same address, same data, nobody left behind."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys

import psutil
import pytest

from gate.execute.services.postgres import find_binaries
from gate.execute.services.redis import find_server
from suites.servers import PostgresServer, RedisServer, held_port

pytestmark = pytest.mark.skipif(
    find_binaries() is None or find_server(os.environ) is None, reason="without the extra `services`"
)

_HOLDS_A_SERVER = """
import sys
from suites.servers import RedisServer
with RedisServer() as server:
    print(server._process.pid, server.directory, flush=True)
    sys.stdin.read()
"""


def test_a_killed_redis_comes_back_at_its_address_with_what_it_confirmed_and_empty_when_told_so():
    with RedisServer() as server:
        url = server.url
        assert _ask(server, b"SET a 1\r\n") == b"+OK\r\n"
        server.restart()
        assert (server.url, _ask(server, b"GET a\r\n")) == (url, b"$1\r\n1\r\n")
        server.kill()
        server.start_empty()
        assert _ask(server, b"GET a\r\n") == b"$-1\r\n"


def test_a_frozen_server_is_silent_and_answers_when_it_is_thawed():
    with RedisServer() as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        server.freeze()
        connection.sendall(b"PING\r\n")
        assert not select.select([connection], [], [], 0.2)[0]
        server.thaw()
        assert connection.recv(64) == b"+PONG\r\n"


def test_a_killed_postgres_leaves_no_process_and_a_closed_one_no_folder():
    with PostgresServer() as server:
        processes = _tree(server)
        assert len(processes) > 1
        server.freeze()
        server.kill()
        assert not any(_alive(process) for process in processes)
        server.start()
        processes = _tree(server)
    assert not any(_alive(process) for process in processes)
    assert not server.directory.exists()


def test_a_server_ends_with_the_process_that_started_it():
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDS_A_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        pid, directory = holder.stdout.readline().split()
        server = psutil.Process(int(pid))
        holder.send_signal(signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        server.wait(10)  # TimeoutExpired if it stays
    subprocess.run(["rm", "-r", directory], check=True)


def test_a_held_port_is_given_to_nobody_else_and_can_still_be_served_on():
    with held_port() as holder, socket.socket() as server:
        address = holder.getsockname()
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(address)
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(address)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)
        server.listen()
        socket.create_connection(address).close()


def _ask(server, command):
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(command)
        return connection.recv(64)


def _tree(server):
    first = psutil.Process(server._process.pid)
    return [first, *first.children(recursive=True)]


def _alive(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
