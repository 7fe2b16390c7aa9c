"""Servers of this suite's own, one pair per worker, which every test finds in good health and may take away."""

import secrets
from collections.abc import Iterator

import pytest

from suites.database import Database, private_database
from suites.servers import PostgresServer, RedisServer, held_port
from suites.system import Names


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The database server, for this test to break."""
    yield postgres_server
    postgres_server.mend()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """The Redis server, for this test to break."""
    yield redis_server
    redis_server.mend()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    """A schema of this test alone, in the server that it may break."""
    with private_database(postgres.url) as database:
        yield database
        postgres.mend()


@pytest.fixture
def names() -> Names:
    """Names in Redis that belong to this test alone."""
    return Names(f"suite:{secrets.token_hex(6)}:")


@pytest.fixture
def fixed_port() -> Iterator[str]:
    """A port that a service keeps from start to start, as in production; nobody else is given it."""
    with held_port() as holder:
        yield str(holder.getsockname()[1])
