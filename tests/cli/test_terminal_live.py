"""The redrawn region, by itself and on a real pseudo-terminal."""

import fcntl
import io
import os
import pty
import re
import struct
import termios
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.model import Decision
from gate.protocols import SuiteProgress
from gate.terminal import choose, say
from gate.terminal.live import LiveTerminal, RunningSuite, Scene, region
from gate.terminal.plain import PlainTerminal, QuietTerminal
from gate.terminal.screen import Look, Screen
from gate.terminal.text import cells, printable
from tests.cli.terminal_scenes import HOSTILE, RUN_DIR, finding, plan, record, tell

_XTERM = {"TERM": "xterm-256color"}


class PseudoTerminal:
    """A terminal of a given width whose screen content is what was written to it."""

    def __init__(self, columns: int) -> None:
        self._outside, inside = pty.openpty()
        self._inside = inside
        self.resize(columns)
        self.stream = io.TextIOWrapper(os.fdopen(inside, "wb", buffering=0), encoding="utf-8", write_through=True)
        self._chunks: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._inside, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._outside, 65536)
            except OSError:  # the other end is closed and everything has been read
                return
            if not chunk:
                return
            self._chunks.append(chunk)

    def written(self) -> str:
        self.stream.close()
        self._reader.join()
        os.close(self._outside)
        return b"".join(self._chunks).decode()


def screen_after(written: str) -> list[str]:
    """The lines that stay on a terminal after `written`, for the few controls that a redrawn region uses."""
    lines, row, column = [""], 0, 0
    for match in re.finditer(
        r"\x1b\[\??(\d*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)", re.sub(r"\x1b\[[\d;]*m", "", written)
    ):
        number, control, back, down, text = match.groups()
        if back:
            column = 0
        elif down:
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif control == "A":
            row = max(row - int(number or 1), 0)
        elif control == "K":
            lines[row] = ""
        elif text:
            lines[row] = lines[row].ljust(column)[:column] + text + lines[row][column + len(text) :]
            column += len(text)
        else:
            assert control in {"h", "l"}, match[0]
    return lines


@pytest.mark.parametrize("columns", [40, 80])
def test_after_the_run_the_region_is_gone_and_the_decision_is_the_last_line(columns):
    terminal = PseudoTerminal(columns)
    progress = choose(False, terminal.stream, _XTERM)
    assert isinstance(progress, LiveTerminal)
    tell(progress, record(Decision.NO_GO, 10, findings=(finding("pay/x/y"),)))
    written = terminal.written()
    shown = [line for line in screen_after(written) if line.strip()]
    assert shown[-1].startswith("NO_GO")
    assert not [line for line in shown if "suites done" in line]
    assert max(cells(line) for line in shown if "report.html" not in line) <= columns
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_hostile_text_leaves_no_control_but_those_of_the_region():
    terminal = PseudoTerminal(80)
    tell(choose(False, terminal.stream, _XTERM | {"NO_COLOR": "1"}), record(findings=(finding(HOSTILE),)), HOSTILE)
    written = terminal.written()
    assert set(re.findall(r"\x1b(?:\[\??\d*[A-Za-z]|.)", written)) <= {"\x1b[?25l", "\x1b[?25h", "\x1b[2K", "\x1b[1A"}
    assert not set(written) & set("\x07\x9b\u202e\u200b")


def test_a_run_that_breaks_off_gives_the_cursor_back():
    terminal = PseudoTerminal(80)
    progress = choose(False, terminal.stream, _XTERM)
    progress.run_started(plan("pay"), RUN_DIR)
    progress.suite_started("pay")
    progress.close()
    progress.close()
    written = terminal.written()
    assert written.count("\x1b[?25h") == 1
    assert not [line for line in screen_after(written) if "done" in line]


def test_a_terminal_that_hangs_up_does_not_stop_the_run():
    terminal = PseudoTerminal(80)
    progress = choose(False, terminal.stream, _XTERM)
    progress.run_started(plan("pay"), RUN_DIR)
    terminal.written()
    tell(progress, record())


