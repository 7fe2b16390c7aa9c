"""Thresholds, waivers and the head of a manifest."""

import pytest

from gate.errors import ManifestError
from gate.manifest import read
from tests.manifests import manifest_of, problems_of, suite_of


def test_thresholds_that_share_a_statistic_have_keys_of_their_own() -> None:
    suite = suite_of(
        "paths: [t], thresholds: {m: [{check: p95 < 9 ms, severity: info}, {check: p95 < 5 ms, severity: major},"
        " p95 < 50 ms, p95 <= 40 ms, {check: p95 > 1 ms, severity: major}, p99 < 1 s]}"
    )
    assert [threshold.key for threshold in suite.thresholds] == [
        "m.p95@info",
        "m.p95@major",
        "m.p95",
        "m.p95@blocker",
        "m.p95@major.2",
        "m.p99",
    ]


def test_the_same_limit_in_two_severities_is_no_duplicate() -> None:
    suite = suite_of("paths: [t], thresholds: {m: [p95 < 9 ms, {check: p95 < 5 ms, severity: major}]}")
    assert len(suite.thresholds) == 2


@pytest.mark.parametrize(
    ("waiver", "words"),
    [
        ("{id: W}", "key 'finding' is missing"),
        ("{id: W, finding: a/x/y, owner: o, reason: r, ticket: t}", "key 'expires' is missing"),
        ("{id: W, finding: a/x/y, owner: o, reason: r, ticket: t, expires: 2026-13-01}", "no day of the calendar"),
        ("{id: W, finding: a/x/y, owner: o, reason: r, ticket: t, expires: 20261201}", "where a text should stand"),
        ('{id: W, finding: a/x/y, owner: "", reason: r, ticket: t, expires: 2026-12-01}', "waivers[0].owner"),
        ("{id: W, finding: a, owner: o, reason: r, ticket: t, expires: 2026-12-01}", "is no id of a finding"),
        ("{id: W, finding: aa/x/y, owner: o, reason: r, ticket: t, expires: 2026-12-01}", "unknown suite 'aa'"),
        ("{id: W, finding: a/threshold/m.p9, owner: o, reason: r, ticket: t, expires: 2026-12-01}", "m.p95?"),
        (
            "{id: W, finding: a/threshold/m.p95, owner: o, reason: r, ticket: t, expires: 2026-12-01, bound: 5 MB/h}",
            "wants",
        ),
        ("{id: W, finding: a/x/y, owner: o, reason: r, ticket: t, expires: 2026-12-01, bound: lots}", "a number"),
        ("{id: W, finding: a/x/y, owner: o, reason: r, ticket: t, expires: 2026-12-01, bound: true}", "not a bound"),
    ],
)
def test_a_wrong_waiver_is_refused(waiver: str, words: str) -> None:
    found = problems_of("paths: [t], thresholds: {m: p95 < 5 ms}", f"waivers: [{waiver}]")
    assert [problem for problem in found if words in problem], found


def test_waiver_ids_are_unique_whatever_their_case() -> None:
    rest = "finding: a/tests/x, owner: o, reason: r, ticket: t, expires: 2026-12-01"
    (problem,) = problems_of(more=f"waivers: [{{id: W-1, {rest}}}, {{id: w-1, {rest}}}]")
    assert problem.startswith("waivers[1].id: waiver id 'w-1' is here twice")


@pytest.mark.parametrize("finding", ["a/tests/test_x.py::test_y", "run/service/postgres"])
def test_findings_that_only_a_run_shows_can_be_waived(finding: str) -> None:
    waiver = f"{{id: W, finding: {finding!r}, owner: o, reason: r, ticket: t, expires: 2026-12-01, bound: 0.7}}"
    assert manifest_of(more=f"waivers: [{waiver}]").waivers[0].bound == 0.7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("project: p\nsuites: {a: {paths: [t]}}", "key 'version' is missing"),
        ("version: 1\nsuites: {a: {paths: [t]}}", "key 'project' is missing"),
        ("version: 1\nproject: p", "key 'suites' is missing"),
        ("version: 1\nproject: p\nsuites: {}", "suites: is empty"),
        ("version: 1\nproject: p\nsuites: [a]", "found a list where a mapping should stand"),
        ('version: "1"\nproject: p\nsuites: {a: {paths: [t]}}', "not a version"),
        ("version: 1.0\nproject: p\nsuites: {a: {paths: [t]}}", "not a version"),
        ("version: true\nproject: p\nsuites: {a: {paths: [t]}}", "not a version"),
        ("version: 1\nproject: 7\nsuites: {a: {paths: [t]}}", "put it in quotes"),
        ("version: 1\nproject: p\nsuits: {}\nsuites: {a: {paths: [t]}}", "did you mean suites?"),
        ("version: 1\nproject: p\nsuites: {A: {paths: [t]}}", "'A' is no name to be used here"),
        ("version: 1\nproject: p\nsuites: {run: {paths: [t]}}", "suite name 'run' is taken"),
        ("version: 1\nproject: p\nsuites: {_a: {paths: [t]}}", "'_a' is no name"),
        ("version: 1\nproject: p\nsuites: {" + "a" * 65 + ": {paths: [t]}}", "is no name"),
        ("version: 1\nproject: p\nsuites: {a: {paths: [t]}}\nservices: {B: {url: 'x://y'}}", "'B' is no name"),
        ("version: 1\nproject: p\nsuites: {a: {paths: [t]}}\nprofiles: {B-C: {}}", "'B-C' is no name"),
        (
            "version: 1\nproject: p\nsuites: {a: {paths: [t]}}\ndrills: {B.C: {env: {F: x}, expect: [a/x]}}",
            "is no name",
        ),
    ],
)
def test_a_wrong_head_is_refused(text: str, words: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(text.encode(), "g")
    assert words in " ".join(map(str, caught.value.problems))
