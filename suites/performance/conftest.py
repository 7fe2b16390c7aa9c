"""The system in as many processes as the machine has cores for: the exchange in one of its own, the rest in another."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest

from suites.conftest import StartService
from suites.performance.market import environment
from suites.system import Names, Service

StartMarket = Callable[..., Awaitable[tuple[Service, Service]]]


@pytest.fixture
def start_market(start_service: StartService, redis_url: str, names: Names) -> Iterator[StartMarket]:
    """Starts an exchange with `ticks` at `rate`, and the parts that `command` names, which take from it; gives both.

    A rate of 0 is as fast as they are taken, a day of 0 ticks does not end. The day begins once the parts are there.
    """
    with ExitStack() as stack:

        async def start(command: str, *, rate: int = 0, ticks: int = 0, **more: str) -> tuple[Service, Service]:
            exchange = stack.enter_context(Service(environment(rate=rate, ticks=ticks), "exchange"))
            parts = await start_service(
                command,
                REDIS_URL=redis_url,
                TICKSTREAM_PREFIX=names.prefix,
                TICKSTREAM_EXCHANGE_URL=exchange.url("exchange", "/ticks", scheme="ws"),
                **more,
            )
            return exchange, parts

        yield start
