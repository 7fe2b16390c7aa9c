"""What the broadcaster counts, for `/metrics`."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        name = "tickstream_broadcast_"
        self.subscribers = Gauge(name + "subscribers", "Connections with a token.", registry=registry)
        self.buffered = Gauge(name + "buffered_bytes", "What clients have not taken yet.", registry=registry)
        self.sent = Counter(name + "sent", "Patterns sent live.", registry=registry)
        self.replayed = Counter(name + "replayed", "Patterns sent from the past.", registry=registry)
        self.dropped = Counter(
            name + "dropped", "Connections that were ended from here, by reason.", ["reason"], registry=registry
        )
        self.fanout = Histogram(
            name + "fanout_seconds", "One pattern to all who asked for it.", registry=registry, buckets=_SECONDS
        )

    def watch(self, subscribers: Callable[[], int], buffered: Callable[[], int]) -> None:
        """Where the gauges look when they are asked."""
        self.subscribers.set_function(subscribers)
        self.buffered.set_function(buffered)
