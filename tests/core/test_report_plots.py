"""Plots: bare shapes in colours of the page, and a report that is whole without them."""

import re
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from gate.report import curves, html, plots
from tests import dossiers

_API = dossiers.pattern_api()
_REQUEST = _API.metrics[0]
_LIMITS = curves.limits_of(_API.result, "request")
_SPECS = {
    "percentiles": plots.percentiles(_REQUEST.data, "s", _LIMITS),
    "histogram": plots.histogram(_REQUEST.data, "s", _LIMITS),
    "over time": plots.over_time([(0.0, 1e6), (5.0, 3e6), (9.0, 2e6)], "B", ()),
}


def drawn(spec) -> str:
    svg = plots.draw(spec, title="T <b>", description="D & d", key="k")
    assert svg is not None
    return svg


@pytest.mark.parametrize("spec", _SPECS.values(), ids=_SPECS)
def test_a_plot_holds_shapes_and_text_in_colours_of_the_page_and_nothing_else(spec):
    svg = drawn(spec)
    root = ET.fromstring(svg)
    assert {element.tag for element in root.iter()} <= {"svg", "title", "desc", "g", "path", "line", "rect", "text"}
    names = {name for element in root.iter() for name in element.attrib}
    assert names.isdisjoint({"style", "href", "class_", "font-family", "clip-path", "filter"})
    assert {element.get("class") for element in root.iter()} == {"plot", None}
    assert not re.search(r"#(?!3d5a80|a8231d|5b6168|dddddd)[0-9a-f]{6}", svg)
    assert "var(--plot" in svg
    assert len(svg) < 14_000


def test_a_plot_says_to_a_screen_reader_what_it_shows():
    root = ET.fromstring(drawn(_SPECS["histogram"]))
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "kt kd"
    assert [(e.tag, e.get("id"), e.text) for e in root][:2] == [("title", "kt", "T <b>"), ("desc", "kd", "D & d")]


@pytest.mark.parametrize("name", ["percentiles", "histogram"])
def test_the_limit_is_drawn_and_labelled(name):
    svg = drawn(_SPECS[name])
    assert "p95 &lt; 50" in svg
    assert "stroke-dasharray" in svg


def test_the_axis_of_percentiles_gives_every_further_nine_the_same_room():
    spec = plots.percentiles(dossiers.latency("m", 0.001, count=100_000).data, "s", ())
    labels = re.findall(r"translate\(([0-9.]+),\d+\)[^>]*>(50|90|99|99\.9+)<", drawn(spec))
    assert [label for _, label in labels] == ["50", "90", "99", "99.9", "99.99", "99.999"]
    places = [float(place) for place, _ in labels[1:]]
    assert len({round(right - left) for left, right in pairwise(places)}) == 1


def test_limits_of_the_same_value_share_a_label_and_others_stand_below_each_other():
    limits = [
        curves.Limit(value=value, label=label, met=True, quantile=0.95)
        for value, label in [(0.02, "p95 below"), (0.02, "p99 below"), (0.01, "p50 below")]
    ]
    svg = drawn(plots.histogram(_REQUEST.data, "s", limits))
    labels = re.findall(r"translate\([0-9.]+,([0-9.]+)\)[^>]*>(p\d\d below[^<]*)<", svg)
    assert [label for _, label in labels] == ["p95 below, p99 below", "p50 below"]
    assert float(labels[1][0]) - float(labels[0][0]) == 13


def test_a_limit_far_beyond_the_samples_is_named_and_not_drawn():
    suite = dossiers.suite(
        "s", "S", tests=(), thresholds=(dossiers.threshold("s", "m p99 < 900 ms", 2.0),),
        metrics=(dossiers.latency("m", 0.001, count=500),),
    )  # fmt: skip
    dossier = dossiers.Dossier(record=dossiers.record((suite,)), suites=(suite,))
    assert "Too far off to draw: p99 &lt; 900" in html.render(dossier)


def test_shapes_that_are_not_on_the_list_are_dropped():
    foreign = ET.fromstring(
        '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>x</script><image href="y"/>'
        '<g onclick="z" style="a"><text fill="url(#x)" x="1.2345">a&lt;b</text></g><a href="q"><rect/></a></svg>'
    )
    assert plots._inline(foreign, title="t", description="d", key="k").partition("</desc>")[2] == (
        '<text x="1.2">a&lt;b</text></svg>'
    )


def test_without_the_library_the_report_keeps_its_tables_and_sparklines(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert not plots.available()
    assert plots.draw(_SPECS["histogram"], title="", description="", key="k") is None
    source = html.render(dossiers.go())
    assert 'class="plot"' not in source
    assert 'class="spark"' in source
    assert "not drawn here" not in source


def test_a_specification_that_is_refused_leaves_no_plot():
    assert plots.draw({"mark": "nonsense"}, title="", description="", key="k") is None


def test_plots_that_no_longer_fit_are_counted(monkeypatch):
    monkeypatch.setattr(html, "_MOST_PLOTS", 2)
    source = html.render(dossiers.go())
    assert source.count('class="plot"') == 2
    assert re.search(r"\d+ further plots are not drawn here", source)
