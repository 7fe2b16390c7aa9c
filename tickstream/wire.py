"""The frames between a source of ticks and the ingestion service: binary WebSocket messages in MessagePack.

The source opens with `Hello`; the answer `Expect` names the sequence to go on with. Each `Ticks` frame is answered by
one `Ack` or one `Expect`. `Ack(n)` promises that every tick of this source up to n is on disk and will be in its bar
exactly once. `Expect(n)` means that nothing beyond n - 1 was taken: the source sends again from n.
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
# Both raise msgspec.DecodeError (malformed) or its child ValidationError (a value outside its limits).
decode_request = msgspec.msgpack.Decoder(Hello | Ticks).decode
decode_reply = msgspec.msgpack.Decoder(Ack | Expect).decode
