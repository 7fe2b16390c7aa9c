"""The frames between one that gives ticks and one that takes them: binary WebSocket messages in MessagePack.

The giver sends `Ticks`, the taker answers each frame with one `Ack` or one `Expect`. `Ack(n)` promises that every tick
of this giver up to n is on disk and will be in its bar exactly once. `Expect(n)` means that nothing beyond n - 1 was
taken: the giver sends again from n. Either of the two may be the one that connects:

- A source connects to the ingestion service and opens with `Hello`; the answer is `Expect`.
- The ingestion service connects to an exchange and opens with `Expect`. The exchange sends some frames ahead of their
  answers, so those that were on their way when it heard another `Expect` come first and are passed over.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from tickstream.model import Name, Tick


class Hello(Struct, array_like=True, tag="hello", frozen=True):
    source: Name


class Ticks(Struct, array_like=True, tag="ticks", frozen=True):
    ticks: Annotated[list[Tick], Meta(max_length=100_000)]


class Ack(Struct, array_like=True, tag="ack", frozen=True):
    sequence: int


class Expect(Struct, array_like=True, tag="expect", frozen=True):
    sequence: int


MAX_FRAME_BYTES = 4 * 1024 * 1024

encode = msgspec.msgpack.Encoder().encode
# All raise msgspec.DecodeError (malformed) or its child ValidationError (a value outside its limits).
decode_request = msgspec.msgpack.Decoder(Hello | Ticks).decode
decode_reply = msgspec.msgpack.Decoder(Ack | Expect).decode
decode_ticks = msgspec.msgpack.Decoder(Ticks).decode


def binary(message: str | bytes) -> bytes:
    """The bytes of a WebSocket message. Raises msgspec.DecodeError for text."""
    if isinstance(message, str):
        raise msgspec.DecodeError("frames are binary MessagePack, not text")
    return message
