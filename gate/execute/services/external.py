"""Services that somebody else runs: given by URL, reached once at the start, never started or stopped.

Owns the check that something answers at the address, so that a wrong address is told before the first suite and not by
every test. A URL may hold a password: suites get it whole, everything that is written down gets it masked.
"""

import os.path
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from gate.errors import ServiceError
from gate.execute.services.starting import Start, accepts, without_secret
from gate.model import Service, ServiceOutcome, ServiceState
from gate.protocols import Surroundings

_REACH_S: Final = 5.0
_PORTS: Final = {
    "amqp": 5672,
    "http": 80,
    "https": 443,
    "mongodb": 27017,
    "mysql": 3306,
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "rediss": 6379,
    "valkey": 6379,
    "ws": 80,
    "wss": 443,
}


def external_url(service: Service, environ: Mapping[str, str]) -> str | None:
    """The URL under which somebody else runs `service`: NAME_URL of the environment, else the manifest's."""
    return environ.get(f"{service.name.upper()}_URL") or service.url


class ExternalService:
    """Somebody else's service. Whether it is alive is asked anew each time, over TCP."""

    def __init__(self, service: Service, url: str) -> None:
        self._service = service
        self._url = url

    @property
    def service(self) -> Service:
        return self._service

    @property
    def env(self) -> Mapping[str, str]:
        return {f"{self._service.name.upper()}_URL": self._url}

    @property
    def outcome(self) -> ServiceOutcome:
        return self.stop()

    def alive(self) -> bool:
        address = _address(self._url)
        return address is None or accepts(*address, timeout_s=_REACH_S)

    def stop(self) -> ServiceOutcome:
        return ServiceOutcome(
            name=self._service.name,
            provider=self._service.provider,
            state=ServiceState.EXTERNAL,
            url=without_secret(self._url),
        )


class ExternalProvider:
    def __init__(self, url: str) -> None:
        self._url = url

    def begin(self, service: Service, surroundings: Surroundings) -> Start:  # noqa: ARG002 - the Protocol's form
        yield
        running = ExternalService(service, self._url)
        variable = f"{service.name.upper()}_URL"
        shown = without_secret(self._url)
        try:
            reached = running.alive()
        except ValueError as error:
            hint = f"{variable} or `url:` in the manifest reads like postgresql://user@host:5432/name"
            raise ServiceError(f"service {service.name}: {shown} is not a usable URL ({error})", hint=hint) from error
        if not reached:
            hint = f"start it, mend {variable}, or unset it to have the gate start its own"
            raise ServiceError(f"service {service.name}: nothing accepts connections at {shown}", hint=hint)
        return running


def _address(url: str) -> tuple[str, int] | None:
    """Host and port; None where the URL names a file or socket in its place. Raises ValueError for one without port."""
    parts = urlsplit(url)
    if parts.scheme in ("sqlite", "file", "unix") or _is_local_socket(parts):
        return None
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if not parts.hostname or port is None:
        raise ValueError("it names no host and port")
    return parts.hostname, port


def _is_local_socket(parts: SplitResult) -> bool:
    host = unquote(parts.hostname or parse_qs(parts.query).get("host", [""])[0])
    return os.path.isabs(host)  # noqa: PTH117 - a word of a URL, not a path of ours
