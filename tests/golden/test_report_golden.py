"""Whole reports, as they are written; a change of any word shows as a difference to read.

`pytest tests/golden --snapshot-update` takes the new text when it is meant.
"""

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from gate.report import github, html, junit, markdown, record
from tests import dossiers


class _Text(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT


class _Html(_Text):
    file_extension = "html"


class _Markdown(_Text):
    file_extension = "md"


class _Xml(_Text):
    file_extension = "xml"


class _Json(_Text):
    file_extension = "json"


class _Lines(_Text):
    file_extension = "txt"


@pytest.mark.parametrize("name", ["go", "go_with_waivers", "no_go", "inconclusive", "partial", "empty"])
def test_the_markdown_report(name, snapshot):
    assert markdown.render(dossiers.ALL[name]()) == snapshot(extension_class=_Markdown)


@pytest.mark.parametrize("name", ["go_with_waivers", "no_go", "partial", "empty"])
def test_the_page_without_plots(name, snapshot):
    assert html.render(dossiers.ALL[name](), with_plots=False) == snapshot(extension_class=_Html)


@pytest.mark.parametrize("name", ["go_with_waivers", "no_go", "empty"])
def test_the_junit_report(name, snapshot):
    assert junit.render(dossiers.ALL[name]()) == snapshot(extension_class=_Xml)


@pytest.mark.parametrize("name", ["no_go", "empty"])
def test_the_record(name, snapshot):
    assert record.render(dossiers.ALL[name]()) == snapshot(extension_class=_Json)


@pytest.mark.parametrize("name", ["go", "no_go", "partial", "hostile"])
def test_what_github_is_told(name, snapshot):
    dossier = dossiers.ALL[name]()
    assert github.annotations(dossier) + github.outputs(dossier.record) == snapshot(extension_class=_Lines)
