"""Plots as inline SVG: Vega-Lite specifications built from numbers, drawn by `vl_convert`, cut down to bare shapes.

The drawing library is optional; without it, or where it refuses a specification, there is no plot and the report keeps
its tables and sparklines. Promises that what comes back holds nothing but shapes, plain text and colours that follow
the page: elements and attributes are taken from a short list, everything else is dropped. No name or message enters a
specification; limits enter as short text values.
"""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from gate.model import Distribution
from gate.report import curves, numbers
from gate.report.curves import Limit
from gate.report.text import one_line

Spec = Mapping[str, Any]

_LINE: Final = "var(--plot, #3d5a80)"
_LIMIT: Final = "var(--limit, #a8231d)"
_MUTED: Final = "var(--muted, #5b6168)"
_GRID: Final = "var(--line, #dddddd)"
_PERCENTILES: Final = (0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
# A limit this many times beyond the samples would press them flat; it is named beside the plot instead.
_FAR: Final = 4.0
_CONFIG: Final = {
    "background": None,
    "view": {"stroke": None},
    "axis": {
        "domainColor": _GRID,
        "gridColor": _GRID,
        "tickColor": _GRID,
        "labelColor": _MUTED,
        "titleColor": _MUTED,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "tickCount": 4,
    },
}


def available() -> bool:
    """Whether plots can be drawn here at all."""
    return _library() is not None


def draw(spec: Spec, *, title: str, description: str, key: str) -> str | None:
    """The plot as an `<svg>` element for inlining, None where it cannot be drawn.

    `title` and `description` are what a screen reader says; `key` makes the ids in it unique on the page.
    """
    library = _library()
    if library is None:
        return None
    try:
        svg = library.vegalite_to_svg({"$schema": "https://vega.github.io/schema/vega-lite/v5.json", **spec})
        root = ET.fromstring(svg)  # noqa: S314  # written by the library a moment ago, from numbers
    except (ValueError, ET.ParseError):
        return None
    return _inline(root, title=title, description=description, key=key)


def _library() -> Any:
    try:
        import vl_convert  # noqa: PLC0415  # optional, and too heavy for runs that draw nothing
    except ImportError:
        return None
    return vl_convert


# ---- what is drawn ----------------------------------------------------------------------------------------------


def percentiles(dist: Distribution, unit: str, limits: Sequence[Limit]) -> Spec:
    """Value over percentile; every further nine takes as much room as the one before."""
    curve = curves.quantile_curve(dist)
    scale, unit = _scale(dist.maximum, unit)
    end = _nines(curve[-1][0])
    points = [{"x": _nines(p), "y": value / scale} for p, value in curve]
    points.append({"x": end, "y": dist.maximum / scale})
    near = near_limits(limits, [dist.minimum, dist.maximum])
    marks = [
        {"x": _nines(limit.quantile), "y": limit.value / scale}
        for limit in near
        if limit.quantile is not None and limit.quantile < 1
    ]
    return {
        "width": 420,
        "height": 170,
        "config": _CONFIG,
        "layer": [
            {
                "data": {"values": points},
                "mark": {"type": "line", "color": _LINE, "strokeWidth": 2},
                "encoding": {
                    "x": _quantity("x", "percentile", grid=False, **_ticks(end)),
                    "y": _quantity("y", unit),
                },
            },
            *_horizontal(near, scale, end),
            {"data": {"values": marks}, "mark": {"type": "point", "shape": "diamond", "size": 70, "color": _LIMIT,
                                                "filled": True},
             "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "y", "type": "quantitative"}}},
        ],
    }  # fmt: skip


def histogram(dist: Distribution, unit: str, limits: Sequence[Limit]) -> Spec:
    """How many samples fell where, on a logarithmic axis if they span much."""
    bars = curves.bins(dist)
    scale, unit = _scale(dist.maximum, unit)
    near = near_limits(limits, [dist.minimum, dist.maximum])
    axis = {"type": "log" if curves.is_wide(dist) else "linear", "nice": False, "zero": False}
    values = [{"low": bar.low / scale, "high": bar.high / scale, "n": bar.count} for bar in bars]
    return {
        "width": 420,
        "height": 170,
        "config": _CONFIG,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "rect", "color": _LINE, "opacity": 0.75},
                "encoding": {
                    "x": {**_quantity("low", unit, grid=False), "scale": axis},
                    "x2": {"field": "high"},
                    "y": _quantity("n", "samples"),
                    "y2": {"datum": 0},
                },
            },
            *_vertical(near, scale, axis),
        ],
        "resolve": {"scale": {"y": "independent"}},
    }


def over_time(points: Sequence[tuple[float, float]], unit: str, limits: Sequence[Limit], *, width: int = 240) -> Spec:
    """A series over the seconds since the suite began."""
    top = max(abs(value) for _, value in points)
    scale, unit = _scale(top, unit)
    span = points[-1][0]
    time_scale, time_unit = (3600.0, "h") if span > 2 * 3600 else (60.0, "min") if span > 300 else (1.0, "s")
    values = [{"x": at / time_scale, "y": value / scale} for at, value in points]
    return {
        "width": width,
        "height": 110,
        "config": _CONFIG,
        "layer": [
            {
                "data": {"values": values},
                "mark": {"type": "line", "color": _LINE, "strokeWidth": 1.5},
                "encoding": {"x": _quantity("x", time_unit, grid=False), "y": _quantity("y", unit, tickCount=3)},
            },
            *_horizontal(near_limits(limits, [value for _, value in points]), scale, span / time_scale),
        ],
    }


