"""The few messages of PostgreSQL's protocol that show that a server is ready and create a database.

Owns one session without password (version 3.0 of the wire protocol): start-up, simple queries, the end. Everything else
about PostgreSQL is left to the clients that suites bring.
"""

import socket
import struct
from types import TracebackType
from typing import Final, Self

_PROTOCOL: Final = 3 << 16
_LONGEST: Final = 1 << 20
_TIMEOUT_S: Final = 10.0  # CREATE DATABASE copies files and waits for the disk


class PostgresRefused(Exception):
    """The server answered with an error; `code` is its SQLSTATE."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


class Session:
    """One open session. `parameters` are what the server told about itself, `server_version` among them."""

    def __init__(self, connection: socket.socket) -> None:
        self.parameters: dict[str, str] = {}
        self._connection = connection

    @classmethod
    def open(cls, address: tuple[str, int], *, user: str, database: str) -> Self:
        """Open a session. Raises OSError when nobody listens, PostgresRefused when it is refused."""
        session = cls(socket.create_connection(address, timeout=_TIMEOUT_S))
        try:
            words = ("user", user, "database", database)
            body = b"".join(word.encode() + b"\0" for word in words) + b"\0"
            session._connection.sendall(struct.pack("!ii", len(body) + 8, _PROTOCOL) + body)
            session._until_ready()
        except BaseException:
            session._connection.close()
            raise
        return session

    def execute(self, statement: str) -> None:
        """Run one statement for its effect. Raises PostgresRefused when it fails."""
        body = statement.encode() + b"\0"
        self._connection.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)
        self._until_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._connection:
            self._connection.sendall(b"X" + struct.pack("!i", 4))

    def _until_ready(self) -> None:
        refusal: PostgresRefused | None = None
        while True:
            kind, body = self._message()
            if kind == b"Z":
                break
            if kind == b"R" and body != b"\0\0\0\0":
                raise PostgresRefused("28000", "it asks for a password")
            if kind == b"S":
                name, value = body.split(b"\0")[:2]
                self.parameters[name.decode()] = value.decode()
            if kind == b"E":
                refusal = _refusal(body)
                if refusal.code.startswith(("57P", "53", "3D", "28")):  # the session is over after these
                    break
        if refusal is not None:
            raise refusal

    def _message(self) -> tuple[bytes, bytes]:
        kind, length = struct.unpack("!ci", self._exactly(5))
        if not 4 <= length <= _LONGEST:
            raise ConnectionError(f"a message of {length} bytes is not PostgreSQL's")
        return kind, self._exactly(length - 4)

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._connection.recv(size - len(data))
            if not piece:
                raise ConnectionError("the server hung up")
            data += piece
        return data


def _refusal(body: bytes) -> PostgresRefused:
    fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if part}
    return PostgresRefused(fields.get(b"C", "?????"), fields.get(b"M", "an error"))
