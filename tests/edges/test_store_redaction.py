"""Secrets are taken out of the files of a run: where they stand, and only there."""

import os

import pytest

from gate.redact import LONGEST_BYTES, Redactor
from gate.store import redact_tree


@pytest.fixture
def tree(tmp_path):
    directory = tmp_path / "run"
    (directory / "suites").mkdir(parents=True)
    return directory


SECRETS = Redactor(["correct-horse-battery"])


def test_secrets_are_rewritten_where_they_stand_and_only_there(tree):
    (tree / "suites/output.log").write_bytes(b"\xff a correct-horse-battery b")
    (tree / "clean.xml").write_bytes(b"<testsuite/>")
    before = (tree / "clean.xml").stat()
    assert redact_tree(tree, SECRETS) == (tree / "suites/output.log",)
    assert (tree / "suites/output.log").read_bytes() == b"\xff a [redacted] b"
    assert (tree / "clean.xml").stat().st_ino == before.st_ino
    assert redact_tree(tree, SECRETS) == ()


def test_a_link_is_neither_followed_nor_rewritten(tree, tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("correct-horse-battery")
    (tree / "link").symlink_to(outside)
    (tree / "folder").symlink_to(tmp_path)
    os.mkfifo(tree / "pipe")
    assert redact_tree(tree, SECRETS) == ()
    assert outside.read_text() == "correct-horse-battery"


@pytest.mark.parametrize("offset", [-40, -21, -10, -1, 0, 5])
@pytest.mark.parametrize("edge", ["read", "cut"])
def test_a_secret_across_the_edge_of_two_reads_goes(tree, monkeypatch, offset, edge):
    chunk = 4 * LONGEST_BYTES
    monkeypatch.setattr("gate.store._CHUNK", chunk)
    at = (chunk if edge == "read" else chunk - LONGEST_BYTES) + offset
    secret = b"password=" + b"s" * 20
    data = b" " * at + secret + b" " * (2 * chunk)
    (tree / "log").write_bytes(data)
    redact_tree(tree, SECRETS)
    assert (tree / "log").read_bytes() == data.replace(b"s" * 20, b"[redacted]")


def test_many_secrets_in_a_large_file_go_as_in_one_piece(tree, monkeypatch):
    monkeypatch.setattr("gate.store._CHUNK", 2 * LONGEST_BYTES)
    data = b"".join(b"%d token=abcdef%d correct-horse-battery\n" % (n, n) for n in range(20_000))
    (tree / "log").write_bytes(data)
    redact_tree(tree, SECRETS)
    assert (tree / "log").read_bytes() == SECRETS.redact_bytes(data)
