"""The exchange as a part: a market that follows from the settings alone, on a port that is taken when it is built.

Those who come between building and running wait in the system's queue. It has nothing to lose: asked to stop, it says
goodbye, and the next one goes on where its takers say they stand.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from ipaddress import ip_address

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tickstream.exchange.floor import Floor
from tickstream.exchange.market import RATE_PER_S, Regime, Rules
from tickstream.exchange.server import ExchangeServer
from tickstream.exchange.stream import Watcher
from tickstream.exchange.tape import Tape
from tickstream.faults import Faults
from tickstream.observation import Observation
from tickstream.part import Health, Listening, State
from tickstream.settings import Settings


class ExchangePart:
    name = "exchange"

    def __init__(self, settings: Settings, faults: Faults, observation: Observation, sock: socket.socket) -> None:
        self._symbols = settings.symbols
        self._observation = observation
        self._sock = sock
        self._floor = Floor(Tape(rules(settings), end=settings.ticks or None), rate_per_s=settings.rate)
        watcher = partial(_watcher, self._floor, settings)
        self._server = ExchangeServer(self._floor, watcher, faults)
        self._open = False
        self.url = _url(sock)
        observation.registry.register(_Collector(self._server, self._floor))

    async def run(self, listening: Listening) -> None:
        await self._server.open(self._sock, self._observation, self._symbols)
        self._open = True
        listening(*self._sock.getsockname()[:2])
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self._open = False
        await self._server.close()

    def health(self) -> Health:
        facts = {
            "happened": self._floor.happened,
            "sent": self._server.sent,
            "takers": self._server.takers,
            "watchers": self._server.watchers,
        }
        return Health(state=State.OK if self._open else State.DOWN, facts=facts)


async def build(settings: Settings, faults: Faults, observation: Observation, stack: AsyncExitStack) -> ExchangePart:
    """Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.create_server((settings.host, settings.exchange_port), family=family)
    stack.callback(sock.close)
    return ExchangePart(settings, faults, observation, sock)


def rules(settings: Settings) -> Rules:
    """The market that `settings` mean. Its time passes at the rate of the trades; at a rate of 0 at one of its own."""
    return Rules(
        symbols=settings.symbols,
        seed=settings.seed,
        regime=Regime(settings.regime),
        rate_per_s=settings.rate or RATE_PER_S,
    )


def _watcher(floor: Floor, settings: Settings, symbols: tuple[str, ...]) -> Watcher:
    return Watcher(floor, symbols=symbols, seed=settings.seed, heartbeat_s=settings.heartbeat_s)


def _url(sock: socket.socket) -> str:
    """Where this machine reaches `sock`; an address that means every one is no place to go to."""
    address, port = sock.getsockname()[:2]
    host = ip_address(address)
    if host.is_unspecified:
        host = ip_address("127.0.0.1" if host.version == 4 else "::1")
    return f"ws://{host}:{port}/ticks" if host.version == 4 else f"ws://[{host}]:{port}/ticks"


class _Collector(Collector):
    """Counts become metrics when somebody asks for them; the way of a tick has nothing of it."""

    def __init__(self, server: ExchangeServer, floor: Floor) -> None:
        self._server = server
        self._floor = floor

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "tickstream_exchange_sent_ticks", "Ticks sent to takers, repetitions included.", value=self._server.sent
        )
        yield GaugeMetricFamily(
            "tickstream_exchange_happened_ticks", "The latest tick of the day.", value=self._floor.happened
        )
        clients = GaugeMetricFamily("tickstream_exchange_clients", "Open connections.", labels=["face"])
        clients.add_metric(["ticks"], self._server.takers)
        clients.add_metric(["stream"], self._server.watchers)
        yield clients
