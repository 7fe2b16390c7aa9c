"""A TCP proxy before a real server, as a test sees it: plain calls, from any thread, that return when it is so."""

import asyncio
import socket
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from gate.plugin.faults.relay import Address, Relay
from gate.plugin.faults.thread import LoopThread
from gate.plugin.faults.weather import FAIR, Weather

Direction = Literal["both", "up", "down"]
_PORTS: Final = {
    "postgres": 5432, "postgresql": 5432, "redis": 6379, "rediss": 6379, "http": 80, "https": 443, "ws": 80, "wss": 443
}  # fmt: skip


class Proxy:
    """Made by `Faults.proxy`. `url` leads through it; "up" is towards the server, "down" towards its clients."""

    def __init__(self, server: str, thread: LoopThread) -> None:
        self.host, server_host, server_port, before, after = "127.0.0.1", *_split(server)
        self._server = f"{server_host}:{server_port}"
        self._thread = thread
        self._bell: Future[None] = Future()
        self._relay = Relay(_addresses(server_host, server_port), self._ring)
        thread.run(self._relay.start())
        self.port = self._relay.port
        self.url = f"{before}{self.host}:{self.port}{after}"

    def __repr__(self) -> str:
        return f"<Proxy {self.host}:{self.port} before {self._server}>"

    # ---- what can be seen -----------------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._relay.links)

    @property
    def accepted(self) -> int:
        """How many have ever come, those that were refused included."""
        return self._relay.accepted

    @property
    def bytes_up(self) -> int:
        return self._relay.bytes_up

    @property
    def bytes_down(self) -> int:
        return self._relay.bytes_down

    @property
    def cuts(self) -> int:
        """How many answers `cut_answer_to` has cut off."""
        return self._relay.cuts

    def far_addresses(self) -> list[str]:
        """How the server knows the connections that lead through here, as host:port."""
        return [address for link in tuple(self._relay.links) if (address := link.far_address)]

    # ---- breaking and mending ---------------------------------------------------------------------------------------

    def down(self) -> None:
        """Break every connection with a reset and refuse new ones, until `up` or `heal`.

        A newcomer is accepted by the system and reset at once; only so can be told that it came.
        """
        self._bell = Future()
        self._change(replace(self._relay.weather, refuses=True))

    def up(self) -> None:
        """Refuse nobody any more."""
        self._change(replace(self._relay.weather, refuses=False))

    def reset(self) -> None:
        """Break every connection with a reset; new ones are welcome."""
        self._thread.run(self._relay.reset())

    def blackhole(self) -> None:
        """A partition: nothing passes, connections stay open, new ones hang, until `heal`.

        Nothing is lost by it: what was held passes then, a connection's end as well.
        """
        self._bell = Future()
        self._change(replace(self._relay.weather, holds=True))

    def latency(self, latency_s: float, *, jitter_s: float = 0.0, direction: Direction = "both") -> None:
        """Hold every chunk back for `latency_s`, give or take up to `jitter_s`; the order stays."""
        if latency_s < 0 or jitter_s < 0:
            raise ValueError(f"a latency of {latency_s} s with a jitter of {jitter_s} s: neither may be negative")
        self._shape(direction, latency_s=latency_s, jitter_s=jitter_s)

    def bandwidth(self, bytes_per_s: float, *, direction: Direction = "both") -> None:
        """Let no more than `bytes_per_s` pass, in each direction of each connection."""
        if bytes_per_s <= 0:
            raise ValueError(f"a bandwidth of {bytes_per_s} bytes per second; it must be above 0, see blackhole()")
        self._shape(direction, bytes_per_s=bytes_per_s)

    def slice(self, slice_bytes: int, *, pause_s: float = 0.0, direction: Direction = "both") -> None:
        """Hand over in pieces of at most `slice_bytes`, each its own write, with a pause after each."""
        if slice_bytes < 1 or pause_s < 0:
            raise ValueError(f"slices of {slice_bytes} bytes, {pause_s} s apart: at least 1 byte, no negative time")
        self._shape(direction, slice_bytes=slice_bytes, pause_s=pause_s)

    def cut_answer_to(self, request: bytes) -> None:
        """Let the next request that contains `request` reach the server, and break the connection before its answer.

        The bytes are looked for as they are sent: what is encrypted or masked is not found.
        """
        if not request:
            raise ValueError("an empty text is in every request; name some bytes of the one that is meant")
        self._thread.run(self._arm(request))

    def heal(self) -> None:
        """No fault any more, armed ones included."""
        self._thread.run(self._arm(None))
        self._change(FAIR)

    def close(self) -> None:
        """Break every connection and listen no more."""
        self._thread.run(self._relay.close())

    # ---- being told -----------------------------------------------------------------------------------------------

    def wait_refused(self, timeout_s: float) -> None:
        """Return when somebody was refused or held since the last `down` or `blackhole`.

        TimeoutError when nobody was within that time.
        """
        try:
            self._bell.result(timeout_s)
        except TimeoutError:
            raise TimeoutError(f"nobody was refused by {self!r} within {timeout_s} s") from None

    async def refused(self) -> None:
        """As `wait_refused`, for a coroutine in any event loop, without an end of its own."""
        loop = asyncio.get_running_loop()
        heard: asyncio.Future[None] = loop.create_future()

        def hear() -> None:
            if not heard.done():
                heard.set_result(None)

        def pass_on(_: Future[None]) -> None:
            with suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(hear)

        self._bell.add_done_callback(pass_on)
        await heard

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _change(self, weather: Weather) -> None:
        self._thread.run(self._relay.change(weather))

    def _shape(self, direction: Direction, **fields: Any) -> None:
        if direction not in ("both", "up", "down"):
            raise ValueError(f"direction {direction!r}; allowed are both, up, down")
        weather = self._relay.weather
        ways = ("up", "down") if direction == "both" else (direction,)
        self._change(replace(weather, **{way: replace(getattr(weather, way), **fields) for way in ways}))

    async def _arm(self, marker: bytes | None) -> None:
        self._relay.marker = marker

    def _ring(self) -> None:
        if not self._bell.done():
            self._bell.set_result(None)


def _split(server: str) -> tuple[str, int, str, str]:
    """Host and port of `server`, and what stands before and after them in it."""
    scheme, mark, rest = server.rpartition("://")
    parts = urlsplit(server if mark else f"//{server}")
    shown = server.rpartition("@")[2]  # a URL may hold a password
    try:
        host, port = parts.hostname, parts.port or _PORTS.get(scheme)
    except ValueError:
        raise ValueError(f"no proxy before {shown!r}: its port is no number of a port") from None
    if not host or not port:
        raise ValueError(f"no proxy before {shown!r}: it has no {'port' if host else 'host'}; a URL or host:port does")
    user, at, _ = parts.netloc.rpartition("@")
    return host, port, f"{scheme}{mark}{user}{at}", rest[len(parts.netloc) :]


def _addresses(host: str, port: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]
