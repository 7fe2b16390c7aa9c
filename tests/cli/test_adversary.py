"""Ways of looking good that are not: each is a suite of its own, all run by one `gate run`, and each is found out.

Beside them stand suites which do unusual things that are right, so that suspicion alone is no finding.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.projects import GATE, GOOD_TEST, Project, Run

BAD_TEST = GOOD_TEST + "def test_bad(): assert False\n"
SWALLOWS = """
import pytest
@pytest.hookimpl(wrapper=True)
def {hook}({argument}):
    try:
        return (yield)
    except Exception:
        return None
"""
RECORDS = "def test_x(metrics):\n    lat = metrics.histogram('lat')\n    for _ in range(100): lat.record(0.001)\n"
BROKEN_FIXTURE = """
import pytest
@pytest.fixture
def broken():
{body}
@pytest.mark.usefixtures("broken")
def test_bad(): pass
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A suite: its test file, other files in its folder, keys in the manifest ($S is its name) and what is found."""

    test: str = GOOD_TEST
    keys: str = ""
    files: dict[str, str] = field(default_factory=dict)
    finding: str = ""


def _hook(hook: str, argument: str) -> dict[str, str]:
    return {"conftest.py": SWALLOWS.format(hook=hook, argument=argument)}


WAYS = {
    "a hook that answers for the call and calls nothing": Way(
        test=BAD_TEST,
        files={"conftest.py": "def pytest_pyfunc_call(pyfuncitem): return True\n"},
        finding="evidence/journal.outcomes",
    ),
    "an exception swallowed around the function": Way(
        test=BAD_TEST, files=_hook("pytest_pyfunc_call", "pyfuncitem"), finding="evidence/journal.outcomes"
    ),
    "an exception swallowed around the call": Way(
        test=BAD_TEST, files=_hook("pytest_runtest_call", "item"), finding="evidence/journal.outcomes"
    ),
    "an exception of a doctest swallowed around the call": Way(
        test=GOOD_TEST + 'def work():\n    """\n    >>> 1\n    2\n    """\n',
        keys="pytest_args: [--doctest-modules]",
        files=_hook("pytest_runtest_call", "item"),
        finding="evidence/journal.outcomes",
    ),
    "an exception swallowed around the set-up": Way(
        test=BROKEN_FIXTURE.format(body="    raise ValueError"),
        files=_hook("pytest_runtest_setup", "item"),
        finding="evidence/journal.outcomes",
    ),
    "an exception swallowed around the tear-down": Way(
        test=BROKEN_FIXTURE.format(body="    yield\n    raise ValueError"),
        files=_hook("pytest_runtest_teardown", "item"),
        finding="evidence/journal.outcomes",
    ),
    "reports made up without running": Way(
        test=BAD_TEST,
        files={
            "conftest.py": """
