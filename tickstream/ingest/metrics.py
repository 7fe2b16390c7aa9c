"""Ingestion in Prometheus' words. Worked out when `/metrics` is asked for: the way of a tick has nothing of it."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tickstream.breaker import BreakerState
from tickstream.ingest.feed import Feed
from tickstream.ingest.ingestion import Ingest

_PREFIX: Final = "tickstream_ingest_"


class IngestCollector(Collector):
    """`feed` is None where ticks are not pulled from an exchange."""

    def __init__(self, ingest: Ingest, feed: Feed | None) -> None:
        self._ingest = ingest
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        ingest, counts = self._ingest, self._ingest.counts
        yield _counter("ticks", "Ticks taken, each counted once.", counts.ticks)
        yield _counter("duplicate_ticks", "Ticks that were known already.", counts.duplicates)
        yield _counter("gaps", "Frames with ticks missing before them.", counts.gaps)
        yield _counter("batches", "Batches committed.", counts.batches)
        yield _counter("database_failures", "Attempts that the database did not let succeed.", counts.failures)
        yield HistogramMetricFamily(
            f"{_PREFIX}batch_seconds",
            "Time of the transaction of a batch.",
            buckets=list(counts.batch_time.buckets()),
            sum_value=counts.batch_time.sum_s,
        )
        yield _gauge("pending_bars", "Bars that no commit has confirmed yet.", ingest.pending_bars)
        yield _gauge("journal_bytes", "Size of the journal on disk.", ingest.journal_bytes)
        yield _gauge("database_up", "Whether the database answered the latest attempt.", ingest.connected)
        yield self._breaker()
        yield _counter("breaker_opened", "How often the breaker has opened.", ingest.breaker.opened)
        if self._feed is not None:
            yield _gauge("feed_up", "Whether the exchange is connected.", self._feed.connected)
            yield _counter("feed_losses", "Connections to the exchange that were lost.", self._feed.losses)

    def _breaker(self) -> Metric:
        metric = GaugeMetricFamily(f"{_PREFIX}breaker", "1 for the state in which the breaker is.", labels=["state"])
        for state in BreakerState:
            metric.add_metric([state], state is self._ingest.breaker.state)
        return metric


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, text, value=value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)
