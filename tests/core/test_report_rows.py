"""What the formats share: order, marks, counting, the timeline, figures of metrics."""

from dataclasses import replace

import pytest

from gate.model import Case, CaseResult, Decision, Distribution, Severity, Status
from gate.report import curves, rows
from tests import dossiers


def test_failures_come_before_what_is_not_known_and_single_tests_after_whole_suites():
    blocking = rows.blocking(dossiers.no_go().record)
    kinds = [(finding.status is Status.FAIL, rows.kind(finding) == "test") for finding in blocking]
    assert kinds == sorted(kinds, key=lambda pair: (not pair[0], pair[1]))
    assert {True, False} == {is_test for _, is_test in kinds}


def test_what_a_ceiling_or_a_waiver_takes_away_is_not_among_the_blocking():
    assert rows.blocking(dossiers.go_with_waivers().record) == ()
    security = [f for f in rows.blocking(dossiers.no_go().record) if f.id.startswith("security/")]
    assert security == []


@pytest.mark.parametrize(
    ("status", "severity", "waived_by", "expected"),
    [
        (Status.PASS, Severity.BLOCKER, None, ("PASS", "✓", "good", "")),
        (Status.FAIL, Severity.BLOCKER, None, ("FAIL", "✗", "bad", "")),
        (Status.FAIL, Severity.MAJOR, None, ("FAIL", "✗", "warn", "counts as WARN")),
        (Status.FAIL, Severity.INFO, None, ("FAIL", "✗", "good", "counts as PASS")),
        (Status.FAIL, Severity.BLOCKER, "W-1", ("FAIL", "✗", "warn", "waived by W-1")),
        (Status.MISSING, Severity.BLOCKER, "W-1", ("MISSING", "?", "unknown", "")),
        (Status.UNFIT, Severity.BLOCKER, None, ("UNFIT", "?", "unknown", "")),
    ],
)
def test_a_mark_says_the_status_and_what_it_counts_for(status, severity, waived_by, expected):
    shown = rows.mark(status, severity, waived_by)
    assert (shown.word, shown.sign, shown.tone, shown.note) == expected


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (dossiers.go, "Everything that was promised ran, finished and met its limits."),
        (dossiers.partial, "Everything that was selected ran, finished and met its limits."),
        (
            dossiers.go_with_waivers,
            "Everything that was promised ran and finished; 1 waiver covers what did not meet its limit.",
        ),
        (dossiers.no_go, "7 findings failed, and 3 more are not known."),
        (dossiers.inconclusive, "Nothing failed, but 2 findings are not known."),
        (dossiers.empty, "Nothing was judged, so nothing is known."),
    ],
)
def test_the_headline_is_the_decision_in_a_sentence(make, sentence):
    assert rows.headline(make().record) == sentence


def test_only_a_partial_run_says_that_it_is_no_release_decision():
    assert "not a release decision" in rows.partial_notice(dossiers.partial().record)
    assert rows.partial_notice(dossiers.go().record) == ""


def test_suites_that_overlap_are_in_different_lanes_and_a_free_lane_is_taken_again():
    bars = rows.timeline(dossiers.no_go().record)
    assert [(bar.suite.name, bar.lane, bar.start_s) for bar in bars] == [
        ("database_persistence", 0, 0.0),
        ("pattern_api", 1, pytest.approx(0.4)),
        ("soak", 1, pytest.approx(46.0)),
        ("security", 2, pytest.approx(46.0)),
    ]


def test_tests_are_counted_per_file_and_files_with_failures_come_first():
    files = rows.by_file(
        [
            Case(id="a.py::x", result=CaseResult.PASSED, duration_s=1.0),
            Case(id="b.py::x", result=CaseResult.INCOMPLETE, duration_s=2.0),
            Case(id="b.py::y", result=CaseResult.SKIPPED, duration_s=-1.0),
            Case(id="b.py::z", result=CaseResult.PASSED, duration_s=0.5),
        ]
    )
    assert [(f.path, f.tests, f.passed, f.failed, f.other, f.duration_s) for f in files] == [
        ("b.py", 3, 1, 1, 1, 2.5),
        ("a.py", 1, 1, 0, 0, 1.0),
    ]


def test_the_slowest_tests_are_twenty_and_in_order():
    slowest = [case.duration_s for _, case in rows.slowest(dossiers.no_go())]
    assert len(slowest) == 20
    assert slowest == sorted(slowest, reverse=True)


def test_the_nearest_limit_is_the_one_farthest_beyond():
    suite = dossiers.no_go().record.suites[2]
    nearest = rows.nearest(suite)
    assert nearest is not None
    assert nearest.name == "process.rss growth"


def test_days_left_say_when_a_waiver_has_ended():
    waiver = dossiers.go_with_waivers().record.waivers[0]
    said = [rows.days_left(replace(waiver, days_left=days)) for days in (6, 1, 0, -1)]
    assert said == ["6 days left", "1 day left", "last day", "expired 1 day ago"]


def test_every_decision_has_a_word_a_sign_and_a_tone_of_its_own():
    marks = [rows.decision_mark(decision) for decision in Decision]
    assert len({mark.sign for mark in marks}) == len({mark.tone for mark in marks}) == len(Decision)


# ---- curves -----------------------------------------------------------------------------------------------------


def test_bins_hold_every_sample_once_exact_or_folded():
    exact = dossiers.latency("m", 0.001, count=3_000)
    for metric in (exact, dossiers.folded(exact)):
        assert isinstance(metric.data, Distribution)
        assert sum(found.count for found in curves.bins(metric.data)) == 3_000


def test_a_folded_curve_is_nowhere_better_than_the_exact_one():
    exact = dossiers.latency("m", 0.001, count=3_000)
    folded = dossiers.folded(exact)
    pairs = zip(curves.quantile_curve(exact.data), curves.quantile_curve(folded.data), strict=True)
    assert all(rough >= fine for (_, fine), (_, rough) in pairs)


def test_thinning_keeps_both_ends_the_peak_and_the_dip():
    values = [0.0] * 10_000
    values[4_321], values[7_000] = 99.0, -99.0
    thinned = curves.thin(range(10_000), values)
    assert len(thinned) <= 170
    assert {(0, 0.0), (4_321, 99.0), (7_000, -99.0), (9_999, 0.0)} <= set(thinned)


def test_only_limits_on_values_are_drawn_beside_values():
    suite = dossiers.pattern_api().result
    assert [limit.label.replace("\xa0", " ") for limit in curves.limits_of(suite, "request")] == ["p95 < 50 ms"]
    assert curves.limits_of(suite, "request")[0].value == pytest.approx(0.05)
    assert curves.limits_of(dossiers.soak().result, "process.rss") == ()


@pytest.mark.parametrize(
    ("stat", "p"), [("p99", 0.99), ("p99.9", 0.999), ("p100", 1.0), ("max", None), ("plateau", None)]
)
def test_a_quantile_is_known_by_its_name(stat, p):
    assert curves.quantile_of(stat) == (None if p is None else pytest.approx(p))


def test_what_the_gate_sampled_itself_is_told_under_resources_and_not_again():
    suite = dossiers.pattern_api()
    own = dossiers.gauge("process.rss", [1.0, 2.0, 3.0], unit="B")
    both = replace(suite, metrics=(*suite.metrics, own))
    assert curves.recorded(both) == suite.metrics
    assert curves.recorded(replace(both, resources=())) == (*suite.metrics, own)


def test_few_samples_get_few_bins():
    few, many = (dossiers.latency("m", 0.001, count=count).data for count in (8, 10_000))
    assert (len(curves.bins(few)), len(curves.bins(many))) == (6, 36)
