"""JUnit XML as other tools write it."""

import pytest

from gate.evidence.junit import read_junit


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path = tmp_path / "junit.xml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_junit(path, **options)

    return read


SUREFIRE_WITH_RERUNS = (
    '<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="x.xsd" '
    'version="3.0" name="com.T" time="0.1" tests="2" errors="0" skipped="0" failures="1">'
    '<properties><property name="java.version" value="21"/></properties>'
    '<testcase name="flaky" classname="com.T" time="0.01"><flakyFailure message="m" type="E"><stackTrace>at x'
    "</stackTrace><system-out>o</system-out></flakyFailure></testcase>"
    '<testcase name="bad" classname="com.T" time="0.01"><failure message="m" type="E">at</failure>'
    "<rerunFailure message='m'><stackTrace>at</stackTrace></rerunFailure></testcase></testsuite>"
)
GOTESTSUM = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites tests="3" failures="1" errors="0" time="0.02">\n'
    '\t<testsuite tests="3" failures="1" time="0.02" name="pkg" timestamp="2026-01-01T00:00:00Z">\n'
    '\t\t<properties>\n\t\t\t<property name="go.version" value="go1.22"></property>\n\t\t</properties>\n'
    '\t\t<testcase classname="pkg" name="TestA" time="0.000000"></testcase>\n'
    '\t\t<testcase classname="pkg" name="TestB" time="0.01">\n\t\t\t<failure message="Failed" type="">=== RUN'
    '</failure>\n\t\t</testcase>\n\t\t<testcase classname="pkg" name="TestC" time="0.0">\n'
    '\t\t\t<skipped message="short"></skipped>\n\t\t</testcase>\n\t</testsuite>\n</testsuites>\n'
)
JEST_JUNIT = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<testsuites name="jest tests" tests="2" failures="0" errors="0" time="1">\n'
    '  <testsuite name="math" errors="0" failures="0" skipped="1" timestamp="2026" time="0.4" tests="2">\n'
    '    <testcase classname="math adds" name="math adds" time="0.002">\n    </testcase>\n'
    '    <testcase classname="math todo" name="math todo" time="0">\n      <skipped/>\n    </testcase>\n'
    "  </testsuite>\n</testsuites>"
)
PLAYWRIGHT = (
    '<testsuites id="" name="" tests="2" failures="1" skipped="0" errors="0" time="3.1">\n'
    '<testsuite name="a.spec.ts" timestamp="2026" hostname="chromium" tests="2" failures="1" skipped="0" time="2" '
    'errors="0">\n<testcase name="logs in" classname="a.spec.ts" time="1.2">\n<properties>\n<property name="issue" '
    'value="X-1">\n</property>\n</properties>\n<system-out>\n<![CDATA[[[ATTACHMENT|x.png]]]]>\n</system-out>\n'
    '</testcase>\n<testcase name="logs out" classname="a.spec.ts" time="1">\n<failure message="a.spec.ts:3" '
    'type="FAILURE">\n<![CDATA[  Error: <expected>]]>\n</failure>\n</testcase>\n</testsuite>\n</testsuites>'
)
K6_SUMMARY = (
    '<?xml version="1.0"?>\n<testsuites tests="2" failures="1">\n<testsuite name="k6 thresholds" tests="2" '
    'failures="1"><testcase name="http_req_failed - rate&lt;0.01" /><testcase name="p95">'
    '<failure message="failed" />'
    "</testcase>\n</testsuite >\n</testsuites >"
)
GOOGLETEST = (
    '<testsuites tests="2" failures="0" disabled="1" errors="0" time="0." name="AllTests">\n'
    '<testsuite name="S" tests="2" failures="0" disabled="1" skipped="0" errors="0" time="0.">\n'
    '<testcase name="A" status="run" result="completed" time="0." classname="S" />\n'
    '<testcase name="DISABLED_B" status="notrun" result="suppressed" time="0." classname="S" />\n'
    "</testsuite></testsuites>"
)
DIALECTS = {
    "Surefire with reruns": (SUREFIRE_WITH_RERUNS, {"passed": 1, "failed": 1, "flaky": 2}),
    "gotestsum": (GOTESTSUM, {"passed": 1, "failed": 1, "skipped": 1}),
    "jest-junit": (JEST_JUNIT, {"passed": 1, "skipped": 1}),
    "Playwright": (PLAYWRIGHT, {"passed": 1, "failed": 1}),
    "k6 summary": (K6_SUMMARY, {"passed": 1, "failed": 1}),
    "GoogleTest": (GOOGLETEST, {"passed": 1, "skipped": 1}),
}


@pytest.mark.parametrize(("content", "expected"), DIALECTS.values(), ids=DIALECTS.keys())
def test_the_dialects_of_other_tools_are_read(read, content, expected):
    reading = read(content)
    assert reading.problems == ()
    counts = reading.counts
    assert {key: getattr(counts, key) for key in expected} == expected
    assert counts.passed + counts.failed + counts.skipped == counts.collected
