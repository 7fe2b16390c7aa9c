"""The frames between the broadcaster and its clients: JSON texts, each an object that names its `type`.

What comes in is checked strictly: no unknown type, no unknown field, every list and number within its bounds. The close
codes of our own are 4000 plus the HTTP status that would say the same.
"""

from enum import IntEnum
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tickstream.model import Name
from tickstream.tokens import MAX_TOKEN_BYTES

MAX_FRAME_BYTES: Final = 16 * 1024
DEFAULT_DEVICE: Final = "default"

Device = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9._-]+$")]
Kind = Literal["breakout", "gap", "volume_spike", "engulfing"]  # model.KINDS, for the decoder
Strength = Annotated[int, Meta(ge=1, le=100)]
All = Literal["*"]

_FIN_TEXT: Final = 0x81
_ONE_BYTE: Final = 126
_TWO_BYTES: Final = 1 << 16


class Code(IntEnum):
    """Why a connection is closed."""

    NORMAL = 1000
    GOING_AWAY = 1001
    TOO_LARGE = 1009
    BROKEN = 1011
    STREAM_ANEW = 1012
    TRY_LATER = 1013
    MALFORMED = 4400
    NOT_AUTHORISED = 4401
    NOT_ALLOWED = 4403
    SILENT = 4408
    TOO_MANY = 4409
    FLOOD = 4429


class Auth(Struct, tag="auth", frozen=True, forbid_unknown_fields=True):
    token: Annotated[str, Meta(max_length=MAX_TOKEN_BYTES)]


class Subscribe(Struct, tag="subscribe", frozen=True, forbid_unknown_fields=True):
    """A frame that names no part of the filter leaves it as it was; one that names any sets all of it."""

    device: Device | UnsetType = UNSET
    symbols: Annotated[list[Name], Meta(min_length=1, max_length=100)] | All | UnsetType = UNSET
    kinds: Annotated[list[Kind], Meta(min_length=1, max_length=4)] | All | UnsetType = UNSET
    min_strength: Strength | UnsetType = UNSET


class Ack(Struct, tag="ack", frozen=True, forbid_unknown_fields=True):
    number: Annotated[int, Meta(ge=1, le=2**62)]


class Subscribed(Struct, tag="subscribed", frozen=True, kw_only=True):
    """`from_` is the first number for which the filter holds; everything after `acknowledged` comes now."""

    device: str
    symbols: list[str] | str
    kinds: list[str] | str
    min_strength: int
    from_: int = msgspec.field(name="from")
    acknowledged: int


class Told(Struct, tag="pattern", frozen=True, kw_only=True):
    """A pattern. `number` is its place in the stream, `pattern` the pattern's own number."""

    number: int
    pattern: int
    kind: str
    symbol: str
    minute: str
    direction: str
    price: str
    strength: int


class Acknowledged(Struct, tag="acknowledged", frozen=True):
    """Redis has it: nothing up to `number` will come again."""

    number: int


class Missed(Struct, tag="missed", frozen=True):
    """So many patterns are no longer kept; whether the filter asked for them is not known."""

    count: int


class Error(Struct, tag="error", frozen=True):
    code: int
    reason: str


Request = Auth | Subscribe | Ack

# Raises msgspec.DecodeError (malformed) or its child ValidationError (a value outside its limits).
decode = msgspec.json.Decoder(Request).decode
_encode = msgspec.json.Encoder().encode


def frame(message: Any) -> bytes:
    """`message` as a whole WebSocket frame of a server: the same bytes for every client, so they are made once."""
    payload = _encode(message)
    size = len(payload)
    if size < _ONE_BYTE:
        return bytes((_FIN_TEXT, size)) + payload
    if size < _TWO_BYTES:
        return bytes((_FIN_TEXT, _ONE_BYTE)) + size.to_bytes(2, "big") + payload
    return bytes((_FIN_TEXT, _ONE_BYTE + 1)) + size.to_bytes(8, "big") + payload
