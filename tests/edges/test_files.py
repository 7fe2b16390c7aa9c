"""Evidence files are opened strictly: only regular files, never more than the cap, never blocking."""

import os
from pathlib import Path

import pytest

from gate.evidence.files import NotRegular, TooLarge, read_regular


def test_a_regular_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_regular(tmp_path / "a", 5) == b"12345"


def test_a_file_over_the_cap_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"123456")
    with pytest.raises(TooLarge, match="more than 5 bytes"):
        read_regular(tmp_path / "a", 5)


def test_a_link_is_refused_even_to_a_regular_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(NotRegular):
        read_regular(tmp_path / "link", 5)


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotRegular):
        read_regular(tmp_path / "pipe", 5)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotRegular):
        read_regular(tmp_path, 5)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "a", 5)
