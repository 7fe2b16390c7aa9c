"""The API as a process of its own: one before a filled market to read from, and one per test to break."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from suites.conftest import StartService, private_names
from suites.database import Database, private_database
from suites.pattern_api import market
from suites.pattern_api.client import Client
from suites.system import Names, Service

StartApi = Callable[..., Awaitable[Service]]


@pytest.fixture(scope="session")
def api(postgres_url: str, redis_url: str) -> Iterator[Service]:
    """The API before `market.patterns()` and the bars of `market.SYMBOLS`; nobody changes those."""
    with private_database(postgres_url) as database, private_names(redis_url) as names:
        environment = {
            "POSTGRES_URL": database.url,
            "REDIS_URL": redis_url,
            "TICKSTREAM_SCHEMA": database.schema,
            "TICKSTREAM_PREFIX": names.prefix,
            "LOG_LEVEL": "info",
        }
        with Service(environment, "api") as service:
            asyncio.run(_fill(service, database))
            yield service


@pytest.fixture
def start_api(start_service: StartService, redis_url: str, names: Names) -> StartApi:
    """Starts an API that the test may break, before empty tables, and waits until it is well unless told otherwise."""

    async def start(*, healthy: bool = True, **environment: str) -> Service:
        service = await start_service(
            "api", **{"REDIS_URL": redis_url, "TICKSTREAM_PREFIX": names.prefix, **environment}
        )
        if healthy:
            async with Client(service) as client:
                await client.healthy()
        return service

    return start


async def _fill(service: Service, database: Database) -> None:
    async with Client(service) as client:
        await client.healthy()
    await market.insert_patterns(database, market.patterns())
    for symbol in market.SYMBOLS:
        await market.insert_bars(database, symbol, market.bars(symbol))
