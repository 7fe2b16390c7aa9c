"""Distributions for other people's tools: HdrHistogram logs (format 1.2, V2 encoding).

Owns the conversion of base units to the integers such a histogram counts: nanoseconds, bytes, millionths of a plain
number; always rounded up, so that no quantile looks better there than here. The logs are for viewing and comparing:
nothing is ever judged by them.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogWriter

from gate.model import Distribution, Metric

SCALES: Final = {"s": (1e9, "ns"), "B": (1.0, "B"), "1": (1e6, "millionths"), "": (1e6, "millionths")}
_DIGITS: Final = 3
_MOST: Final = 2**62


def write_hdr(metrics: Iterable[Metric], directory: Path) -> tuple[Path, ...]:
    """Write `<metric>.hlog` for each histogram that has samples. Raises FileExistsError, or another OSError."""
    paths = []
    for metric in metrics:
        if isinstance(metric.data, Distribution) and metric.data.count:
            directory.mkdir(mode=0o700, exist_ok=True)  # properties become metrics too, and nothing recorded made it
            path = directory / f"{metric.name}.hlog"
            with path.open("x", encoding="ascii") as file:
                scale, unit = SCALES[metric.unit]
                log = HistogramLogWriter(file)
                log.output_comment(f"[unit: {unit}]")
                log.output_log_format_version()
                log.output_legend()
                log.output_interval_histogram(_histogram(metric.data, scale), 0, metric.data.span_s, scale)
            paths.append(path)
    return tuple(paths)


def _histogram(data: Distribution, scale: float) -> HdrHistogram:
    highest = max(2, _ticks(data.maximum, scale))
    histogram = HdrHistogram(1, highest, _DIGITS)
    counts = data.counts if data.counts is not None else [1] * len(data.uppers)
    for upper, count in zip(data.uppers, counts, strict=True):
        histogram.record_value(min(_ticks(upper, scale), highest), count)
    return histogram


def _ticks(value: float, scale: float) -> int:
    return min(math.ceil(value * scale), _MOST)
