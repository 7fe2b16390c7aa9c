"""A message as subscribers see it, and the names of things in Redis.

On the wire of a live channel a message is `<number>:<payload>`. The number counts the messages of one stream without
gaps from 1 and is the same in the live channel and in the stream, so that a subscriber can tell a message it missed
from one it has seen. A message that is not kept has the number 0.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    channel: str
    number: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Names:
    """Everything of one installation begins with `prefix`; several can share one Redis."""

    prefix: str = "tickstream:"

    def channel(self, channel: str) -> str:
        return f"{self.prefix}live:{channel}"

    def stream(self, stream: str) -> str:
        return f"{self.prefix}stream:{stream}"

    def publisher(self, publisher: str) -> str:
        return f"{self.prefix}publisher:{publisher}"

    def without(self, channel: bytes) -> str:
        """The channel's own name, from its name in Redis."""
        return channel.decode()[len(self.channel("")) :]


def parse_live(channel: str, data: bytes) -> Message:
    """Raises ValueError for data that no publisher of ours has sent."""
    number, separator, payload = data.partition(b":")
    if not separator or not number.isdigit():
        raise ValueError(f"channel {channel!r}: expected <number>:<payload>, found {data[:40]!r}")
    return Message(channel, int(number), payload)
