"""Ticks become one-minute bars: pure, in memory, in any order.

A bar depends on the set of its ticks alone, never on the order in which they arrive: the opening price is that of the
earliest tick and the closing price that of the latest. What the builder hands over are therefore partial bars, which
the database merges with what it has. Duplicates are kept out before ticks come here.
"""

from collections.abc import Iterable

from tickstream.model import MINUTE_US, Bar, Batch, Span, Tick


class BarBuilder:
    """The ticks since the last `take`, as bars, with the span of sequences that they cover per source."""

    def __init__(self) -> None:
        self._bars: dict[tuple[str, int], Bar] = {}
        self._spans: dict[str, Span] = {}

    def __len__(self) -> int:
        """How many bars are waiting; what memory grows with."""
        return len(self._bars)

    def add(self, tick: Tick) -> None:
        key = (tick.symbol, tick.at_us // MINUTE_US)
        price = tick.price_micros
        moment = (tick.at_us, tick.sequence, price)
        bar = self._bars.get(key)
        if bar is None:
            self._bars[key] = Bar(*key, moment, moment, price, price, tick.size, 1)
            return
        bar.volume += tick.size
        bar.trades += 1
        if price > bar.high_micros:
            bar.high_micros = price
        elif price < bar.low_micros:
            bar.low_micros = price
        if moment > bar.last:
            bar.last = moment
        elif moment < bar.first:
            bar.first = moment

    def add_all(self, ticks: Iterable[Tick]) -> None:
        for tick in ticks:
            self.add(tick)

    def cover(self, source: str, span: Span) -> None:
        """Note that the ticks of `span` have been added; it continues the span noted before, if there is one."""
        known = self._spans.get(source)
        self._spans[source] = span if known is None else Span(since=known.since, upto=span.upto)

    def take(self) -> Batch:
        """Everything since the last call, as one batch; the builder is empty afterwards."""
        batch = Batch(bars=tuple(self._bars.values()), spans=self._spans)
        self._bars, self._spans = {}, {}
        return batch
