"""The HTML page: what it must say, and what foreign text must never do to it."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.report import html
from tests import dossiers

_VOID = {"meta", "wbr", "link"}


class _Page(HTMLParser):
    """The elements of a page with their attributes, its text, and whether every element was closed in its turn."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def shape(self) -> list[tuple[str, tuple[tuple[str, str | None], ...]]]:
        return [(tag, tuple(attrs.items())) for tag, attrs in self.elements if tag != "wbr"]


def page(dossier, **options) -> _Page:
    return _Page(html.render(dossier, **{"with_plots": False, **options}))


# ---- what it says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (dossiers.go, ["GO", "Exit code 0", "Scope full", "I have read this report and release tickstream"]),
        (dossiers.go_with_waivers, ["GO with waivers", "W-1", "6 days left", "covers", "OPS-7"]),
        (dossiers.no_go, ["NO-GO", "Exit code 10", "What blocks 10", "Did not run 2", "uncommitted changes"]),
        (dossiers.inconclusive, ["Inconclusive", "Exit code 11", "the machine was unfit to measure"]),
        (dossiers.partial, ["for this selection only", "This is not a release decision.", "--suite pattern_api"]),
        (dossiers.empty, ["Inconclusive", "Nothing was judged, so nothing is known.", "No suite was judged."]),
    ],
)
def test_the_page_says_what_was_decided_and_why(make, words):
    text = page(make()).text
    for word in words:
        assert word in text


def test_a_partial_run_offers_nothing_to_sign():
    assert "There is nothing to sign" in page(dossiers.partial()).text
    assert "Signature" not in page(dossiers.partial()).text


def test_the_first_screen_keeps_its_order():
    text = page(dossiers.no_go()).text
    body = text[text.index("Skip to the decision") :]
    order = ["NO-GO", "Commit", "What blocks", "Did not run", "Decided on", "Sign-off", "Suites", "Thresholds"]
    positions = [body.index(word) for word in order]
    assert positions == sorted(positions)


def test_every_threshold_is_there_passing_ones_too():
    dossier = dossiers.no_go()
    text = page(dossier).text
    for suite in dossier.record.suites:
        for threshold in suite.thresholds:
            assert f"{threshold.metric} {threshold.stat}" in re.sub(r"(?<=[_.]) (?=\w)", "", text)


def test_a_failed_test_is_folded_with_its_whole_traceback():
    source = html.render(dossiers.no_go(), with_plots=False)
    failure = re.search(r'<details class="failure">.*?</details>', source, re.DOTALL)
    assert failure is not None
    assert "assert database.count() == 10_000" in failure[0]


def test_rules_of_a_suite_are_folded_when_all_are_kept_and_open_when_not():
    source = html.render(dossiers.no_go(), with_plots=False)
    rules = source[source.index('<h2 id="rules">') : source.index('<h2 id="surroundings">')]
    folds = re.findall(r"<details( open)?>\s*<summary>(.*?)</summary>", rules, re.DOTALL)
    assert {bool(is_open) == ("not kept" in summary) for is_open, summary in folds} == {True}
    assert {bool(is_open) for is_open, _ in folds} == {True, False}


def test_passed_tests_are_counted_per_file_and_not_listed():
    small, large = (html.render(dossiers.huge(tests, per_file=tests // 8), with_plots=False) for tests in (800, 8_000))
    assert len(large) < len(small) * 1.05
    assert large.count("test_case[") <= 20


def test_what_is_too_much_to_show_is_counted():
    case = dossiers.no_go().suites[0].cases[-2]
    many = [case] * 700
    suite = dossiers.suite("s", "S", tests=tuple(many))
    dossier = dossiers.Dossier(record=dossiers.record((suite,)), suites=(suite,))
    text = page(dossier).text
    assert "Failures 700" in text
    assert "and 200 more; junit.xml names them all" in text
    assert "and 200 more; the record holds them all" in text


# ---- what foreign text must not do ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", dossiers.ALL.values(), ids=dossiers.ALL)
def test_every_element_is_closed_in_its_turn_and_every_id_is_there_once(make):
    shown = page(make(), with_plots=True)
    assert shown.open == []
    ids = Counter(attrs["id"] for _, attrs in shown.elements if "id" in attrs)
    assert [name for name, count in ids.items() if count > 1] == []
    named = [word for _, attrs in shown.elements for word in (attrs.get("aria-labelledby") or "").split()]
    named += [(attrs["href"] or "")[1:] for tag, attrs in shown.elements if tag == "a"]
    assert set(named) <= set(ids)


def test_a_hostile_run_has_no_element_attribute_or_address_that_a_kind_one_has_not():
    allowed = _vocabulary(page(dossiers.no_go(), with_plots=True)) | _vocabulary(page(dossiers.go_with_waivers()))
    assert _vocabulary(page(dossiers.hostile(), with_plots=True)) - allowed <= {("p", "class"), ("h1", "small")}


def _vocabulary(shown: _Page) -> set[tuple[str, str]]:
    return {(tag, name) for tag, attrs in shown.elements for name in attrs} | {(tag, "") for tag, _ in shown.elements
                                                                             if tag != "small"}  # fmt: skip


def test_there_is_no_script_no_style_attribute_no_address_and_a_strict_policy():
    shown = page(dossiers.hostile(), with_plots=True)
    tags = {tag for tag, _ in shown.elements}
    assert tags.isdisjoint({"script", "img", "iframe", "object", "embed", "link", "form", "base", "image", "use"})
    names = {name for _, attrs in shown.elements for name in attrs}
    assert not {name for name in names if name.startswith("on")} | names & {"style", "src", "srcset", "action"}
    assert all(attrs["href"].startswith("#") for tag, attrs in shown.elements if tag == "a")
    policy = next(attrs["content"] for tag, attrs in shown.elements if "http-equiv" in attrs)
    assert policy.split("; ") == [
        "default-src 'none'", "style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert "url(" not in html.render(dossiers.go(), with_plots=False)


@given(st.text(min_size=1, max_size=60) | st.sampled_from(dossiers.PAYLOADS))
@settings(max_examples=40, deadline=None)
def test_no_text_changes_the_shape_of_the_page(text):
    assert page(dossiers.worded(text)).shape == page(dossiers.worded("x")).shape


@given(st.text(min_size=1, max_size=60) | st.sampled_from(dossiers.PAYLOADS))
@settings(max_examples=40, deadline=None)
def test_no_text_keeps_the_page_from_being_written_as_utf8_or_hides_anything(text):
    source = html.render(dossiers.worded(text), with_plots=False)
    assert source.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", source)


def test_endless_messages_do_not_make_an_endless_page():
    source = html.render(dossiers.hostile(long="x" * 1_000_000), with_plots=False)
    assert len(source.encode()) < 1_500_000


def test_templates_inside_foreign_text_are_not_run():
    text = page(dossiers.worded("{{ 7 * 7 }}{% raw %}")).text
    assert "{{ 7 * 7 }}{% raw %}" in text
    assert "49{" not in text
