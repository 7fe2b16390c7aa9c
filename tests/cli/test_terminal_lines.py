"""What is said, in which order, on streams of every kind."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gate.errors import GateError, ManifestError, Problem, ServiceError
from gate.model import Decision, Place, Scope, Severity, Status
from gate.model import TestCounts as Counts
from gate.protocols import SuiteProgress
from gate.terminal import choose, list_suites, print_error, print_problems, say
from gate.terminal.plain import PlainTerminal
from gate.terminal.screen import Look, Screen, cells, drawn, fitted
from gate.terminal.summary import decision_line, suite_table, summary
from tests.cli.terminal_scenes import (
    HOSTILE,
    RUN_DIR,
    finding,
    manifest,
    plan,
    record,
    result,
    tell,
    threshold,
    waiver,
)


def told(final, *, quiet=False, text="text", **environ):
    stream = io.StringIO()
    tell(choose(quiet, stream, environ), final, text)
    return stream.getvalue()


def lines_of(final, look=None):
    look = look or Look()
    return [drawn(line, look) for line in summary(final, RUN_DIR, look)]


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


# ---- the end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", Decision)
def test_the_last_line_begins_with_the_decision(decision):
    assert told(record(decision)).splitlines()[-1].split()[0] == decision


@pytest.mark.parametrize("decision", Decision)
def test_quiet_says_the_decision_alone(decision):
    assert told(record(decision), quiet=True) == f"{decision}\n"


def test_a_partial_run_says_that_it_is_no_release_decision():
    shown = drawn(decision_line(record(scope=Scope.PARTIAL)), Look())
    assert "no release decision" in shown
    assert "--suite pay" in shown
    assert "no release decision" not in drawn(decision_line(record()), Look())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "at 4f2a1b9c33,"),
        ({"dirty": True}, "4f2a1b9c33 with uncommitted changes"),
        ({"commit": None}, "at no commit"),
        ({"exit_code": 12}, "exit 12"),
    ],
)
def test_the_last_line_says_what_was_decided_on(changes, said):
    assert said in drawn(decision_line(record(**changes)), Look())


def test_what_blocks_is_shown_with_observation_expectation_and_reason():
    blocking = finding("pay/threshold/m.p95", observed="54 ms", expected="p95 < 50 ms", reason="the disk is slow")
    shown = lines_of(record(Decision.NO_GO, suites=(result("pay", Status.FAIL, findings=(blocking,)),)))
    at = next(number for number, line in enumerate(shown) if "pay/threshold/m.p95" in line)
    assert shown[at].strip().startswith("✘ FAIL")
    assert shown[at + 1].strip() == "observed 54 ms, expected p95 < 50 ms"
    assert shown[at + 2].strip() == "the disk is slow"


@pytest.mark.parametrize(
    "harmless",
    [
        finding("a/b/c", Status.PASS),
        finding("a/b/c", severity=Severity.MAJOR),
        finding("a/b/c", severity=Severity.INFO),
        finding("a/b/c", waived_by="W-1"),
    ],
)
def test_what_does_not_block_is_not_called_blocking(harmless):
    assert not [line for line in lines_of(record(findings=(harmless,))) if "a/b/c" in line or "Blocking" in line]


def test_failures_stand_before_what_is_not_known_and_run_findings_count_too():
    shown = "\n".join(
        lines_of(
            record(
                findings=(finding("run/identity/commit", Status.ERROR),),
                suites=(result("pay", findings=(finding("pay/test/x"),)),),
            )
        )
    )
    assert shown.index("pay/test/x") < shown.index("run/identity/commit")
    assert "Blocking: 2 findings" in shown


def test_thousands_of_findings_are_counted_not_printed():
    shown = lines_of(record(findings=tuple(finding(f"pay/test/{number}") for number in range(5000))))
    assert len(shown) < 100
    assert any("4980 more" in line for line in shown)


def test_used_waivers_and_what_did_not_run_come_before_the_report():
    final = record(waivers=(waiver(), waiver("unused", id="W-2")), not_run=("ship",))
    shown = "\n".join(lines_of(final))
    assert "by ada (40 days left)" in shown
    assert "W-2" not in shown
    assert shown.index("W-1") < shown.index("Did not run") < shown.index("ship") < shown.index("report.html")


@pytest.mark.parametrize(("days", "said"), [(0, "(last day)"), (1, "(1 day left)")])
def test_a_waiver_says_how_long_it_lasts(days, said):
    assert said in "\n".join(lines_of(record(waivers=(waiver(days_left=days),))))


# ---- the table ----------------------------------------------------------------------------------------------------


def table(look, *suites):
    return [drawn(line, look) for line in suite_table(suites, look)]


def test_a_row_has_status_tests_worst_margin_and_time():
    slow = result(
        "pay",
        Status.FAIL,
        tests=Counts(collected=44, passed=41, failed=1, skipped=2),
        thresholds=(threshold("pay/threshold/a.p95", 0.5), threshold("pay/threshold/b.p95", -0.08)),
    )
    heading, row = table(Look(), slow)
    assert heading.split() == ["status", "suite", "time", "passed", "margin", "nearest", "limit"]
    assert " ".join(row.split()) == "✘ FAIL pay 14.2 s 41/44 -8 % 1 failed, 2 skipped b.p95"


def test_a_threshold_without_a_margin_is_not_the_worst():
    row = table(Look(), result("pay", thresholds=(threshold("a/b/c", None), threshold("a/b/d", 0.1))))[1]
    assert "+10 %  " in row
    assert row.endswith("d")


@pytest.mark.parametrize("width", [20, 30, 40, 60, 79, 120])
def test_lines_never_exceed_the_window(width):
    look = Look(width=width)
    blocking = finding("pay/threshold/" + "long_name_" * 9, reason="words " * 60, observed="1" * 90)
    final = record(findings=(blocking,), suites=(result("pay" * 20), result("日本" * 20, Status.INSUFFICIENT)))
    for line in summary(final, RUN_DIR, look):
        if "path" not in {tone for _, tone in line}:
            assert cells(drawn(line, look)) <= width


def test_a_narrow_window_keeps_status_and_name():
    row = table(Look(width=30), result("pay", Status.FAIL))[1]
    assert "✘ FAIL" in row
    assert "pay" in row


def test_the_path_of_the_report_is_never_cut():
    assert any(line.endswith(str(RUN_DIR / "report.html")) for line in lines_of(record(), Look(width=20)))


# ---- plain lines --------------------------------------------------------------------------------------------------


def test_progress_is_told_at_most_every_ten_seconds_and_the_first_failure_at_once():
    stream, clock = io.StringIO(), Clock()
    terminal = PlainTerminal(Screen(stream, {}), now=clock)
    terminal.run_started(plan("pay"), RUN_DIR)
    terminal.suite_started("pay")
    before = stream.getvalue()
    for second in range(1, 31):
        clock.now_s = 100.0 + second
        failed = int(second >= 13)
        terminal.suite_progressed("pay", SuiteProgress(done=second, total=42, failed=failed, last_failure="t"), second)
    said = stream.getvalue().removeprefix(before).splitlines()
    assert [line.split()[3] for line in said] == ["10/42", "13/42", "23/42"]
    assert "1 failed (last: t)" in said[1]


def test_events_are_told_in_order_one_line_each():
    shown = told(record())
    order = [
        "2 suites",
        "service redis: starting",
        "redis: failed",
        "pay: started",
        "1 failed",
        "pay: ✘ FAIL",
        "stopping",
    ]
    places = [shown.index(words) for words in order]
    assert places == sorted(places)


def test_a_suite_that_still_collects_has_no_count():
    stream, clock = io.StringIO(), Clock()
    terminal = PlainTerminal(Screen(stream, {}), now=clock)
    terminal.suite_started("pay")
    clock.now_s += 11
    terminal.suite_progressed("pay", SuiteProgress(), 11)
    assert "collecting" in stream.getvalue()


def test_plain_lines_are_not_cut():
    assert "x" * 3000 in told(record(findings=(finding("a/b/c", reason="x" * 3000),)))


# ---- what comes from outside --------------------------------------------------------------------------------------


def test_hostile_text_neither_commands_nor_hides_nor_begins_a_line():
    hostile = finding(f"pay/{HOSTILE}", observed=HOSTILE, expected=HOSTILE, reason=f"{HOSTILE}\n::add-mask::GO")
    final = record(
        findings=(hostile,), not_run=(HOSTILE,), waivers=(waiver(reason=HOSTILE),), selection=HOSTILE, project=HOSTILE
    )
    shown = told(final, text=HOSTILE)
    assert not set(shown) & set("\x1b\r\x07\u202e\u200b\x9b")
    assert not [line for line in shown.splitlines() if line.lstrip().startswith("::")]
    assert shown.splitlines()[-1].startswith("GO")


def test_a_line_cannot_begin_like_a_command_to_ci():
    assert fitted((("  ", ""), ("::error::x", "")), Look()) == (("  ", ""), (": :error::x", ""))


# ---- streams ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"TERM": "xterm"}, False),
    ],
)
def test_colours_follow_the_environment(environ, coloured):
    assert ("\x1b[" in told(record(), **environ)) is coloured


def test_signs_fall_back_where_the_encoding_has_none():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    tell(choose(False, stream, {}), record(findings=(finding("a/b/c", reason="≤ 5 µs 日"),)))
    stream.flush()
    shown = raw.getvalue().decode("ascii")
    assert "x FAIL" in shown
    assert "<= 5 us ?" in shown


_TELL = """
import sys
from gate.model import Decision
from gate.terminal import choose
from tests.cli.terminal_scenes import record, tell
tell(choose({quiet}, sys.stdout, {{}}), record(Decision.NO_GO, 10))
sys.exit(10)
"""


def run_python(code, stdout):
    # What a failed write leaves in a buffer is the difficulty, so the child must have one.
    env = {**os.environ, "PYTHONUNBUFFERED": ""}
    return subprocess.run([sys.executable, "-c", code], stdout=stdout, stderr=subprocess.PIPE, env=env, check=False)


@pytest.mark.parametrize("quiet", [False, True])
def test_a_reader_that_went_away_changes_neither_exit_code_nor_says_anything(quiet):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stdout:
        done = run_python(_TELL.format(quiet=quiet), stdout)
    assert (done.returncode, done.stderr) == (10, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_changes_neither_exit_code_nor_says_anything():
    with Path("/dev/full").open("wb") as stdout:
        done = run_python(_TELL.format(quiet=False), stdout)
    assert (done.returncode, done.stderr) == (10, b"")


def test_a_closed_stream_is_let_go():
    stream = io.StringIO()
    terminal = choose(False, stream, {})
    stream.close()
    tell(terminal, record())


def test_plain_mode_does_not_import_rich():
    code = _TELL.format(quiet=False).replace("sys.exit(10)", "sys.exit('rich' in sys.modules)")
    assert run_python(code, subprocess.DEVNULL).returncode == 0


# ---- errors, lists, documents -------------------------------------------------------------------------------------


def test_every_problem_of_a_manifest_is_told_with_its_place():
    problems = tuple(
        Problem(
            place=Place(file="gates.yaml", line=line, column=3), path="suites.pay", message=HOSTILE, hint="allowed: a"
        )
        for line in (4, 7)
    )
    stream = io.StringIO()
    print_problems(ManifestError(problems), stream)
    shown = stream.getvalue()
    assert "gates.yaml:4:3: suites.pay: text" in shown
    assert "gates.yaml:7:3" in shown
    assert shown.count("allowed: a") == 2
    assert "error: gates.yaml has 2 problems" in shown
    assert "\x1b" not in shown


def test_an_error_is_told_with_its_hint():
    stream = io.StringIO()
    print_error(GateError("cannot read x", hint="give it a name"), stream)
    assert stream.getvalue() == "error: cannot read x\nhint: give it a name\n"


def test_a_service_error_shows_the_end_of_its_log():
    stream = io.StringIO()
    log = "\n".join(f"line {number} \x1b[2J" for number in range(50))
    print_error(ServiceError("redis did not come up", log_tail=log), stream)
    shown = stream.getvalue().splitlines()
    assert shown[0] == "error: redis did not come up"
    assert shown[-1] == "  | line 49"
    assert "  | line 29" not in shown


def test_the_list_names_what_every_suite_promises():
    stream = io.StringIO()
    say(list_suites(manifest("pay", "ship", title=f"Payments {HOSTILE}")), stream)
    shown = stream.getvalue().splitlines()
    assert shown[0] == "shop: 2 suites in gates.yaml"
    assert shown[1].startswith("pay  Payments text")
    assert shown[2].split(" · ") == ["    database", "at least 30 tests", "0 thresholds", "needs postgres"]


def test_a_document_goes_into_a_pipe_byte_for_byte_in_utf_8():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    say('{"a": "✔ \u202e \x1b[0m"}', stream)
    stream.flush()
    assert raw.getvalue() == '{"a": "✔ \u202e \x1b[0m"}\n'.encode()
