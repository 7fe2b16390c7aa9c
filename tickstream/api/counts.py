"""What the API counts for Prometheus. Labels are route templates and status codes, never what a client wrote."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Counts:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "tickstream_api_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "tickstream_api_seconds", "From request to answer.", ("route",), buckets=_SECONDS, registry=registry
        )
        cache = Counter("tickstream_api_cache", "Look-ups in the cache.", ("result",), registry=registry)
        self._hits, self._misses = cache.labels("hit"), cache.labels("miss")
        self.limited = Counter("tickstream_api_limited", "Requests refused for being too many.", registry=registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def looked_up(self, *, hit: bool) -> None:
        (self._hits if hit else self._misses).inc()
