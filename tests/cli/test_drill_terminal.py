"""What drills show while they run: on a pseudo-terminal, as plain lines, and the outcome alone."""

import io
import re
from contextlib import closing

import pytest

from gate.model import Baseline, BaselineState, DrillMatrix, DrillResult, DrillState
from gate.run.drill import DrillProgress
from gate.terminal import choose_drills
from tests.cli.terminal_scenes import HOSTILE, RUN_DIR, record, tell
from tests.cli.test_terminal_live import PseudoTerminal, screen_after
from tests.core.test_drill_matrix import CAUGHT, matrix, result

_TERMINAL = {"TERM": "xterm-256color", "COLUMNS": "", "CI": "", "NO_COLOR": "", "FORCE_COLOR": ""}


def scene(text: str = "text") -> tuple[Baseline, tuple[DrillResult, ...], DrillMatrix]:
    baseline = Baseline(suite="a", state=BaselineState.FALSE_ALARM, alarms=(text,))
    drills = (CAUGHT, result(DrillState.MISSED, text, name="slow", also=("a/test/x", "a/test/y")))
    return baseline, drills, matrix(*drills, baselines=(baseline,))


def play(progress: DrillProgress, text: str = "text") -> None:
    """Two drills, with `text` in every place that comes from outside."""
    baseline, drills, final = scene(text)
    progress.drills_started("shop", 2, RUN_DIR)
    for what in ("", "drop", "slow"):
        with closing(progress.watch(what, ["a"])) as watching:
            tell(watching, record(), text)
    progress.baseline_ended([baseline])
    for drill in drills:
        progress.drill_ended(drill)
    progress.drilled(final, RUN_DIR)


def plainly(text: str = "text", *, quiet: bool = False) -> list[str]:
    stream = io.StringIO()
    play(choose_drills(quiet, stream), text)
    return stream.getvalue().splitlines()


def test_each_drill_has_a_line_and_the_outcome_is_the_last() -> None:
    lines = plainly()
    assert [line[5:].strip() for line in lines if re.match(r" {0,3}\d", line)] == [
        f"shop: 2 drills  {RUN_DIR}",
        "no fault: running a",
        "stopping: text",
        "drop (1 of 2): running a",
        "stopping: text",
        "slow (2 of 2): running a",
        "stopping: text",
        "✘ false alarm  no fault  a",
        "✔ CAUGHT  drop  a/threshold/lost.total 4 against total == 0",
        "✘ MISSED  slow  text",
    ]
    assert lines[-1] == "NOT ALL CAUGHT  1 of 2 drills caught, 1 missed; false alarm in 1 suite. exit 10"
    assert f"  {RUN_DIR}/drill.html" in lines
    assert "    appeared: a/test/x, a/test/y" in lines


def test_quiet_says_the_outcome_alone() -> None:
    assert plainly(quiet=True) == ["1 of 2 drills caught, 1 missed; false alarm in 1 suite."]


def test_hostile_text_stays_on_its_line() -> None:
    kind, hostile = plainly(), plainly(HOSTILE)
    assert len(hostile) == len(kind)
    assert all(line.isprintable() for line in hostile)


def test_on_a_terminal_the_suites_are_redrawn_and_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in _TERMINAL.items():
        monkeypatch.setenv(name, value)
    terminal = PseudoTerminal(100)
    play(choose_drills(False, terminal.stream))
    written = terminal.written()
    assert "slow (2 of 2): running a" in written
    shown = [line for line in screen_after(written) if line.strip()]
    assert "slow (2 of 2): running a" not in "".join(shown)
    assert shown[-1].startswith("NOT ALL CAUGHT  1 of 2 drills caught")
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l"), "the cursor is back"
