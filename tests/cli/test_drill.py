"""`gate drill` from the command line to the matrix: faults of every kind, what is missed, alarms, and Ctrl-C."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.projects import Project, Run
from tests.edges.bell import Bell

TESTS = """
import os, pathlib, threading, urllib.request
def test_orders(metrics):
    lost = os.environ.get("MODE") == "bad" or pathlib.Path("broken").exists()
    metrics.counter("lost").add(1 if lost else 0)
    metrics.counter("odd").add(1 if os.environ.get("MODE") == "odd" else 0)
    metrics.counter("calm").add(0)
def test_app(metrics):
    address = os.environ.get("APP_URL") or "http://127.0.0.1:" + pathlib.Path("port").read_text()
    answer = urllib.request.urlopen(address, timeout=9).read()
    metrics.counter("wrong").add(0 if answer == b"good" else 1)
def test_waits():
    if os.environ.get("MODE") == "wait":
        pathlib.Path("waiting").write_text("here")
        threading.Event().wait()
"""
APP = """
import http.server, os, pathlib
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get("MODE", "good").encode())
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
pathlib.Path("port").write_text(str(server.server_port))
print("up", flush=True)
server.serve_forever()
"""
SECRET = "quite-a-hidden-value-17"
SUITE = """
needs: [app]
thresholds: {lost: total == 0, wrong: total == 0, calm: total == 0, odd: [{check: total == 0, severity: major}]}
"""
SERVICES = 'services: {app: {command: [python, app.py], ready: {log: "^up$"}, env: {MODE: good}}}\n'
DRILLS = """
drills:
  everywhere: {env: {MODE: bad}, only: orders or app, expect: [s/threshold/lost.total, s/threshold/wrong.total]}
  files: {before: [sh, -c, "touch broken; echo $MODE"], after: [rm, broken], env: {MODE: good}, only: orders,
          expect: [s/threshold/lost.total]}
  useless: {env: {SHOP_TOKEN: SECRET}, only: orders, expect: [s/threshold/lost.total]}
  warns: {env: {MODE: odd}, only: orders, expect: [s/threshold/odd.total]}
  wrong: {before: [touch, broken], after: [rm, broken], only: orders,
          expect: [s/threshold/calm.total, s/threshold/lost.total]}
  bad: {before: [sh, -c, "echo cannot do it; exit 3"], after: [touch, mended], expect: [s/threshold/lost.total]}
  spoils: {before: ["false"], after: ["false"], expect: [s/threshold/lost.total]}
  later: {env: {MODE: bad}, expect: [s/threshold/lost.total]}