from pytest import TestReport
def pytest_runtest_protocol(item, nextitem):
    for when in ("setup", "call", "teardown"):
        report = TestReport(item.nodeid, item.location, {}, "passed", None, when)
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
        },
        finding="evidence/journal.outcomes",
    ),
    "a loop that runs nothing": Way(
        files={"conftest.py": "def pytest_runtestloop(session): return True\n"}, finding="evidence/journal.items"
    ),
    "a file ignored by a conftest": Way(
        files={"conftest.py": "collect_ignore = ['test_t.py']\n", "test_t.py": BAD_TEST}, finding="budget/deselected"
    ),
    "a folder ignored by a hook, under workers": Way(
        keys="workers: 2",
        files={
            "conftest.py": "def pytest_ignore_collect(collection_path):\n"
            "    return True if collection_path.name == 'deep' else None\n",
            "deep/test_t.py": BAD_TEST,
        },
        finding="budget/deselected",
    ),
    "a path that holds no test": Way(
        keys="paths: [$S, $S/empty]", files={"empty/readme": "nothing"}, finding="evidence/journal.items"
    ),
    "a test method that is a generator": Way(
        test="import unittest\nclass TestX(unittest.TestCase):\n    def test_x(self):\n        yield\n"
        "        assert False\n",
        finding="budget/warnings",
    ),
    "warnings silenced by a conftest": Way(
        test="def test_x(): return 1 == 2\n",
        files={"conftest.py": "def pytest_configure(config): config.addinivalue_line('filterwarnings', 'ignore')\n"},
        finding="budget/warnings",
    ),
    "the observer sent away": Way(
        test=BAD_TEST,
        files={
            "conftest.py": "def pytest_sessionstart(session):\n"
            "    session.config.pluginmanager.unregister(name='gate.observer')\n"
            "def pytest_sessionfinish(session): session.exitstatus = 0\n"
        },
        finding="evidence/journal.complete",
    ),
    "an exit status of 0 on the way out": Way(
        test=BAD_TEST + "import atexit, os\natexit.register(os._exit, 0)\n", finding="evidence/agreement.exit"
    ),
    "a session that ends itself while finishing": Way(
        test=BAD_TEST,
        files={"conftest.py": "import os\ndef pytest_sessionfinish(): os._exit(0)\n"},
        finding="evidence/journal.complete",
    ),
    "a conftest that exits": Way(
        files={"conftest.py": "import sys\nsys.exit(0)\n"}, finding="evidence/journal.present"
    ),
    "a journal cut short": Way(
        test=BAD_TEST + "import os\ndef test_cut(request):\n"
        "    os.truncate(os.path.dirname(request.config.option.xmlpath) + '/journal.jsonl', 0)\n",
        finding="evidence/journal.nonce",
    ),
    "the evidence removed": Way(
        test=GOOD_TEST + "import os, shutil\ndef test_x(request):\n"
        "    shutil.rmtree(os.path.dirname(request.config.option.xmlpath))\n",
        finding="evidence/journal.present",
    ),
    "every file closed": Way(
        test="import os\ndef test_x(): os.closerange(3, 1000)\n", finding="evidence/journal.complete"
    ),
    "the warden killed": Way(test="import os\ndef test_x(): os.kill(os.getppid(), 9)\n", finding="execution/ended"),
    "samples of a grandchild": Way(
        test=RECORDS + "    import os\n    if not os.fork():\n        if not os.fork():\n            lat.record(9)\n"
        "            os._exit(0)\n        os.wait()\n        os._exit(0)\n    os.wait()\n",
        keys="thresholds: {lat: max < 5 ms}",
        finding="threshold/lat.max",
    ),
    "samples after the end of their test, refused and unheard": Way(
        test="KEPT = []\ndef test_x(metrics):\n    KEPT.append(metrics.histogram('lat'))\n    KEPT[0].record(0.001)\n"
        "def test_y():\n    try:\n        KEPT[0].record(9)\n    except RuntimeError:\n        pass\n",
        keys="thresholds: {lat: max < 5 ms}",
        finding="evidence/metrics.sane",
    ),
    "a rate of what was done in the set-up": Way(
        test="import pytest, threading\n@pytest.fixture\ndef done(metrics):\n    threading.Event().wait(0.2)\n"
        "    metrics.counter('ticks').add(1000)\ndef test_x(done): pass\n",
        keys="thresholds: {ticks: rate > 10000 /s}",
        finding="threshold/ticks.rate",
    ),
    "a rate of what was done in the tear-down": Way(
        test="import pytest, threading\n@pytest.fixture\ndef done(metrics):\n    yield\n"
        "    threading.Event().wait(0.2)\n    metrics.counter('ticks').add(1000)\ndef test_x(done): pass\n",
        keys="thresholds: {ticks: rate > 10000 /s}",
        finding="threshold/ticks.rate",
    ),
    "one metric from two sources": Way(
        test="def test_x(metrics, record_property):\n    record_property('lat', '9 s')\n"
        "    for _ in range(100): metrics.histogram('lat').record(0.001)\n",
        keys="thresholds: {lat: max < 5 ms}",
        finding="evidence/agreement.metrics",
    ),
    "a property in the name of what the gate samples": Way(
        test="def test_x(record_property): record_property('process.rss', '1 B')\n",
        keys="thresholds: {process.rss: max < 64 GB}",
        finding="evidence/agreement.metrics",
    ),
}
RIGHT = {
    "nothing unusual": Way(),
    "a hook that answers for the call and calls": Way(
        test=GOOD_TEST + "class TestX:\n    def test_method(self): pass\n",
        files={"conftest.py": "def pytest_pyfunc_call(pyfuncitem):\n    pyfuncitem.obj()\n    return True\n"},
    ),
    "a failing pytest inside of a test": Way(
        test="import pytest\ndef test_x(tmp_path):\n    inner = tmp_path / 'test_inner.py'\n"
        "    inner.write_text('def test_inner(): assert False')\n    assert pytest.main([str(inner)]) == 1\n"
    ),
    "files that nobody takes for tests, ignored": Way(
        files={"conftest.py": "collect_ignore = ['setup.py']\n", "setup.py": "", ".hidden/test_x.py": BAD_TEST}
    ),
    "a path through dots and a link": Way(keys="paths: [./$S/../$S, $S/test_s.py]"),
    "a path of which every test is deselected within the budget": Way(
        keys="paths: [$S, $S/more]\nbudgets: {deselected: 1}",
        files={
            "more/test_more.py": "def test_more(): pass\n",
            "conftest.py": """
def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=[item for item in items if item.name == "test_more"])
    items[:] = [item for item in items if item.name != "test_more"]
""",
        },
    ),
    "a rate of what was done in the call": Way(
        test="import threading\ndef test_x(metrics):\n    ticks = metrics.counter('ticks')\n"
        "    threading.Event().wait(0.1)\n    ticks.add(10)\n",
        keys="thresholds: {ticks: [rate > 0.1 /s, rate <= 100 /s]}",
    ),
    "a metric that only a property tells": Way(
        test="def test_x(record_property): record_property('lat', '1 ms')\n", keys="thresholds: {lat: max < 5 ms}"
    ),
}
NAMES = {way: f"s{number}" for number, way in enumerate((*WAYS, *RIGHT))}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One run of all of them, which leaves no process behind."""
    project = Project(folder=tmp_path_factory.mktemp("adversary"))
    lines = ["version: 1", "project: p", "defaults: {timeout: 60s}", "suites:"]
    for what, way in (WAYS | RIGHT).items():
        name = NAMES[what]
        project.write(f"{name}/test_s.py", way.test)
        for file, text in way.files.items():
            project.write(f"{name}/{file}", text)
        keys = way.keys.replace("$S", name).splitlines()
        keys += [] if "paths" in way.keys else [f"paths: [{name}]"]
        lines += [f"  {name}:", f"    title: {name}", *(f"    {key}" for key in keys)]
    project.write("gates.yaml", "\n".join(lines) + "\n")
    yield project.gate("run", "--quiet", timeout_s=300)
    assert not project.processes()


def _found(run: Run, what: str) -> dict[str, str]:
    (suite,) = (suite for suite in run.record["suites"] if suite["name"] == NAMES[what])
    return {f["id"].split("/", 1)[1]: f["status"] for f in suite["findings"] if f["status"] != "PASS"}


@pytest.mark.parametrize("what", WAYS)
def test_it_is_found_out(run: Run, what: str) -> None:
    found = _found(run, what)
    assert WAYS[what].finding in found, found


@pytest.mark.parametrize("what", RIGHT)
def test_what_is_right_is_not_suspected(run: Run, what: str) -> None:
    assert _found(run, what) == {}


def test_nothing_of_it_breaks_the_gate_itself(run: Run) -> None:
    assert run.exit_code == 10
    assert not [f for f in run.record["findings"] if f["status"] != "PASS"]


# ---- what cannot share a run ------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugin", ["unittest", "warnings", "threadexception"])
def test_a_watching_plugin_switched_off_by_an_ini_file_is_no_go(project: Project, plugin: str) -> None:
    project.write("pytest.ini", f"[pytest]\naddopts = -p no:{plugin} -p no:cacheprovider\n")
    run = project.gate("run")
    assert (run.exit_code, run.findings()) == (11, {"s/evidence/journal.options": "ERROR"})


def test_files_that_an_ini_file_leaves_out_are_deselected(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\naddopts = --ignore=suites/s/test_t.py\nnorecursedirs = deep\n")
    project.write("suites/s/test_t.py", BAD_TEST)
    project.write("suites/s/deep/test_d.py", BAD_TEST)
    run = project.gate("run")
    assert (run.exit_code, run.findings()) == (11, {"s/budget/deselected": "MISSING"})
    (suite,) = run.record["suites"]
    assert suite["tests"]["deselected"] == 2


@pytest.mark.parametrize("severity", ["major", "info"])
def test_a_promise_that_nothing_could_break_is_no_go(project: Project, severity: str) -> None:
    project.manifest(f"severity: {severity}")
    run = project.gate("run")
    assert (run.exit_code, run.findings()) == (11, {"run/promise": "ERROR"})


@pytest.mark.parametrize(("test", "code"), [(GOOD_TEST, 0), (BAD_TEST, 10)], ids=["good", "bad"])
def test_with_every_stream_closed_the_exit_code_still_tells(project: Project, test: str, code: int) -> None:
    project.write("suites/s/test_s.py", test)
    command = ["bash", "-c", '"$@" <&- >&- 2>&-', "bash", *GATE, "run"]
    done = subprocess.run(command, cwd=project.folder, env=project.environment(), timeout=60, check=False)
    assert (done.returncode, project.record()["exit_code"]) == (code, code)


def test_a_latest_that_cannot_be_moved_refuses_the_run(project: Project) -> None:
    (project.folder / "reports" / "latest").mkdir(parents=True)
    run = project.gate("run")
    assert run.exit_code == 70
    assert "the newest run cannot be named" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_go_whose_report_has_no_room_is_not_told(project: Project) -> None:
    command = ["bash", "-c", 'ulimit -f 24; "$@"', "bash", *GATE, "run"]
    done = subprocess.run(
        command,
        cwd=project.folder,
        env=project.environment(),
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 70
    assert "report.html could not be written" in done.stderr
    assert not [line for line in done.stdout.splitlines() if line.startswith("GO")]


def test_a_gate_killed_by_its_own_test_leaves_no_decision(project: Project) -> None:
    project.write(
        "suites/s/test_s.py",
        "import os, psutil\ndef test_x(): psutil.Process(os.getppid()).parent().kill()\n",
    )
    run = project.gate("run")
    assert run.exit_code == -9
    assert run.record == {}
    for process in project.processes():
        process.wait(30)
    assert not project.processes()


def test_reports_behind_a_link_are_whole(project: Project, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project.folder / "reports").symlink_to(tmp_path / "elsewhere")
    assert project.gate("run").decision == "GO"
