"""The journal gives back what was written, whatever happened to the end of its last file."""

import pytest

from tickstream.ingest.journal import Journal, JournalError

GROUPS = [b"one", b"two" * 50, bytes(range(256)), b"four"]


def write(directory, groups, **options):
    journal = Journal(directory, **options)
    for group in groups:
        journal.write(group)
    journal.close()


def read(directory):
    journal = Journal(directory)
    try:
        return list(journal.replay())
    finally:
        journal.close()


def newest(directory):
    return max(path for path in directory.glob("*.log") if path.stat().st_size)


def test_what_was_written_comes_back_in_order_through_any_number_of_openings(tmp_path):
    for group in GROUPS:
        write(tmp_path, [group])
    assert read(tmp_path) == GROUPS


def test_wherever_the_end_is_cut_off_all_whole_groups_are_left(tmp_path):
    write(tmp_path / "whole", GROUPS)
    data = newest(tmp_path / "whole").read_bytes()
    ends = [data.index(group) + len(group) for group in GROUPS]
    for length in range(len(data) + 1):
        directory = tmp_path / str(length)
        directory.mkdir()
        (directory / "000000000001.log").write_bytes(data[:length])
        assert read(directory) == GROUPS[: sum(end <= length for end in ends)]


def test_blocks_that_never_reached_the_disk_are_an_end_too(tmp_path):
    write(tmp_path, GROUPS)
    with newest(tmp_path).open("ab") as file:
        file.write(b"\0" * 4096)
    assert read(tmp_path) == GROUPS


@pytest.mark.parametrize("position", [0, 5, 9, 13, 40])
def test_damage_with_whole_groups_behind_it_is_refused(tmp_path, position):
    write(tmp_path, GROUPS)
    path = newest(tmp_path)
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(JournalError, match="is damaged at byte"):
        read(tmp_path)


def test_after_a_torn_end_writing_goes_on(tmp_path):
    write(tmp_path, GROUPS)
    path = newest(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    write(tmp_path, [b"five"])
    assert read(tmp_path) == [*GROUPS[:-1], b"five"]


def test_full_segments_go_when_they_are_released_and_the_size_tells(tmp_path):
    journal = Journal(tmp_path, segment_bytes=100)
    for _ in range(10):
        journal.write(b"x" * 60)
    assert journal.segment == 5
    before = journal.size_bytes
    journal.release(4)
    assert len(list(journal.replay())) == 4
    assert journal.size_bytes < before
    journal.close()


def test_a_journal_belongs_to_one_at_a_time(tmp_path):
    journal = Journal(tmp_path)
    with pytest.raises(JournalError, match="in use by another process"):
        Journal(tmp_path)
    journal.close()
    Journal(tmp_path).close()
