"""An HTTP client that sends exactly the bytes it is told to: what a polite client refuses to say, an attacker says."""

import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

ANSWER_S = 5.0
FIRST_WORD_S = 1.5
SILENCE_S = 0.25

Headers = Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is 0 where the connection was closed without an answer."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def granted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def broken(self) -> bool:
        """Whether the server had to confess a defect of its own."""
        return self.status >= 500

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def lasting(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Everything but the date: what two answers that must not differ are compared by."""
        return self.status, sorted(pair for pair in self.headers if pair[0].lower() != "date"), self.body

    def text(self) -> str:
        """All that a client sees of it."""
        return "\n".join([*(f"{name}: {value}" for name, value in self.headers), self.body.decode("latin-1")])


NO_ANSWER = Answer(0)


class Client:
    """Requests to one port over one connection, which is opened again where the server has closed it.

    `seen` is told of every answer. `token` stands in the header of each request that does not bring its own.
    """

    def __init__(self, port: int, token: str | None = None, seen: Callable[[Answer], None] | None = None) -> None:
        self._port = port
        self._token = token
        self._seen = seen or (lambda _: None)
        self._connection: socket.socket | None = None

    def get(self, target: str, **options: Any) -> Answer:
        return self.ask("GET", target, **options)

    def post(self, target: str, content: Any, **options: Any) -> Answer:
        return self.ask("POST", target, content=content, **options)

    def ask(
        self,
        method: str,
        target: str,
        *,
        headers: Headers = (),
        content: Any = None,
        body: bytes | None = None,
        host: bool = True,
    ) -> Answer:
        """One request; `content` is sent as JSON, `body` as it is. Without `host` the headers name one."""
        lines: list[tuple[str, str | bytes]] = [*headers]
        if host:
            lines.insert(0, ("Host", "localhost"))
        if self._token is not None:
            lines.append(("Authorization", f"Bearer {self._token}"))
        if content is not None:
            body = json.dumps(content).encode()
            lines.append(("Content-Type", "application/json"))
        if body is not None:
            lines.append(("Content-Length", str(len(body))))
        data = request(method, target, lines) + (body or b"")
        answer = self._exchange(data, method, again=self._connection is not None)
        self._seen(answer)
        return answer

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, data: bytes, method: str, *, again: bool) -> Answer:
        """Once more on a new connection where the one from before may have been closed meanwhile."""
        if self._connection is None:
            self._connection = connected(self._port)
        with contextlib.suppress(OSError):  # it may have answered before it closed
            self._connection.sendall(data)
        try:
            answer, reusable = _read(self._connection, method)
        except (OSError, http.client.HTTPException):
            self.close()
            return self._exchange(data, method, again=False) if again else NO_ANSWER
        if not reusable:
            self.close()
        return answer


def request(method: str, target: str, headers: Headers) -> bytes:
    """The head of a request, with nothing checked."""
    first = f"{method} {target} HTTP/1.1".encode()
    lines = [name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()) for name, value in headers]
    return b"\r\n".join((first, *lines, b"", b""))


def connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def said(port: int, data: bytes) -> tuple[bytes, bool]:
    """What a new connection answers to `data` before it is silent, and whether it closed."""
    received = bytearray()
    with connected(port) as connection:
        connection.settimeout(FIRST_WORD_S)
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                received += chunk
                connection.settimeout(SILENCE_S)
        except TimeoutError:
            return bytes(received), False
        except OSError:
            pass
    return bytes(received), True


def said_to_all(port: int, attacks: Sequence[bytes]) -> list[tuple[bytes, bool]]:
    """As `said` for each of them, all at the same time."""
    with ThreadPoolExecutor(len(attacks)) as threads:
        return list(threads.map(lambda data: said(port, data), attacks))


def _read(connection: socket.socket, method: str) -> tuple[Answer, bool]:
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        body = response.read()
        return Answer(response.status, tuple(response.getheaders()), body), not response.will_close
    finally:
        response.close()