def near_limits(limits: Sequence[Limit], values: Sequence[float]) -> list[Limit]:
    """The limits that fit on an axis made for `values`."""
    top, low = max(values), min(values)
    return [limit for limit in limits if low / _FAR <= limit.value <= max(top * _FAR, 0)]


def _horizontal(limits: Sequence[Limit], scale: float, end: float) -> list[Spec]:
    if not limits:
        return []
    data = {"values": [{"y": value / scale, "label": label, "end": end} for value, label in _labelled(limits)]}
    y = {"field": "y", "type": "quantitative"}
    rule = {"data": data, "mark": {"type": "rule", "color": _LIMIT, "strokeDash": [5, 3]}, "encoding": {"y": y}}
    text = {
        "data": data,
        "mark": {"type": "text", "align": "right", "dy": -6, "fontSize": 11, "color": _LIMIT},
        "encoding": {"x": {"field": "end", "type": "quantitative"}, "y": y, "text": {"field": "label"}},
    }
    return [rule, text]


def _vertical(limits: Sequence[Limit], scale: float, axis: Spec) -> list[Spec]:
    if not limits:
        return []
    values = [
        {"x": value / scale, "label": label, "row": 13 * row} for row, (value, label) in enumerate(_labelled(limits))
    ]
    data = {"values": values}
    x = {"field": "x", "type": "quantitative", "scale": axis}
    rule = {"data": data, "mark": {"type": "rule", "color": _LIMIT, "strokeDash": [5, 3]}, "encoding": {"x": x}}
    mark = {"type": "text", "align": "right", "dx": -4, "baseline": "top", "fontSize": 11, "color": _LIMIT}
    y = {"field": "row", "type": "quantitative", "scale": None, "axis": None}
    return [rule, {"data": data, "mark": mark, "encoding": {"x": x, "y": y, "text": {"field": "label"}}}]


def _labelled(limits: Sequence[Limit]) -> list[tuple[float, str]]:
    """Each value that is a limit, once, with all its labels."""
    labels: dict[float, list[str]] = {}
    for limit in limits:
        labels.setdefault(limit.value, []).append(one_line(limit.label, 40))
    return [(value, ", ".join(dict.fromkeys(found))) for value, found in labels.items()]


def _quantity(field: str, title: str, *, grid: bool = True, **axis: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "axis": {"title": title or None, "grid": grid, **axis}}


def _scale(top: float, unit: str) -> tuple[float, str]:
    """How to divide values of base unit `unit` so that they read well, and the unit they then have."""
    if unit == "s":
        return numbers.time_scale(top)
    if unit == "B":
        return numbers.size_scale(top)
    return 1.0, ""


def _ticks(end: float) -> dict[str, Any]:
    """The percentiles that have a name, as far as the axis goes; all of them, though an axis here has few ticks."""
    values = [_nines(p) for p in _PERCENTILES if _nines(p) <= end + 1e-9]
    return {"values": values, "tickCount": len(values), "labelOverlap": False, "labelExpr": _NINES_LABEL}


def _nines(p: float) -> float:
    return -math.log10(max(1 - p, 1e-12))


_NINES_LABEL: Final = " : ".join(
    [f"datum.value < {_nines(p) + 0.01:.4f} ? '{p * 100:g}'" for p in _PERCENTILES] + ["''"]
)


# ---- down to bare shapes ----------------------------------------------------------------------------------------

_SHAPES: Final = frozenset({"g", "path", "line", "rect", "text"})
_ATTRIBUTES: Final = frozenset(
    {"d", "transform", "x", "y", "x1", "x2", "y1", "y2", "width", "height", "fill", "fill-opacity", "stroke",
     "stroke-width", "stroke-dasharray", "stroke-opacity", "opacity", "text-anchor", "font-size"}
)  # fmt: skip
_SAFE_VALUE: Final = re.compile(r"[A-Za-z0-9 .,#()+%-]*")
_LONG_NUMBER: Final = re.compile(r"-?\d+\.\d{2,}(?:e-?\d+)?")
_NAMESPACE: Final = "{http://www.w3.org/2000/svg}"


def _inline(root: ET.Element, *, title: str, description: str, key: str) -> str:
    width, height = (round(float(root.get(name, "0"))) for name in ("width", "height"))
    head = (
        f'<svg class="plot" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f"aria-labelledby={quoteattr(f'{key}t {key}d')}><title id={quoteattr(key + 't')}>{escape(title)}</title>"
        f"<desc id={quoteattr(key + 'd')}>{escape(description)}</desc>"
    )
    return head + "".join(part for child in root for part in _shape(child)) + "</svg>"


def _shape(element: ET.Element) -> Iterator[str]:
    tag = element.tag.removeprefix(_NAMESPACE)
    if tag not in _SHAPES or element.get("class") in ("background", "foreground"):
        return
    attributes = "".join(
        f' {name}="{_LONG_NUMBER.sub(_rounded, value)}"'
        for name, value in element.attrib.items()
        if name in _ATTRIBUTES and _SAFE_VALUE.fullmatch(value) and "url(" not in value
    )
    inner = escape(element.text or "") if tag == "text" else "".join(part for e in element for part in _shape(e))
    if tag == "g" and not attributes:
        yield inner
    elif tag != "g" or inner:
        yield f"<{tag}{attributes}>{inner}</{tag}>" if inner else f"<{tag}{attributes}/>"


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.1f}".removesuffix(".0")