def test_a_document_on_a_terminal_is_cleaned_and_not_cut(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = PseudoTerminal(40)
    say("  " + "x" * 90 + "\x1b[2J\u202e\n\n::end", terminal.stream)
    assert terminal.written() == "  " + "x" * 90 + "\r\n\r\n: :end\r\n"


def test_a_window_made_narrower_gets_narrower_lines():
    terminal = PseudoTerminal(80)
    screen = Screen(terminal.stream, _XTERM | {"NO_COLOR": "1"})
    for columns in (80, 30):
        terminal.resize(columns)
        screen.lines([(("x" * 200, ""),)])
    assert [len(line) for line in terminal.written().splitlines()] == [79, 29]


@pytest.mark.parametrize(
    ("quiet", "environ", "kind"),
    [
        (False, _XTERM, LiveTerminal),
        (True, _XTERM, QuietTerminal),
        (False, {"TERM": "dumb"}, PlainTerminal),
        (False, {}, PlainTerminal),
        (False, _XTERM | {"CI": "true"}, PlainTerminal),
        (False, _XTERM | {"NO_COLOR": "1"}, LiveTerminal),
    ],
)
def test_the_way_of_telling_fits_the_terminal(quiet, environ, kind):
    terminal = PseudoTerminal(80)
    chosen = choose(quiet, terminal.stream, environ)
    terminal.written()
    assert type(chosen) is kind


# ---- the region ---------------------------------------------------------------------------------------------------

suites = st.builds(
    RunningSuite,
    name=st.text(max_size=70),
    began_s=st.floats(0, 1e5),
    expected_s=st.none() | st.floats(0, 1e5),
    progress=st.builds(
        SuiteProgress,
        done=st.integers(0, 10**6),
        total=st.none() | st.integers(0, 10**6),
        failed=st.integers(0, 10**6),
        current=st.text(max_size=200),
        last_failure=st.text(max_size=200),
    ),
)
scenes = st.builds(
    Scene,
    now_s=st.floats(1e5, 2e5),
    began_s=st.floats(0, 1e5),
    total=st.integers(0, 99),
    running=st.lists(suites, max_size=12).map(tuple),
    starting=st.lists(st.text(), max_size=3).map(tuple),
    stopping=st.text(),
)


@given(scenes, st.integers(20, 130), st.integers(1, 30), st.sampled_from(["utf-8", "ascii"]))
def test_the_region_always_fits_its_window(scene, width, height, encoding):
    lines = region(scene, Look(width=width, encoding=encoding), height)
    assert 1 <= len(lines) <= height
    for line in lines:
        shown = "".join(text for text, _ in line)
        assert cells(shown) <= width
        assert printable(shown) == shown
        shown.encode(encoding)


def shown_region(*running, width=100, height=10, **changes):
    scene = Scene(now_s=112.0, began_s=100.0, total=3, running=running, **changes)
    return ["".join(text for text, _ in line) for line in region(scene, Look(width=width), height)]


def test_a_running_suite_shows_count_time_and_expectation():
    suite = RunningSuite(name="pay", began_s=105.0, expected_s=40.0, progress=SuiteProgress(done=31, total=42))
    assert shown_region(suite)[0].split()[1:] == ["pay", "31/42", "0:07", "of", "about", "0:40"]


def test_the_last_failure_stands_under_its_suite():
    progress = SuiteProgress(done=1, total=2, failed=1, last_failure="test_x")
    assert shown_region(RunningSuite(name="pay", began_s=1.0, expected_s=None, progress=progress))[1].split() == [
        "1", "failed,", "last:", "test_x",
    ]  # fmt: skip


def test_a_low_window_shows_suites_rather_than_failures():
    progress = SuiteProgress(failed=1, last_failure="test_x")
    both = [RunningSuite(name=name, began_s=1.0, expected_s=None, progress=progress) for name in ("pay", "ship")]
    shown = shown_region(*both, height=4)
    assert len(shown) == 3
    assert "ship" in shown[1]


def test_the_last_line_is_about_the_whole():
    shown = shown_region(ended=1, failed=2, starting=("redis",), stopping="SIGINT")
    assert "redis" in shown[0]
    assert shown[-1] == "0:12  1 of 3 suites done, 2 tests failed  stopping: SIGINT"
