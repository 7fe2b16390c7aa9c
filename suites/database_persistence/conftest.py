"""An exchange whose day is known beforehand, for the tests that only look at it."""

from collections.abc import Iterator

import pytest

from suites.database_persistence.day import DAY_TICKS, STREAM_RATE, exchange_environment
from suites.servers import held_port
from suites.system import Service


@pytest.fixture(scope="session")
def shared_exchange() -> Iterator[Service]:
    """A day that is as fast as its takers and ends."""
    with Service(exchange_environment(ticks=DAY_TICKS), "exchange") as service:
        yield service


@pytest.fixture(scope="session")
def live_exchange() -> Iterator[Service]:
    """A market in real time without an end."""
    with Service(exchange_environment(rate=STREAM_RATE), "exchange") as service:
        yield service


@pytest.fixture
def exchange_port() -> Iterator[str]:
    """A port that an exchange keeps from start to start; nobody else is given it meanwhile."""
    with held_port() as holder:
        yield str(holder.getsockname()[1])
