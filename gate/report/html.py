"""The report as one HTML file: what a release manager reads, signs and keeps.

Promises one file without network, script or foreign markup, that reads well with styles blocked, in the dark, on paper
and by ear. Every expression of the templates passes through `_shown`, which bounds foreign text and spells out what is
hidden in it, and then through autoescaping; no foreign text stands in an attribute, an address or a style. The page
grows with files, failures and metrics, never with the number of passed tests.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from gate import verdict
from gate.model import Case, Distribution, Dossier, Finding, Metric, Series, Status, SuiteDossier
from gate.report import curves, numbers, plots, rows
from gate.report.text import clip_lines, one_line, visible

_TEMPLATES: Final = Path(__file__).with_name("templates")
# No single text is longer than this, wherever it comes from.
_LONGEST: Final = 12_000
_MOST_PLOTS: Final = 40
_MOST_BLOCKING_SHOWN: Final = 12
_MOST_FAILURES: Final = 100
_MOST_ROWS: Final = 500
_MOST_FILES: Final = 4_000
_KEY_NAMES: Final = ("python", "pytest", "platform", "kernel", "cpu", "cores", "memory")
_BAR_HALF: Final = 44
_ID_PARTS: Final = re.compile(r"(?<=[/:_.\[-])(?=[A-Za-z0-9])")


def render(dossier: Dossier, *, with_plots: bool = True) -> str:
    """The whole page. Plots are drawn when the optional library is there and `with_plots` is true."""
    context = _context(dossier, _Sketchbook(_MOST_PLOTS if with_plots and plots.available() else 0))
    return environment().get_template("report.html.j2").render(context)


# ---- the templates' surroundings --------------------------------------------------------------------------------


@functools.cache
def environment() -> jinja2.Environment:
    """The templates with their filters, for every page of this package: escaping, bounds and shapes are the same."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "duration": numbers.duration,
        "instant": numbers.instant,
        "short": one_line,
        "significant": numbers.significant,
        "share": numbers.share,
        "percent": numbers.percent,
        "breakable": _breakable,
        "thousands": lambda number: f"{number:,}",
        "plural": numbers.plural,
    }
    made.globals |= {
        "mark": rows.mark,
        "days_left": rows.days_left,
        "polyline": _polyline,
        "bar_width": lambda margin: round(min(abs(margin), 1.0) * _BAR_HALF, 1),
        "css": Markup(_TEMPLATES.joinpath("style.css").read_text(encoding="utf-8")),  # noqa: S704  # our own file
    }
    return made


