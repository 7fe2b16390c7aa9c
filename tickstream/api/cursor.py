"""Cursors: where the next page begins, sealed so that a client can only hand back what it was given.

A cursor belongs to one query: it holds the last place that was answered and is signed together with the query. One
that was altered, made up or taken from another query does not open.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

_PLACE_BYTES: Final = 8
_SEAL_BYTES: Final = 16
CHARACTERS: Final = 32  # of a cursor, in base64


class CursorError(ValueError):
    """The text is no cursor of this query."""


class Cursors:
    """`secret` is any text; what it signs here is good for nothing else."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(b"tickstream cursor\0" + secret.encode()).digest()

    def seal(self, query: str, place: int) -> str:
        """The cursor of `query` behind `place`, a number of up to 64 bits with a sign."""
        packed = place.to_bytes(_PLACE_BYTES, "big", signed=True)
        return base64.urlsafe_b64encode(packed + self._seal(query, packed)).decode()

    def open(self, query: str, cursor: str) -> int:
        """The place that was sealed. Raises CursorError."""
        try:
            data = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error) as error:
            raise CursorError("no cursor") from error
        packed, seal = data[:_PLACE_BYTES], data[_PLACE_BYTES:]
        if not hmac.compare_digest(seal, self._seal(query, packed)):
            raise CursorError("not a cursor of this query")
        return int.from_bytes(packed, "big", signed=True)

    def _seal(self, query: str, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed + query.encode(), "sha256")[:_SEAL_BYTES]
