"""Everything that can go wrong in a suite ends without a GO, with the finding that says so, and nothing left running.

Each row is a whole `gate run` on a small project. The first test shows that the same project is a GO when nothing is
wrong, so that no row passes for a reason of its own.
"""

from dataclasses import dataclass, field

import pytest

from tests.cli.projects import GOOD_TEST, Project

RECORDS_LATENCY = """
def test_records(metrics):
    latency = metrics.histogram("latency", unit="s")
    for _ in range(100):
        latency.record({value})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """One way of going wrong: a test file, keys of the suite, other files, and the finding that must appear."""

    test: str = GOOD_TEST
    suite: str = ""
    finding: str
    decision: str = "NO_GO"
    files: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    rest: str = ""


BAD = {
    "a failing test": Bad(
        test=GOOD_TEST + "def test_bad(): assert 1 == 2\n", finding="s/test/suites/s/test_s.py::test_bad"
    ),
    "an error in a fixture": Bad(
        test="import pytest\n@pytest.fixture\ndef broken(): raise ValueError\ndef test_x(broken): pass\n",
        finding="s/test/suites/s/test_s.py::test_x",
    ),
    "an error in a teardown": Bad(
        test="import pytest\n@pytest.fixture\ndef late():\n    yield\n    raise ValueError\ndef test_x(late): pass\n",
        finding="s/test/suites/s/test_s.py::test_x",
    ),
    "a missed threshold": Bad(
        test=RECORDS_LATENCY.format(value=0.5),
        suite="thresholds: {latency: p95 < 50 ms}",
        finding="s/threshold/latency.p95",
    ),
    "a metric never recorded": Bad(
        suite="thresholds: {latency: p95 < 50 ms}", finding="s/threshold/latency.p95", decision="INCONCLUSIVE"
    ),
    "a metric recorded only by a failing test": Bad(
        test=GOOD_TEST + RECORDS_LATENCY.format(value=0.001) + "    assert False\n",
        suite="thresholds: {latency: p95 < 50 ms}",
        finding="s/threshold/latency.p95",
    ),
    "too few samples": Bad(
        test=RECORDS_LATENCY.format(value=0.001),
        suite="thresholds: {latency: p99 < 50 ms}",
        finding="s/threshold/latency.p99",
        decision="INCONCLUSIVE",
    ),
    "a metric of another kind": Bad(
        test='def test_x(metrics): metrics.counter("latency").add(1)\n',
        suite="thresholds: {latency: p95 < 50 ms}",
        finding="s/threshold/latency.p95",
        decision="INCONCLUSIVE",
    ),
    "a value that is no number, hidden by the test": Bad(
        test=RECORDS_LATENCY.format(value=0.001)
        + "    try:\n        latency.record(float('nan'))\n    except ValueError:\n        pass\n",
        suite="thresholds: {latency: p95 < 50 ms}",
        finding="s/evidence/metrics.sane",
        decision="INCONCLUSIVE",
    ),
    "zero tests": Bad(test="", finding="s/tests/min_tests", decision="INCONCLUSIVE"),
    "fewer tests than promised": Bad(suite="min_tests: 3", finding="s/tests/min_tests", decision="INCONCLUSIVE"),
    "all skipped": Bad(
        test="import pytest\npytestmark = pytest.mark.skip\n" + GOOD_TEST,
        finding="s/budget/skipped",
        decision="INCONCLUSIVE",
    ),
    "a module skipped while collecting": Bad(
        finding="s/budget/skipped",
        decision="INCONCLUSIVE",
        files={"suites/s/test_t.py": "import pytest\npytest.importorskip('no_such_module_here')\n"},
    ),
    "a syntax error": Bad(
        finding="s/execution/exit_code", decision="INCONCLUSIVE", files={"suites/s/test_t.py": "def"}
    ),
    "an expected failure": Bad(
        test=GOOD_TEST + "import pytest\n@pytest.mark.xfail\ndef test_x(): assert False\n", finding="s/budget/xfailed"
    ),
    "an unexpected pass": Bad(
        test=GOOD_TEST + "import pytest\n@pytest.mark.xfail\ndef test_x(): pass\n", finding="s/budget/xpassed"
    ),
    "os._exit(0) in a test": Bad(
        test=GOOD_TEST + "import os\ndef test_x(): os._exit(0)\n",
        finding="s/evidence/journal.complete",
        decision="INCONCLUSIVE",
    ),
    "sys.exit at the end of the process": Bad(
        test=GOOD_TEST + "import atexit, os\ndef test_x(): atexit.register(os._exit, 3)\n",
        finding="s/execution/exit_code",
        decision="INCONCLUSIVE",
    ),
    "a segfault": Bad(
        test=GOOD_TEST + "import ctypes\ndef test_x(): ctypes.string_at(0)\n", finding="s/execution/exit_code"
    ),
    "a hang": Bad(
        test=GOOD_TEST + "import threading\ndef test_x(): threading.Event().wait()\n",
        suite="timeout: 3s",
        finding="s/execution/ended",
    ),
    "a hang that ignores signals": Bad(
        test=GOOD_TEST
        + "import signal, threading\ndef test_x():\n    signal.pthread_sigmask(signal.SIG_BLOCK, [2, 15])\n"
        + "    threading.Event().wait()\n",
        suite="timeout: 3s",
        finding="s/execution/ended",
    ),
    "an xdist worker that dies": Bad(
        test=GOOD_TEST + "import os\ndef test_x(): os._exit(1)\n",
        suite="workers: 2",
        finding="s/evidence/journal.workers",
    ),
    "pytest.exit with status 0": Bad(
        test="import pytest\ndef test_one(): pass\n"
        "def test_x(): pytest.exit('enough', returncode=0)\ndef test_two(): pass\n",
        finding="s/evidence/journal.items",
        decision="INCONCLUSIVE",
    ),
    "hostile PYTEST_ADDOPTS in an ini file": Bad(
        files={"pytest.ini": "[pytest]\naddopts = --collect-only\n"},
        finding="s/evidence/journal.options",
        decision="INCONCLUSIVE",
    ),
    "tests set up but not called": Bad(
        files={"pytest.ini": "[pytest]\naddopts = --setup-only\n"},
        finding="s/evidence/journal.options",
        decision="INCONCLUSIVE",
    ),
    "tests deselected by an ini file": Bad(
        files={"pytest.ini": "[pytest]\naddopts = -k one\n"}, finding="s/budget/deselected", decision="INCONCLUSIVE"
    ),
    "a leaked daemon": Bad(
        test=GOOD_TEST
        + "import subprocess, sys\ndef test_x():\n    code = 'import threading; threading.Event().wait()'\n"
        + "    subprocess.Popen([sys.executable, '-c', code], start_new_session=True).returncode = 0\n",
        finding="s/budget/leaks",
    ),
    "a truncated XML": Bad(
        files={
            "conftest.py": """
            import os
            def pytest_unconfigure(config):
                path = config.option.xmlpath
                os.truncate(path, os.path.getsize(path) // 2)
            """
        },
        finding="s/evidence/junit.readable",
        decision="INCONCLUSIVE",
    ),
    "an XML that is gone": Bad(
        files={"conftest.py": "import os\ndef pytest_unconfigure(config): os.unlink(config.option.xmlpath)\n"},
        finding="s/evidence/junit.present",
        decision="INCONCLUSIVE",
    ),
    "an item dropped by a conftest": Bad(
        files={"conftest.py": "def pytest_collection_modifyitems(items): del items[1:]\n"},
        finding="s/evidence/journal.items",
        decision="INCONCLUSIVE",
    ),
    "a failure turned green by a hook": Bad(
        test=GOOD_TEST + "def test_bad(): assert False\n",
        files={
            "conftest.py": """
            import pytest
            @pytest.hookimpl(wrapper=True)
            def pytest_runtest_makereport(item, call):
                report = yield
                report.outcome = "passed"
                return report
            """
        },
        finding="s/evidence/journal.outcomes",
    ),
    "an exit status changed by a hook": Bad(
        test=GOOD_TEST + "def test_bad(): assert False\n",
        files={"conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 0\n"},
        finding="s/test/suites/s/test_s.py::test_bad",
    ),
    "a rerun that turned green": Bad(
        test="import pathlib\nmark = pathlib.Path(__file__).with_suffix('.mark')\n"
        "def test_x():\n    first = not mark.exists()\n    mark.write_text('')\n    assert not first\n",
        suite="pytest_args: [--reruns=2]",
        finding="s/budget/flaky",
    ),
    "a thread that died": Bad(
        test="import threading\ndef test_x():\n    def run(): raise ValueError\n"
        "    t = threading.Thread(target=run)\n    t.start()\n    t.join()\n",
        finding="s/budget/warnings",
    ),
    "a coroutine that nobody awaited": Bad(
        test="async def work(): pass\ndef test_x(): work()\n", finding="s/budget/warnings"
    ),
    "a test that returns its verdict": Bad(test="def test_x(): return 1 == 2\n", finding="s/budget/warnings"),
    "a service that does not come up": Bad(
        suite="needs: [app]",
        rest='services:\n  app: {command: [python, -c, "raise SystemExit(3)"], ready: {log: up, timeout: 5s}}\n',
        finding="run/service/app",
        decision="INCONCLUSIVE",
    ),
    "a service that dies on the way": Bad(
        test=GOOD_TEST
        + """
def test_x():
    import os, signal, psutil, pathlib
    service = psutil.Process(int(pathlib.Path("app.pid").read_text()))
    service.kill()
    service.wait()
""",
        suite="needs: [app]",
        rest="services:\n  app: {command: [python, app.py], ready: {log: up, timeout: 10s}}\n",
        files={
            "app.py": "import os, pathlib, threading\npathlib.Path('app.pid').write_text(str(os.getpid()))\n"
            "print('up', flush=True)\nthreading.Event().wait()\n"
        },
        finding="s/execution/services",
        decision="INCONCLUSIVE",
    ),
}


def test_the_same_project_is_a_go_when_nothing_is_wrong(project: Project) -> None:
    run = project.gate("run")
    assert (run.exit_code, run.decision, run.findings()) == (0, "GO", {}), run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].startswith("GO ")


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_it_ends_without_a_go(project: Project, bad: Bad) -> None:
    project.write("suites/s/test_s.py", bad.test)
    for name, text in bad.files.items():
        project.write(name, text)
    project.manifest(bad.suite, bad.rest)
    run = project.gate("run", env=bad.env)
    assert run.decision == bad.decision, run.stdout + run.stderr
    assert run.exit_code == {"NO_GO": 10, "INCONCLUSIVE": 11}[bad.decision]
    assert bad.finding in run.findings(), run.findings()


def test_a_plugin_blocked_by_an_ini_file_is_loaded_all_the_same(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\naddopts = -p no:gate.plugin\n")
    assert project.gate("run").decision == "GO"


def test_hostile_environment_variables_do_not_reach_pytest(project: Project) -> None:
    project.write("suites/s/test_s.py", GOOD_TEST + "def test_bad(): assert False\n")
    run = project.gate("run", env={"PYTEST_ADDOPTS": "--collect-only", "PYTHONOPTIMIZE": "2"})
    assert (run.exit_code, run.decision) == (10, "NO_GO")
