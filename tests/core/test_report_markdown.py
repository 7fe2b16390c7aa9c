"""Markdown: the decision first and last, and no text that becomes markup."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gate.model import Case, CaseResult, Dossier
from gate.report import github, markdown
from tests import dossiers

_OURS = re.compile(r"</?(?:code|details|summary|pre)>|<!-- -->")


def tokens(source: str):
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source)


def flat(source: str):
    for token in tokens(source):
        yield token
        yield from token.children or ()


@pytest.mark.parametrize("make", dossiers.ALL.values(), ids=dossiers.ALL)
def test_the_decision_stands_on_the_first_and_on_the_last_line(make):
    dossier = make()
    lines = markdown.render(dossier).splitlines()
    decision = dossier.record.decision.value
    assert re.fullmatch(rf"# \S {decision}: .+", lines[0])
    assert lines[-1].startswith(f"**{decision}** (exit code {dossier.record.exit_code}, scope ")


def test_a_partial_run_says_on_top_and_at_the_end_that_it_decides_nothing():
    lines = markdown.render(dossiers.partial()).splitlines()
    assert lines[2] == "> **Partial run. This is not a release decision. Selected: --suite pattern_api**"
    assert lines[-1] == "**GO** (exit code 0, scope partial, no release decision)"


@given(st.text(min_size=1, max_size=60) | st.sampled_from(dossiers.PAYLOADS))
@example(" ")
@settings(max_examples=60, deadline=None)
def test_no_text_changes_the_shape_of_the_document(text):
    shape = [(token.type, token.tag, token.nesting) for token in tokens(markdown.render(dossiers.worded(text)))]
    assert shape == [(t.type, t.tag, t.nesting) for t in tokens(markdown.render(dossiers.worded("x")))]


@given(st.text(min_size=1, max_size=60) | st.sampled_from(dossiers.PAYLOADS))
@settings(max_examples=60, deadline=None)
def test_no_text_becomes_a_link_an_image_emphasis_or_html(text):
    found = list(flat(markdown.render(dossiers.worded(text))))
    assert {t.type for t in found}.isdisjoint({"link_open", "image", "em_open", "s_open", "code_inline", "fence"})
    for token in found:
        if token.type == "html_inline":
            assert _OURS.fullmatch(token.content)


def test_mentions_addresses_comments_and_commands_are_taken_apart():
    source = re.sub("<pre>.*?</pre>", "", markdown.render(dossiers.hostile()), flags=re.DOTALL)
    for wicked in ("@everyone", "www.", "://", "<script", "](", "```", "::error"):
        assert wicked not in source
    assert "<!--" not in source.replace("<!-- -->", "")


def test_no_line_starts_as_a_command_to_a_runner_and_none_holds_a_carriage_return():
    source = markdown.render(dossiers.hostile())
    assert not re.search(r"^\s*::", source, re.MULTILINE)
    assert "##[" not in source
    assert "\r" not in source


def _many_failures(number: int) -> Dossier:
    failed = tuple(
        Case(id=f"t_{n % 50}.py::test_{n}", result=CaseResult.FAILED, duration_s=0.1, detail="E  boom <&>\n" * 400)
        for n in range(number)
    )
    suite = dossiers.suite("s", "S", tests=failed)
    return Dossier(record=dossiers.record((suite,)), suites=(suite,))


@pytest.mark.parametrize("limit_bytes", [8 * 1024, 20_000, 60_000, 200_000, 900 * 1024])
def test_details_are_given_up_to_stay_within_the_limit_and_the_decision_never(limit_bytes):
    source = markdown.render(_many_failures(3_000), limit_bytes=limit_bytes)
    assert len(source.encode()) <= limit_bytes
    lines = source.splitlines()
    assert lines[0] == "# ✗ NO_GO: tickstream"
    assert lines[-1] == "**NO_GO** (exit code 10, scope full)"


def test_more_room_tells_more():
    texts = [markdown.render(_many_failures(3_000), limit_bytes=limit) for limit in (8 * 1024, 60_000, 900 * 1024)]
    assert texts[0].count("boom") < texts[1].count("boom") < texts[2].count("boom")


def test_what_a_table_leaves_out_is_counted():
    assert "… and 2,600 more" in markdown.render(_many_failures(3_000))


def test_endless_messages_stay_within_the_limit():
    source = markdown.render(dossiers.hostile(long="x" * 1_000_000))
    assert len(source.encode()) <= markdown.LIMIT_BYTES
    assert source.splitlines()[-1].startswith("**NO_GO** ")


# ---- GitHub -----------------------------------------------------------------------------------------------------


def test_the_step_summary_is_under_the_limit_of_github():
    assert len(github.render(dossiers.hostile(long="|@" * 500_000)).encode()) < 1024 * 1024


def test_annotations_are_the_decision_and_then_what_blocks():
    lines = github.annotations(dossiers.inconclusive()).splitlines()
    assert [line.partition("::")[2].partition("::")[0] for line in lines] == [
        "error title=gate%3A INCONCLUSIVE",
        "warning title=UNFIT performance/threshold/tick.p99",
        "warning title=MISSING performance/threshold/sustained.rate",
    ]
    assert lines[0].endswith("::Nothing failed, but 2 findings are not known.")
    assert lines[1].endswith("38 %25 of the CPU was used by others (observed 1.31 ms, expected p99 < 1 ms)")
    assert lines[2].endswith("::no passed test recorded it (observed nothing, expected rate >= 500 /s)")


def test_a_go_is_a_notice_and_its_waivers_make_it_a_warning():
    assert github.annotations(dossiers.go()).startswith("::notice title=gate%3A GO::")
    assert github.annotations(dossiers.go_with_waivers()).startswith("::warning title=gate%3A GO_WITH_WAIVERS::")


@given(st.text(max_size=80) | st.sampled_from(dossiers.PAYLOADS))
@settings(max_examples=60, deadline=None)
def test_an_annotation_is_one_line_whatever_the_text_and_there_are_never_more_than_ten(text):
    lines = github.annotations(dossiers.worded(text)).split("\n")
    assert lines.pop() == ""
    assert 1 < len(lines) <= 10
    for line in lines:
        assert re.fullmatch(r"::(error|warning|notice) title=[^:,\r]*::[^\r]*", line)
        assert not re.search(r"%(?!25|0A|0D|3A|2C)|##\[", line)


def test_there_are_at_most_ten_annotations():
    assert len(github.annotations(_many_failures(50)).splitlines()) == 10


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_step_outputs_are_words_of_the_program(run_id):
    lines = github.outputs(dossiers.record((), run_id=run_id)).splitlines()
    assert lines[:3] == ["decision=GO", "exit_code=0", "scope=full"]
    assert re.fullmatch(r"run_id=[A-Za-z0-9._-]*", lines[3])
    assert len(lines) == 4
