"""Commit and state of a real work tree, whatever the environment says."""

import os
import platform
import subprocess

import pytest

from gate.identity import CHANGED_CAP, environment_facts, read_identity
from gate.model import Identity


@pytest.fixture
def git(tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tree, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "-q", "-b", "trunk")
    (tree / "a").write_text("1")
    (tree / ".gitignore").write_text("ignored\n")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    git.tree = tree
    return git


def test_a_clean_tree_is_its_commit_tree_and_branch(git):
    (git.tree / "ignored").touch()
    assert read_identity(git.tree) == Identity(
        commit=git("rev-parse", "HEAD"), tree=git("rev-parse", "HEAD^{tree}"), branch="trunk", dirty=False, changed=()
    )


def rename(tree, git):
    git("mv", "a", "ü b")


CHANGES = {
    "changed": (lambda tree, git: (tree / "a").write_text("2"), (("a",), ())),
    "deleted": (lambda tree, git: (tree / "a").unlink(), (("a",), ())),
    "untracked": (lambda tree, git: ((tree / "d").mkdir(), (tree / "d/new\nline").touch()), ((), ("d/new\nline",))),
    "staged": (lambda tree, git: ((tree / "b c").touch(), git("add", "b c")), (("b c",), ())),
    "renamed": (rename, (("a", "ü b"), ())),
    "mode": (lambda tree, git: (tree / "a").chmod(0o755), (("a",), ())),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_every_uncommitted_change_makes_it_dirty(git, change, expected):
    change(git.tree, git)
    identity = read_identity(git.tree)
    assert identity.dirty is True
    assert (identity.changed, identity.untracked) == expected


def test_a_file_that_git_was_told_to_overlook_counts_as_changed(git):
    git("update-index", "--assume-unchanged", "a")
    (git.tree / "a").write_text("2")
    (git.tree / "below").mkdir()
    assert read_identity(git.tree / "below").changed == ("a",)


def test_a_conflict_is_a_change(git):
    git("checkout", "-q", "-b", "other")
    (git.tree / "a").write_text("2")
    git("commit", "-qam", "two")
    git("checkout", "-q", "trunk")
    (git.tree / "a").write_text("3")
    git("commit", "-qam", "three")
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "other")
    assert read_identity(git.tree).changed == ("a",)


def test_long_lists_of_paths_are_cut(git):
    for n in range(CHANGED_CAP + 10):
        (git.tree / f"new{n}").touch()
    assert len(read_identity(git.tree).untracked) == CHANGED_CAP
    git("add", ".")
    assert len(read_identity(git.tree).changed) == CHANGED_CAP


def test_a_detached_head_has_no_branch(git):
    git("checkout", "-q", "--detach")
    identity = read_identity(git.tree)
    assert identity.branch is None
    assert identity.commit == git("rev-parse", "HEAD")


def test_a_tree_before_its_first_commit_has_none(tmp_path):
    subprocess.run(["git", "init", "-q", "-b", "trunk"], cwd=tmp_path, check=True)
    assert read_identity(tmp_path) == Identity(branch="trunk", dirty=False)


def test_outside_a_work_tree_everything_is_empty(tmp_path):
    assert read_identity(tmp_path) == Identity()
    assert read_identity(tmp_path / "nowhere") == Identity()


def test_without_git_everything_is_empty(git, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_identity(git.tree) == Identity()


def test_the_environment_cannot_point_to_another_repository(git, tmp_path, monkeypatch):
    before = read_identity(git.tree)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert read_identity(git.tree) == before


def test_reading_runs_no_command_of_the_repository_and_takes_no_lock(git, tmp_path):
    witness = tmp_path / "witness"
    git("config", "core.fsmonitor", f"touch {witness}; false")
    (git.tree / "a").write_text("1")
    os.utime(git.tree / "a", (1, 1))
    index = (git.tree / ".git/index").read_bytes()
    assert read_identity(git.tree).dirty is False
    assert not witness.exists()
    assert (git.tree / ".git/index").read_bytes() == index


def test_the_facts_name_what_ran_where():
    facts = environment_facts({})
    assert facts["python"] == platform.python_version()
    assert facts["pytest"] == pytest.__version__
    assert "pytest-xdist " in facts["pytest_plugins"]
    assert facts["utc_offset"][0] in "+-"
    assert {"gate", "implementation", "platform", "kernel", "cores"} <= facts.keys()
    assert "ci" not in facts


def test_the_facts_hold_no_host_name_and_no_value_of_the_environment():
    env = {"GITHUB_ACTIONS": "value-one", "CI": "value-two", "API_TOKEN": "value-three"}
    facts = environment_facts(env)
    assert facts["ci"] == "GitHub Actions"
    assert not any("value-" in fact for fact in facts.values())
    assert platform.node() not in facts.values()