""".replace("SECRET", SECRET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drilled:
    """A finished `gate drill`: what it printed, its folder and its matrix."""

    project: Project
    run: Run
    folder: Path

    @property
    def matrix(self) -> Mapping[str, Any]:
        return dict(json.loads((self.folder / "drill.json").read_text("utf-8")))

    def states(self) -> dict[str, str]:
        return {drill["name"]: drill["state"] for drill in self.matrix["drills"]}

    def drill(self, name: str) -> Mapping[str, Any]:
        return dict(next(drill for drill in self.matrix["drills"] if drill["name"] == name))


def prepared(project: Project, drills: str = DRILLS) -> Project:
    project.write("suites/s/test_s.py", TESTS)
    project.write("app.py", APP)
    project.manifest(SUITE, SERVICES + drills)
    return project


def drilled(project: Project, *args: str, env: Mapping[str, str] | None = None) -> Drilled:
    run = project.gate("drill", *args, env=env)
    return Drilled(project=project, run=run, folder=project.folder / "reports/drills/latest")


@pytest.fixture(scope="module")
def all_drills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drilled]:
    """Every drill of DRILLS in one go; somebody else's address and a CI system's summary are in the environment."""
    project = prepared(Project(folder=tmp_path_factory.mktemp("drills")))
    told = project.folder / "summary.md"
    yield drilled(project, env={"GITHUB_STEP_SUMMARY": str(told), "GITHUB_OUTPUT": str(project.folder / "output")})
    assert not project.processes()


def test_each_drill_is_given_its_due(all_drills: Drilled) -> None:
    assert all_drills.states() == {
        "everywhere": "CAUGHT",
        "files": "CAUGHT",
        "useless": "MISSED",
        "warns": "MISSED",
        "wrong": "MISSED",
        "bad": "BROKEN",
        "spoils": "BROKEN",
        "later": "BROKEN",
    }
    assert all_drills.run.exit_code == all_drills.matrix["exit_code"] == 10
    assert [(one["suite"], one["state"]) for one in all_drills.matrix["baselines"]] == [("s", "GO")]


def test_a_fault_by_env_reaches_the_suites_and_the_services_also_over_their_own_env(all_drills: Drilled) -> None:
    seen = {one["finding"]: (one["caught"], one["observed"]) for one in all_drills.drill("everywhere")["sightings"]}
    assert seen == {"s/threshold/lost.total": (True, "1"), "s/threshold/wrong.total": (True, "1")}


def test_a_missed_drill_says_what_was_seen_instead(all_drills: Drilled) -> None:
    useless, warns, wrong = (all_drills.drill(name) for name in ("useless", "warns", "wrong"))
    assert "GO in spite of the fault" in useless["reason"]
    assert (useless["sightings"][0]["status"], useless["sightings"][0]["observed"]) == ("PASS", "0")
    assert warns["sightings"][0]["status"] == "FAIL"
    assert warns["sightings"][0]["note"] == "its severity is major"
    assert [one["caught"] for one in wrong["sightings"]] == [False, True]
    assert wrong["decision"] == "NO_GO"
    assert "s/threshold/calm.total: PASS, 0 against total == 0" in all_drills.run.stdout


def test_what_could_not_be_injected_or_taken_back_is_broken_and_stops_the_rest(all_drills: Drilled) -> None:
    assert all_drills.drill("bad")["reason"] == "`before` ended with status 3: cannot do it"
    assert (all_drills.project.folder / "mended").exists(), "`after` runs also when `before` failed"
    later = all_drills.drill("later")
    assert later["run_id"] is None
    assert later["reason"] == "not started: `after` of spoils went wrong, so its fault may still be there"


def test_every_run_is_kept_apart_from_the_real_ones_and_can_be_judged_again(all_drills: Drilled) -> None:
    assert not (all_drills.project.folder / "reports/latest").exists()
    runs = all_drills.folder / "runs"
    ids = [drill["run_id"] for drill in all_drills.matrix["drills"] if drill["run_id"]]
    assert all_drills.matrix["baseline_run"] not in ids
    assert len(set(ids)) == 7
    again = all_drills.project.gate("judge", ids[0], "--output", str(runs))
    assert (again.exit_code, "byte for byte" in again.stdout) == (10, True)
    assert (runs / ids[1] / "drill/before/output.log").read_text() == "good\n", "it runs with the drill's environment"


def test_a_secret_in_a_fault_is_written_nowhere(all_drills: Drilled) -> None:
    assert all_drills.drill("useless")["fault"] == ["SHOP_TOKEN=[redacted]"]
    files = [path for path in all_drills.folder.resolve().rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def test_a_ci_system_hears_of_the_drills_and_of_no_single_run(all_drills: Drilled) -> None:
    folder = all_drills.project.folder
    assert (folder / "summary.md").read_text() == (all_drills.folder / "drill.md").read_text()
    assert not (folder / "output").exists()


def test_the_matrix_is_there_to_be_read(all_drills: Drilled) -> None:
    page, text = ((all_drills.folder / name).read_text("utf-8") for name in ("drill.html", "drill.md"))
    for shown in (page, text):
        assert "2 of 8 drills caught, 3 missed, 3 broken." in shown
        assert all(name in shown for name in all_drills.states())
        assert "no fault" in shown
    assert all_drills.run.stdout.splitlines()[-1].startswith("NOT ALL CAUGHT  2 of 8 drills caught")


def test_a_suite_that_is_not_go_without_a_fault_is_a_false_alarm_and_proves_nothing(project: Project) -> None:
    prepared(project)
    project.write("broken", "")
    seen = drilled(project, "files", "wrong", "--quiet")
    assert seen.run.exit_code == 10
    assert seen.matrix["baselines"][0]["state"] == "FALSE_ALARM"
    assert "s/threshold/lost.total FAIL" in seen.matrix["baselines"][0]["alarms"][0]
    assert seen.states() == {"files": "NOT_PROVEN", "wrong": "NOT_PROVEN"}
    assert (project.folder / "broken").exists(), "a drill that is not run undoes nothing"
    assert seen.run.stdout == "0 of 2 drills caught, 2 not proven; false alarm in 1 suite.\n"


class Good(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"good")

    def log_message(self, *words: object) -> None: ...


def test_an_override_goes_before_an_address_in_the_environment_and_all_caught_is_0(project: Project) -> None:
    drill = "drills: {override: {services: {app: {env: {MODE: bad}}}, only: app, expect: [s/threshold/wrong.total]}}\n"
    prepared(project)
    project.manifest("needs: [app]\nthresholds: {wrong: total == 0}", SERVICES + drill)
    with ThreadingHTTPServer(("127.0.0.1", 0), Good) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever).start()
        seen = drilled(project, "--require-all", env={"APP_URL": f"http://127.0.0.1:{elsewhere.server_port}"})
        elsewhere.shutdown()
    assert (seen.run.exit_code, seen.states()) == (0, {"override": "CAUGHT"}), seen.run.stdout
    assert seen.run.stdout.splitlines()[-1].startswith("ALL CAUGHT  1 of 1 drill caught")


def test_an_earlier_go_of_the_same_commit_stands_in_for_the_run_without_a_fault(project: Project) -> None:
    prepared(project)
    project.write(".gitignore", "reports/\nport\nbroken\n__pycache__/\n")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=project.folder, check=True)
    assert project.gate("run").exit_code == 0
    seen = drilled(project, "files", "--baseline", "latest")
    assert (seen.run.exit_code, seen.states()) == (0, {"files": "CAUGHT"}), seen.run.stdout + seen.run.stderr
    assert seen.matrix["baseline_run"] == project.record()["run_id"]
    assert len([entry for entry in (seen.folder / "runs").iterdir() if entry.is_dir() and not entry.is_symlink()]) == 1
    project.write("suites/s/test_s.py", TESTS + "def test_more(): pass\n")
    refused = project.gate("drill", "files", "--baseline", "latest")
    assert (refused.exit_code, "there are uncommitted changes now" in refused.stderr) == (2, True)


def test_a_wrong_name_is_refused_and_nothing_runs(project: Project) -> None:
    run = prepared(project).gate("drill", "evrywhere")
    assert run.exit_code == 2
    assert "unknown drill 'evrywhere'; did you mean everywhere?" in run.stderr
    assert not (project.folder / "reports").exists()


def test_drills_are_listed_with_what_they_expect_and_nothing_runs(project: Project) -> None:
    run = prepared(project).gate("drill", "--list", "everywhere")
    assert run.exit_code == 0
    assert "expects s/threshold/wrong.total" in run.stdout
    assert "useless" not in run.stdout
    assert not (project.folder / "reports").exists()


def test_ctrl_c_ends_the_drill_runs_after_and_starts_no_other(project: Project) -> None:
    drills = """drills:
  waits: {env: {MODE: wait}, before: [touch, broken], after: [rm, broken], only: waits, expect: [s/x/y]}
  second: {env: {MODE: bad}, expect: [s/threshold/lost.total]}
"""
    prepared(project, drills)
    bell = Bell(project.folder / "waiting")
    gate = project.start("drill")
    try:
        assert bell.wait() == "here"
        assert (project.folder / "broken").exists()
        gate.send_signal(signal.SIGINT)
        stdout, stderr = gate.communicate(timeout=60)
    finally:
        bell.close()
        if gate.poll() is None:
            gate.kill()
            gate.communicate()
    assert gate.returncode == 130, stdout + stderr
    assert not (project.folder / "broken").exists()
    matrix = json.loads((project.folder / "reports/drills/latest/drill.json").read_text())
    assert [(drill["state"], bool(drill["run_id"])) for drill in matrix["drills"]] == [
        ("INTERRUPTED", True),
        ("INTERRUPTED", False),
    ]
    assert (matrix["exit_code"], matrix["interrupted_by"]) == (130, "SIGINT")
    assert (project.folder / "reports/drills/latest/drill.html").exists()
    assert not project.processes()
