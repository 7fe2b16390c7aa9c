"""The seal tells every way in which sealed evidence can differ from what was sealed."""

import json
import os

import pytest

from gate.evidence.seal import NAME, check_seal, seal
from gate.model import Status


@pytest.fixture
def sealed(tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "junit.xml").write_bytes(b"<testsuite/>")
    (tmp_path / "metrics/1.jsonl").write_bytes(b"{}\n")
    (tmp_path / "empty").touch()
    seal(tmp_path)
    return tmp_path


def replace_by_link(path):
    original = path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(original)


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


CHANGES = {
    "changed": (lambda d: (d / "junit.xml").write_bytes(b"<testsuitf/>"), "junit.xml is changed"),
    "shortened": (lambda d: (d / "metrics/1.jsonl").write_bytes(b"{}"), "metrics/1.jsonl is changed"),
    "missing": (lambda d: (d / "empty").unlink(), "empty is missing"),
    "extra": (lambda d: (d / "metrics/2.jsonl").touch(), "metrics/2.jsonl is extra"),
    "hidden": (lambda d: (d / ".x").touch(), ".x is extra"),
    "nested seal": (lambda d: (d / "metrics" / NAME).touch(), f"metrics/{NAME} is extra"),
    "link": (lambda d: replace_by_link(d / "junit.xml"), "junit.xml cannot be opened as a plain file"),
    "linked folder": (lambda d: (d / "more").symlink_to(d / "metrics"), "more is extra"),
    "pipe": (lambda d: replace_by_pipe(d / "junit.xml"), "junit.xml is not a regular file"),
    "folder instead": (lambda d: ((d / "empty").unlink(), (d / "empty").mkdir()), "empty is missing"),
}


def test_sealed_evidence_is_intact(sealed):
    check = check_seal(sealed)
    assert (check.name, check.status, check.reason) == ("seal/intact", Status.PASS, "3 files as sealed")


@pytest.mark.parametrize(("change", "told"), CHANGES.values(), ids=CHANGES.keys())
def test_any_difference_is_told_by_name(sealed, change, told):
    change(sealed)
    check = check_seal(sealed)
    assert check.status is Status.ERROR
    assert told in check.reason


def test_all_differences_are_told_at_once(sealed):
    (sealed / "empty").unlink()
    (sealed / "new").touch()
    assert check_seal(sealed).reason == "empty is missing, new is extra"


def test_without_a_seal_the_evidence_was_never_finished(tmp_path):
    (tmp_path / "junit.xml").touch()
    assert check_seal(tmp_path).status is Status.MISSING


def test_an_empty_directory_with_a_seal_is_intact(tmp_path):
    seal(tmp_path)
    assert check_seal(tmp_path).status is Status.PASS


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000),
        *(b'{"schema": "x", "files": {}}', b'{"schema": "gate.seal/1", "files": []}'),
        b'{"schema": "gate.seal/1", "files": {"a": 1}}',
    ],
)
def test_a_damaged_seal_is_no_seal(sealed, content):
    (sealed / NAME).write_bytes(content)
    assert check_seal(sealed).status is Status.ERROR


def test_every_beginning_of_a_seal_is_no_seal(sealed):
    data = (sealed / NAME).read_bytes()
    for length in range(len(data) - 1):  # the last byte is the line's end
        (sealed / NAME).write_bytes(data[:length])
        assert check_seal(sealed).status is Status.ERROR


def test_a_linked_seal_is_no_seal(sealed):
    replace_by_link(sealed / NAME)
    assert check_seal(sealed).status is Status.ERROR


def test_the_seal_is_the_same_for_the_same_files(sealed):
    first = (sealed / NAME).read_bytes()
    seal(sealed)
    assert (sealed / NAME).read_bytes() == first
    assert list(json.loads(first)["files"]) == ["empty", "junit.xml", "metrics/1.jsonl"]


def test_what_is_no_plain_file_cannot_be_sealed(tmp_path):
    (tmp_path / "a").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="plain file"):
        seal(tmp_path)
    assert not (tmp_path / NAME).exists()
