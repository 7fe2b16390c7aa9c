"""The whole system as one process per worker, with passwords in its addresses and the most talkative log.

Every user, watchlist and symbol of a test is its own (`unique`). After each test the same process must still be there,
and neither its log nor any answer to the test's clients may hold a secret.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import pytest

from gate.plugin.recording import Metrics
from suites.conftest import private_names
from suites.database import Database, private_database
from suites.security.client import Answer, Client
from suites.security.tally import Tally
from suites.system import TOKEN_SECRET, Names, Service, token
from suites.waiting import until

_PASSWORD = f"pw-{secrets.token_hex(12)}"


@dataclass(slots=True)
class System:
    """The system under attack, and what everybody has been answered since the test began."""

    service: Service
    database: Database
    prefix: str
    secrets: tuple[str, ...]
    redis_url: str
    answers: list[Answer] = field(default_factory=list)
    _clients: list[Client] = field(default_factory=list)
    _logged: int = 0

    def port(self, part: str) -> int:
        return urlsplit(self.service.url(part)).port or 0

    def client(self, bearer: str | None = None, part: str = "api") -> Client:
        """A client of one part that shows this token with every request; none without one."""
        client = Client(self.port(part), bearer, self.answers.append)
        self._clients.append(client)
        return client

    @property
    def names(self) -> Names:
        return Names(self.prefix)

    def user(self, name: str, *scopes: str) -> Client:
        """A client of the API with a good token."""
        return self.client(token(name, *scopes))

    def fresh_log(self) -> str:
        """What has been logged since this was last asked for."""
        lines = self.service.log[self._logged :]
        self._logged += len(lines)
        return "\n".join(map(repr, lines))

    def well(self) -> bool:
        """Whether the process is there and all its parts do their work."""
        try:
            return bool(self.service.health()["status"] == "ok")
        except OSError:
            return False

    def end_test(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()
        self.answers.clear()


@pytest.fixture(scope="session")
def running(postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with private_database(postgres_url) as database, private_names(redis_url) as names:
        with_passwords = (_with_password(database.url, "postgres"), _with_password(redis_url, "default"))
        environment = {
            "POSTGRES_URL": with_passwords[0],
            "REDIS_URL": with_passwords[1],
            "TICKSTREAM_SCHEMA": database.schema,
            "TICKSTREAM_PREFIX": names.prefix,
            "TICKSTREAM_JOURNAL": str(tmp_path_factory.mktemp("journal")),
            "TICKSTREAM_SYMBOLS": "IDLE",  # the exchange trades once and is silent from then on
            "TICKSTREAM_TICKS": "1",
            "TICKSTREAM_MAX_PER_USER": "3",
            "LOG_LEVEL": "debug",
        }
        passwords = [urlsplit(url).password or "" for url in with_passwords]
        with Service(environment, "serve") as service:
            asyncio.run(_wait_healthy(service))
            yield System(service, database, names.prefix, (*passwords, TOKEN_SECRET), redis_url)


@pytest.fixture
def tally(running: System, metrics: Metrics, record_property: Callable[[str, object], None]) -> Iterator[Tally]:
    """Counts the test's attacks; at its end everything that was answered and logged is searched for secrets."""
    tally = Tally(metrics, running.secrets, record_property)
    yield tally
    for answer in running.answers:
        tally.look_for_leaks(answer.text(), "answer")
    tally.look_for_leaks(running.fresh_log(), "log")


@pytest.fixture
def system(running: System, tally: Tally) -> Iterator[System]:
    """The system, which must outlive the test."""
    yield running
    running.end_test()
    assert running.well(), f"the system does not stand any more; it said {running.service.log[-5:]}"


@pytest.fixture
def anybody(system: System) -> Client:
    """Somebody without a token."""
    return system.client()


def _with_password(url: str, user: str) -> str:
    """The address with a password, where it has none: servers that ask for none take any."""
    parts = urlsplit(url)
    if parts.password:
        return url
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or user}:{_PASSWORD}@{place}"))


async def _wait_healthy(service: Service) -> None:
    async def healthy() -> bool:
        return bool((await asyncio.to_thread(service.health))["status"] == "ok")

    await until(healthy)
