"""Broadcasters: one that all well-behaved tests share, and ones of their own for those who break something."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest

from suites.conftest import private_names
from suites.system import Names, Service
from suites.websocket_broadcast.told import Teller

StartBroadcaster = Callable[..., Awaitable[Service]]
# Long enough for a busy machine to answer in time, short enough to wait for.
HEARTBEAT_S = 0.4


@pytest.fixture(scope="session")
def shared_names(redis_url: str) -> Iterator[Names]:
    with private_names(redis_url) as names:
        yield names


@pytest.fixture(scope="session")
def names_of_small(redis_url: str) -> Iterator[Names]:
    with private_names(redis_url) as names:
        yield names


@pytest.fixture(scope="session")
def small(redis_url: str, names_of_small: Names) -> Iterator[Service]:
    """Shared as well: room for three, two connections for each user, and a short heartbeat."""
    limits = {
        "TICKSTREAM_MAX_SUBSCRIBERS": "3",
        "TICKSTREAM_MAX_PER_USER": "2",
        "TICKSTREAM_HEARTBEAT_MS": str(int(HEARTBEAT_S * 1000)),
    }
    with Service({**_environment(redis_url, names_of_small), **limits}, "broadcast") as service:
        yield service


@pytest.fixture
def teller_of_small(redis_url: str, names_of_small: Names) -> Teller:
    return Teller(redis_url, names_of_small)


@pytest.fixture(scope="session")
def shared_broadcaster(redis_url: str, shared_names: Names) -> Iterator[Service]:
    """For tests that leave it as it was. Users and symbols are the test's own, see `unique`."""
    with Service(_environment(redis_url, shared_names), "broadcast") as service:
        yield service


@pytest.fixture
def url(shared_broadcaster: Service) -> str:
    return shared_broadcaster.url("broadcast", "/ws", scheme="ws")


@pytest.fixture
def teller(redis_url: str, shared_names: Names) -> Teller:
    """Tells the shared broadcaster; use as `async with teller`."""
    return Teller(redis_url, shared_names)


@pytest.fixture
def start_broadcaster(redis_url: str, names: Names) -> Iterator[StartBroadcaster]:
    """Starts broadcasters that the test may break, all in the test's own corner of Redis."""
    with ExitStack() as stack:

        async def start(**environment: str) -> Service:
            service = Service({**_environment(redis_url, names), **environment}, "broadcast")
            return await asyncio.to_thread(stack.enter_context, service)

        yield start


@pytest.fixture
def own_teller(redis_url: str, names: Names) -> Teller:
    """Tells the broadcasters of `start_broadcaster`; use as `async with own_teller`."""
    return Teller(redis_url, names)


def ws(service: Service) -> str:
    return service.url("broadcast", "/ws", scheme="ws")


def _environment(redis_url: str, names: Names) -> dict[str, str]:
    return {"REDIS_URL": redis_url, "TICKSTREAM_PREFIX": names.prefix, "LOG_LEVEL": "info"}