def _shown(value: Any) -> Any:
    """What an expression of a template comes to: foreign text bounded and made visible, all else as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(clip_lines(value, _LONGEST))


def _breakable(text: str) -> Markup:
    """`text` with the places marked where a long id may be broken."""
    return Markup("<wbr>").join(_ID_PARTS.split(text))


def _polyline(values: Sequence[float], width: int, height: int) -> str:
    """The points of a sparkline in a box of `width` × `height`, for values between 0 and 1."""
    step = width / max(len(values) - 1, 1)
    return " ".join(
        f"{index * step:.1f},{height - 1.5 - value * (height - 3):.1f}" for index, value in enumerate(values)
    )


# ---- what the templates show ------------------------------------------------------------------------------------


def _context(dossier: Dossier, sketchbook: "_Sketchbook") -> Mapping[str, Any]:
    record = dossier.record
    blocking = rows.blocking(record)
    failures = [(suite, case) for suite in dossier.suites for case in rows.failures(suite)]
    return {
        "dossier": dossier,
        "record": record,
        "decision": rows.decision_mark(record.decision),
        "headline": rows.headline(record),
        "partial": rows.partial_notice(record),
        "facts": rows.facts(record),
        "key_facts": rows.key_facts(record),
        "blocking": blocking[:_MOST_BLOCKING_SHOWN],
        "blocking_folded": blocking[_MOST_BLOCKING_SHOWN:_MOST_ROWS],
        "blocking_total": len(blocking),
        "suites": [_suite(suite) for suite in dossier.suites],
        "thresholds": [_thresholds(suite) for suite in dossier.suites if suite.result.thresholds],
        "measurements": [(suite, [curves.figures(m) for m in curves.recorded(suite)]) for suite in dossier.suites],
        "distributions": list(_distributions(dossier, sketchbook)),
        "resources": [(suite, _resources(suite, sketchbook)) for suite in dossier.suites if suite.resources],
        "gauges": list(_gauges(dossier, sketchbook)),
        "left_out": sketchbook.left_out,
        "timeline": _timeline(dossier),
        "failures": failures[:_MOST_FAILURES],
        "failures_listed": failures[_MOST_FAILURES:_MOST_ROWS],
        "failures_total": len(failures),
        "slowest": rows.slowest(dossier),
        "files": list(_files(dossier)),
        "others": [(suite, _others(suite)) for suite in dossier.suites if _others(suite)],
        "rules": [_rules("The run itself", record.findings)]
        + [_rules(suite.result.name, suite.result.findings) for suite in dossier.suites],
        "alarms": [(suite, alarm) for suite in dossier.suites for alarm in suite.alarms][:_MOST_ROWS],
        "notes": [(suite, note) for suite in dossier.suites for note in suite.notes][:_MOST_ROWS],
        "environment": sorted(record.environment.items()),
        "key_environment": [(name, record.environment[name]) for name in _KEY_NAMES if name in record.environment],
    }


def _suite(suite: SuiteDossier) -> Mapping[str, Any]:
    result = suite.result
    return {
        "result": result,
        "mark": rows.mark(result.status),
        "others": rows.outcomes(result.tests),
        "met": rows.thresholds_met(result),
        "nearest": rows.nearest(result),
        "broken": sum(finding.status is not Status.PASS for finding in result.findings),
    }


def _thresholds(suite: SuiteDossier) -> tuple[SuiteDossier, list[tuple[rows.ThresholdRow, tuple[float, ...]]]]:
    lines = {metric.name: curves.sparkline(metric) for metric in suite.metrics}
    lines |= {resource.metric: resource.line for resource in curves.resources(suite.resources)}
    return suite, [(rows.threshold_row(result), lines.get(result.metric, ())) for result in suite.result.thresholds]


def _timeline(dossier: Dossier) -> Mapping[str, Any]:
    bars = rows.timeline(dossier.record)
    return {"bars": bars, "end_s": max((bar.start_s + bar.duration_s for bar in bars), default=0.0) or 1.0}


def _files(dossier: Dossier) -> Iterator[tuple[SuiteDossier, Sequence[rows.FileRow], int]]:
    room = _MOST_FILES
    for suite in dossier.suites:
        counted = rows.by_file(suite.cases)
        if counted:
            yield suite, counted[:room], max(len(counted) - room, 0)
            room = max(room - len(counted), 0)


def _others(suite: SuiteDossier) -> tuple[Case, ...]:
    return tuple(islice(rows.not_passed(suite), _MOST_ROWS))


def _rules(name: str, findings: Sequence[Finding]) -> Mapping[str, Any]:
    listed = sorted(rows.rules(findings), key=lambda finding: finding.status is Status.PASS)
    broken = sum(finding.status is not Status.PASS for finding in listed)
    shown = rows.mark(verdict.worst(verdict.counted(finding) for finding in listed))
    return {"name": name, "findings": listed[:_MOST_ROWS], "total": len(listed), "broken": broken, "mark": shown}


# ---- plots ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    """A metric with its plots, if there are any, and the limits that lie too far off to be drawn."""

    suite: SuiteDossier
    figures: curves.Figures
    plots: tuple[Markup, ...]
    far: tuple[curves.Limit, ...] = ()


class _Sketchbook:
    """Draws plots as long as there are pages left, and counts the ones that no longer fit."""

    def __init__(self, pages: int) -> None:
        self._pages = self._left = pages
        self.left_out = 0

    def draw(self, spec: plots.Spec, title: str, description: str) -> Markup | None:
        if not self._left:
            self.left_out += self._pages > 0
            return None
        self._left -= 1
        key = f"plot{self._pages - self._left}"
        svg = plots.draw(spec, title=one_line(title, 200), description=one_line(description, 400), key=key)
        return None if svg is None else Markup(svg)  # noqa: S704  # bare shapes and escaped text only


def _distributions(dossier: Dossier, sketchbook: _Sketchbook) -> Iterator[_Figure]:
    found = [(suite, metric) for suite in dossier.suites for metric in curves.recorded(suite)]
    shown = [(suite, metric) for suite, metric in found if isinstance(metric.data, Distribution) and metric.data.count]
    judged = {(id(suite), result.metric) for suite in dossier.suites for result in suite.result.thresholds}
    for suite, metric in sorted(shown, key=lambda pair: (id(pair[0]), pair[1].name) not in judged):
        yield _distribution(suite, metric, sketchbook)


def _distribution(suite: SuiteDossier, metric: Metric, sketchbook: _Sketchbook) -> _Figure:
    dist = metric.data
    assert isinstance(dist, Distribution)  # noqa: S101  # chosen by its type
    limits = curves.limits_of(suite.result, metric.name)
    figures = curves.figures(metric)
    said = _said(figures, limits)
    drawn = (
        sketchbook.draw(plots.percentiles(dist, metric.unit, limits), f"Percentiles of {metric.name}", said),
        sketchbook.draw(plots.histogram(dist, metric.unit, limits), f"Histogram of {metric.name}", said),
    )
    near = plots.near_limits(limits, [dist.minimum, dist.maximum])
    far = tuple(limit for limit in limits if limit not in near)
    return _Figure(suite=suite, figures=figures, plots=tuple(plot for plot in drawn if plot), far=far)


def _gauges(dossier: Dossier, sketchbook: _Sketchbook) -> Iterator[_Figure]:
    for suite in dossier.suites:
        for metric in curves.recorded(suite):
            if isinstance(metric.data, Series) and metric.data.values:
                yield _gauge(suite, metric, metric.data, sketchbook)


def _gauge(suite: SuiteDossier, metric: Metric, series: Series, sketchbook: _Sketchbook) -> _Figure:
    limits = curves.limits_of(suite.result, metric.name)
    figures = curves.figures(metric)
    points = curves.thin(series.times_s, series.values)
    spec = plots.over_time(points, metric.unit, limits, width=420)
    plot = sketchbook.draw(spec, f"{metric.name} over time", _said(figures, limits))
    return _Figure(suite=suite, figures=figures, plots=(plot,) if plot else ())


def _resources(suite: SuiteDossier, sketchbook: _Sketchbook) -> list[tuple[curves.Resource, Markup | None]]:
    drawn = []
    for resource in curves.resources(suite.resources):
        limits = curves.limits_of(suite.result, resource.metric)
        spec = plots.over_time(curves.thin(resource.times_s, resource.values), resource.unit, limits)
        said = f"Peak {resource.peak}, mean {resource.mean}."
        drawn.append((resource, sketchbook.draw(spec, f"{resource.title} of {suite.result.name} over time", said)))
    return drawn


def _said(figures: curves.Figures, limits: Sequence[curves.Limit]) -> str:
    values = ", ".join(f"{label} {value}" for label, value in figures.values)
    limited = f" Limits: {', '.join(limit.label for limit in limits)}." if limits else ""
    return f"{figures.samples:,} samples: {values}.{limited}"
