"""How this system talks to Redis: one connection per owner, bytes in and out, no retries below our own.

Retrying is a decision of the caller, who knows whether a command may be sent twice.
"""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_S = 2.0


def client(url: str) -> "Redis":
    """A client for `url` that opens its connection with the first command and raises redis.RedisError or OSError."""
    return Redis.from_url(
        url,
        protocol=2,
        socket_timeout=None,  # listening has no end; whoever wants one sets it around the call
        socket_connect_timeout=CONNECT_S,
        retry=Retry(NoBackoff(), 0),
    )
