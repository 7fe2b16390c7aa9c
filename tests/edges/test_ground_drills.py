"""The drills of this repository: each defect of the reference system is tried, and each limit is seen to fail."""

from pathlib import Path

from gate.model import Severity
from gate.run import declaration
from gate.run.drill_verdict import undrilled
from tickstream.faults import NAMES, Faults

MANIFEST = declaration.load(Path(__file__).parents[2] / "gates.yaml")
# It notices a table of attacks that has become empty, and no defect of the system makes one.
NO_PROPERTY_OF_THE_SYSTEM = {"security/threshold/attacks.total"}


def faults_of_drills():
    return [drill.env["TICKSTREAM_FAULTS"] for drill in MANIFEST.drills if "TICKSTREAM_FAULTS" in drill.env]


def test_every_drill_asks_for_faults_that_exist():
    for text in faults_of_drills():
        assert any(Faults(text).on(name) for name in NAMES), text


def test_every_fault_is_switched_on_by_some_drill():
    asked = [Faults(text) for text in faults_of_drills()]
    assert [name for name in NAMES if not any(faults.on(name) for faults in asked)] == []


def test_every_limit_that_blocks_is_seen_to_fail_by_some_drill():
    blocking = {limit.finding for limit in undrilled(MANIFEST) if limit.severity is Severity.BLOCKER}
    assert blocking == NO_PROPERTY_OF_THE_SYSTEM


def test_every_drill_keeps_to_the_tests_that_see_its_fault():
    assert [drill.name for drill in MANIFEST.drills if not drill.only] == []
