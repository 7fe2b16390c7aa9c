"""A WebSocket client that sends exactly the frames it is told to, allowed or not, and hears how it is ended."""

import base64
import json
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Self

from suites.security.client import Headers, connected, request

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
CUT_OFF = 1006


_KEY = base64.b64encode(os.urandom(16)).decode()
UPGRADE = (
    ("Host", "localhost"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", _KEY),
    ("Sec-WebSocket-Version", "13"),
)


class Talk:
    """One connection; `status` is that of the handshake, `head` the whole answer to it. Use as `with Talk(port)`.

    After a handshake that was refused nothing can be sent.
    """

    def __init__(self, port: int, path: str = "/ws", headers: Headers = (), *, token: str | None = None) -> None:
        shown = [("Authorization", f"Bearer {token}")] if token is not None else []
        self._socket = connected(port)
        self._unread = b""
        self._socket.sendall(request("GET", path, [*UPGRADE, *shown, *headers]))
        self.head = self._read_head()
        self.status = int(self.head[9:12] or 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, **message: Any) -> None:
        self.send_text(json.dumps(message).encode())

    def send_text(self, *payloads: bytes) -> None:
        self.send_raw(b"".join(frame(payload) for payload in payloads))

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are; a server that has gone meanwhile is noticed when reading."""
        with suppress(OSError):
            self._socket.sendall(data)

    def next(self) -> tuple[int, bytes]:
        """The next frame but pings. Raises EOFError at the end, TimeoutError after some seconds of silence."""
        while True:
            first, second = self._take(2)
            length = second & 127
            if length >= 126:
                length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
            payload = self._take(length)
            if first & 15 != PING:
                return first & 15, payload

    def hear(self, kind: str) -> dict[str, Any]:
        """The next message of this type."""
        while True:
            opcode, payload = self.next()
            assert opcode == TEXT, f"waited for {kind}, heard frame {opcode} {payload!r}"
            message: dict[str, Any] = json.loads(payload)
            if message["type"] == kind:
                return message

    def end(self) -> tuple[int, list[str]]:
        """The code with which the server ends, and the types of all messages before; 0 if it does not end."""
        told: list[str] = []
        try:
            while True:
                opcode, payload = self.next()
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big"), told
                told.append(json.loads(payload)["type"] if opcode == TEXT else f"frame {opcode}")
        except (EOFError, ConnectionError):
            return CUT_OFF, told
        except TimeoutError:
            return 0, told

    def patience(self, seconds: float) -> None:
        """How long to wait for each piece of an answer from now on."""
        self._socket.settimeout(seconds)

    def _take(self, count: int) -> bytes:
        while len(self._unread) < count:
            chunk = self._socket.recv(65536)
            if not chunk:
                raise EOFError
            self._unread += chunk
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken

    def _read_head(self) -> str:
        with suppress(OSError):
            while b"\r\n\r\n" not in self._unread and (chunk := self._socket.recv(65536)):
                self._unread += chunk
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        return head.decode("latin-1")


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    masked: bool = True,
    rsv: int = 0,
    length: int | None = None,
) -> bytes:
    """A client's frame; `length` may lie about the payload."""
    size = len(payload) if length is None else length
    first = bytes([(fin << 7) | (rsv << 4) | opcode])
    mask_bit = masked << 7
    if size < 126:
        head = first + bytes([mask_bit | size])
    elif size < 1 << 16:
        head = first + bytes([mask_bit | 126]) + struct.pack(">H", size)
    else:
        head = first + bytes([mask_bit | 127]) + struct.pack(">Q", size)
    # Masked with zeros, which leave the payload as it is.
    return head + (b"\0\0\0\0" if masked else b"") + payload


def in_pieces(payload: bytes, pieces: Iterable[int], opcode: int = TEXT) -> bytes:
    """One message as several frames of these sizes; the rest is the last."""
    frames, first = [], opcode
    for size in pieces:
        frames.append(frame(payload[:size], first, fin=False))
        payload, first = payload[size:], 0
    return b"".join([*frames, frame(payload, first)])
