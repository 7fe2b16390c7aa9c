"""What every suite stands on: real servers by URL, a private place in each, and tests that may be coroutines.

POSTGRES_URL and REDIS_URL name the servers. Each test gets a schema and a key prefix that nobody else uses, so that
suites, workers and runs can share one server side by side. A coroutine test runs in an event loop of its own and may
take half a minute at most, whatever the system under test does to it.
"""

import asyncio
import inspect
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis

from suites.database import Database, private_database, required_url
from suites.system import Names, Service

_TEST_S = 30.0
_SERVERS = {
    "postgres_url": ("POSTGRES_URL", "postgresql://postgres@127.0.0.1:5432/postgres"),
    "redis_url": ("REDIS_URL", "redis://127.0.0.1:6379/0"),
}

StartService = Callable[..., Awaitable[Service]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say at once, and once, which server is missing."""
    if config.option.collectonly or hasattr(config, "workerinput"):
        return
    needed = {name for item in items for name in getattr(item, "fixturenames", ())}
    for fixture, (variable, example) in _SERVERS.items():
        if fixture in needed:
            required_url(variable, example)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), _TEST_S))
    return True


@pytest.fixture(scope="session")
def postgres_url() -> str:
    return required_url(*_SERVERS["postgres_url"])


@pytest.fixture(scope="session")
def redis_url() -> str:
    return required_url(*_SERVERS["redis_url"])


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """A schema of this test alone."""
    with private_database(postgres_url) as database:
        yield database


@pytest.fixture(scope="session")
def shared_database(postgres_url: str) -> Iterator[Database]:
    """The schema of `shared_service`."""
    with private_database(postgres_url) as database:
        yield database


@pytest.fixture
def names(redis_url: str) -> Iterator[Names]:
    """Names in Redis that belong to this test alone."""
    with private_names(redis_url) as names:
        yield names


@pytest.fixture
def unique() -> str:
    """A text that no other test has; what the test calls its source and how its symbols begin."""
    return f"T{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def shared_service(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service for tests that only send ticks: their sources and symbols are their own, see `unique`."""
    with Service(_environment(shared_database, tmp_path_factory.mktemp("journal"))) as service:
        yield service


@pytest.fixture
def start_service(database: Database, tmp_path: Path) -> Iterator[StartService]:
    """Starts services that the test may break. All of them share the test's schema and, unless told, its journal."""
    with ExitStack() as stack:

        async def start(command: str = "ingest", *, wait: bool = True, **environment: str) -> Service:
            service = Service({**_environment(database, tmp_path / "journal"), **environment}, command, wait=wait)
            # In a thread: what the service needs for its start may be served by this very event loop.
            return await asyncio.to_thread(stack.enter_context, service)

        yield start


@contextmanager
def private_names(redis_url: str) -> Iterator[Names]:
    """Names in Redis that nobody else uses; what lies under them afterwards is removed."""
    names = Names(f"suite:{secrets.token_hex(6)}:")
    try:
        yield names
    finally:
        with redis.Redis.from_url(redis_url) as connection:
            for key in connection.scan_iter(f"{names.prefix}*", count=1000):
                connection.delete(key)


def _environment(database: Database, journal: Path) -> dict[str, str]:
    return {
        "POSTGRES_URL": database.url,
        "REDIS_URL": "",
        "TICKSTREAM_SCHEMA": database.schema,
        "TICKSTREAM_JOURNAL": str(journal),
        "LOG_LEVEL": "info",
    }
