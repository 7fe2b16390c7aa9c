"""The test's own corner of a Redis server, and the parts of the system that work in it."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
import redis.asyncio

from gate.plugin.faults import Proxy
from suites.conftest import StartService
from suites.system import Live, Mailbox, Names, Publisher, Service


@dataclass(frozen=True, slots=True)
class Broker:
    """Makes publishers and subscribers that share one server and one prefix; each is used as `async with`."""

    url: str
    names: Names

    def through(self, proxy: Proxy) -> "Broker":
        return replace(self, url=proxy.url)

    def publisher(self, **options: Any) -> Publisher:
        return Publisher(self.url, names=self.names, **options)

    def live(self, *channels: str, patterns: tuple[str, ...] = ()) -> Live:
        return Live(self.url, channels=channels, patterns=patterns, names=self.names)

    def mailbox(self, user: str, stream: str = "s", **options: Any) -> Mailbox:
        return Mailbox(self.url, stream, user, names=self.names, **options)

    def server(self) -> "redis.asyncio.Redis":
        """A connection that is not the system's, to look behind it."""
        return redis.asyncio.Redis.from_url(self.url)


@pytest.fixture
def broker(redis_url: str, names: Names) -> Broker:
    return Broker(redis_url, names)


@pytest.fixture
def start_finding(start_service: StartService, broker: Broker) -> StartService:
    """As `start_service`, with Redis and the test's own prefix there."""

    async def start(redis_url: str = broker.url, **environment: str) -> Service:
        return await start_service(REDIS_URL=redis_url, TICKSTREAM_PREFIX=broker.names.prefix, **environment)

    return start
