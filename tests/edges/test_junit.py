"""What the JUnit reader counts, refuses and says, on small files of every dialect."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.evidence.junit import CHECKS, JunitCase, nodeid_key, read_junit
from gate.evidence.junit_parser import Parser
from gate.model import CaseResult, Status

VALID = (
    '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1" '
    'failures="1" skipped="2" tests="6" time="0.110">'
    '<testcase classname="tests.test_a" name="test_ok" time="0.001" />'
    '<testcase classname="tests.test_a" name="test_ok[ä–1]" time="0.001" />'
    '<testcase classname="tests.test_a" name="test_bad" time="0.002">'
    '<failure message="assert 1 == 2">def test_bad():\n&gt; assert 1 == 2</failure></testcase>'
    '<testcase classname="tests.test_a" name="test_broken" time="0.002"><error message="fixture">E</error></testcase>'
    '<testcase classname="tests.test_a" name="test_skip" time="0"><skipped type="pytest.skip" message="no">x</skipped>'
    "</testcase>"
    '<testcase classname="tests.test_a" name="test_xfail" time="0.5"><skipped type="pytest.xfail" message="bug" />'
    "</testcase></testsuite></testsuites>"
)
PASSING = '<testsuite tests="1"><testcase name="a" classname="m" time="1"/></testsuite>'


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        path = tmp_path / "junit.xml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_junit(path, **options)

    return read


def status(reading, name):
    return {check.name: check.status for check in reading.checks}[f"junit/{name}"]


def reason(reading, name):
    return {check.name: check.reason for check in reading.checks}[f"junit/{name}"]


def suite(inside, attributes=""):
    return f'<testsuite name="s" {attributes}>{inside}</testsuite>'


def case(inside="", attributes=""):
    return f'<testcase classname="m" name="t" time="0.1" {attributes}>{inside}</testcase>'


def test_each_result_is_read_from_its_element(read):
    reading = read(VALID)
    assert [case.result for case in reading.cases] == [
        CaseResult.PASSED,
        CaseResult.PASSED,
        CaseResult.FAILED,
        CaseResult.ERROR,
        CaseResult.SKIPPED,
        CaseResult.XFAILED,
    ]
    counts = reading.counts
    assert (counts.collected, counts.passed, counts.failed, counts.errors) == (6, 2, 1, 1)
    assert (counts.skipped, counts.xfailed, counts.flaky) == (1, 1, 0)
    assert reading.problems == ()


def test_a_case_keeps_its_name_time_file_and_detail(read):
    reading = read(
        suite(
            '<testcase name="b" file="tests/x.py" classname="m.C" line="3" time="1.25">'
            '<failure message="boom">the traceback</failure></testcase>'
        )
    )
    assert reading.cases[0] == JunitCase("m.C", "b", "tests/x.py", CaseResult.FAILED, 1.25, "boom\nthe traceback", 1)
    assert reading.cases[-1:] == (reading.cases[0],)


def test_every_check_is_told_whether_kept_or_broken(read, tmp_path):
    for reading in (read(VALID), read(b"junk"), read_junit(tmp_path / "nowhere.xml")):
        assert tuple(check.name for check in reading.checks) == CHECKS


def test_a_missing_file_is_missing(tmp_path):
    reading = read_junit(tmp_path / "nowhere.xml")
    assert [status(reading, name) for name in ("present", "readable", "elements", "attributes")] == [Status.MISSING] * 4
    assert not reading.readable


@pytest.mark.parametrize(
    ("kind", "told"), [("link", "symbolic"), ("pipe", "not a regular file"), ("directory", "not a regular file")]
)
def test_only_a_plain_file_is_read(tmp_path, kind, told):
    path, real = tmp_path / "junit.xml", tmp_path / "real.xml"
    real.write_text(PASSING)
    {"link": lambda: path.symlink_to(real), "pipe": lambda: os.mkfifo(path), "directory": path.mkdir}[kind]()
    reading = read_junit(path)
    assert status(reading, "present") is Status.PASS
    assert status(reading, "readable") is Status.ERROR
    assert told in reason(reading, "readable")


def test_an_expat_with_known_holes_reads_nothing(read, monkeypatch):
    monkeypatch.setattr("gate.evidence.junit_parser._OLDEST_EXPAT", (99, 0, 0))
    assert "older than" in reason(read(PASSING), "readable")


@pytest.mark.parametrize("what", ["_CASE_CAP", "_PROPERTY_CAP"])
def test_more_cases_or_properties_than_memory_is_meant_for_are_refused(read, monkeypatch, what):
    content = suite(case() * 3 + '<properties><property name="a" value="b"/></properties>' * 3)
    assert read(content).readable
    monkeypatch.setattr(f"gate.evidence.junit_parser.{what}", 2)
    assert "more than" in reason(read(content), "readable")


def test_many_different_times_are_read_right_and_not_all_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr("gate.evidence.junit_parser._TIMES_CAP", 5)
    path, times = tmp_path / "junit.xml", [n / 8 for n in range(50)] * 2
    path.write_text(suite("".join(f'<testcase classname="c" name="n" time="{time}"/>' for time in times)))
    parser = Parser()
    parser.read(path, 1 << 20)
    assert [case.duration_s for case in parser.cases] == times
    assert len(parser._times) == 5


def test_a_file_over_the_cap_is_refused_and_one_of_the_cap_is_read(read):
    assert status(read(PASSING, cap=len(PASSING)), "readable") is Status.PASS
    assert status(read(PASSING, cap=len(PASSING) - 1), "readable") is Status.ERROR


REFUSED = {
    "empty": b"",
    "not XML": b"3 passed in 0.1s",
    "cut off": VALID.encode()[:-1],
    "two documents": (PASSING + PASSING).encode(),
    "junk after the end": PASSING.encode() + b"x",
    "another root": b"<html><testcase name='a'/></html>",
    "a bare case": b"<testcase name='a'/>",
    "document type": b"<!DOCTYPE testsuite>" + PASSING.encode(),
    "entity": b"<!DOCTYPE t [<!ENTITY a 'b'>]>" + PASSING.encode(),
    "external entity": b"<!DOCTYPE t [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><testsuite>&a;</testsuite>",
    "billion laughs": b"<!DOCTYPE t [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><testsuite>&b;</testsuite>",
    "unknown entity": b"<testsuite>&nbsp;</testsuite>",
    "processing instruction": b"<testsuite><?php 1 ?></testsuite>",
    "stylesheet": b"<?xml-stylesheet href='x'?>" + PASSING.encode(),
    "Latin-1": '<?xml version="1.0" encoding="ISO-8859-1"?><testsuite/>'.encode("latin-1"),
    "UTF-16": PASSING.encode("utf-16"),
    "UTF-16 without mark": PASSING.encode("utf-16-le"),
    "UTF-16 big end first": b"\xfe\xff" + PASSING.encode("utf-16-be"),
    "bad UTF-8": b"<testsuite name='\xff'/>",
    "NUL": b"<testsuite name='\0'/>",
    "escape character": b"<testsuite name='\x1b'/>",
    "too deep": b"<testsuite>" + b"<a>" * 100 + b"</a>" * 100 + b"</testsuite>",
    "same attribute twice": b"<testsuite tests='1' tests='0'/>",
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_plain_utf8_report_is_refused(read, content):
    reading = read(content)
    assert status(reading, "readable") is Status.ERROR
    assert status(reading, "elements") is not Status.PASS
    assert status(reading, "attributes") is not Status.PASS
    assert reading.problems


def test_a_byte_order_mark_of_utf8_is_no_fault(read):
    assert read(b"\xef\xbb\xbf" + PASSING.encode()).problems == ()


def test_a_tag_without_end_is_refused_before_it_is_read_over_and_over(read):
    reading = read(b"<testsuite name='" + b"x" * (17 << 20))
    assert "single tag" in reason(reading, "readable")


def test_a_long_text_is_no_long_tag(read):
    reading = read(suite(case(f"<system-out>{'x' * (17 << 20)}</system-out>")))
    assert reading.problems == ()


def test_cases_count_at_any_depth_and_in_any_namespace(read):
    reading = read(
        '<j:testsuites xmlns:j="urn:x"><j:testsuite><j:testsuite><j:testcase name="a"/></j:testsuite>'
        '<testsuite><testcase name="b"><j:failure/></testcase></testsuite></j:testsuite></j:testsuites>'
    )
    assert [(case.name, case.result) for case in reading.cases] == [("a", CaseResult.PASSED), ("b", CaseResult.FAILED)]
    assert reading.readable


@pytest.mark.parametrize("name", ["failure", "error"])
def test_a_failure_outside_any_test_is_a_failure(read, name):
    reading = read(suite(case() + f'<{name} message="tear\ndown"/>'))
    assert status(reading, "elements") is Status.FAIL
    assert "tear down" in reason(reading, "elements")


@pytest.mark.parametrize(
    "inside",
    [
        "<surprise/>",
        "<properties><failure/></properties>",
        "<system-out><error/></system-out>",
        "<a><b><failure/></b></a>",
    ],
)
def test_a_case_with_something_unexpected_in_it_is_not_passed(read, inside):
    reading = read(suite(case(inside)))
    assert reading.counts.passed == 0


@pytest.mark.parametrize(
    "content", [suite(case("<surprise/>")), suite(f"<group>{case()}</group>"), suite(case(case()))]
)
def test_elements_out_of_place_are_told(read, content):
    assert status(read(content), "elements") is Status.ERROR


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ('status="run"', CaseResult.PASSED),
        ('status="run" result="completed"', CaseResult.PASSED),
        ('status="passed"', CaseResult.PASSED),
        ('status="notrun"', CaseResult.SKIPPED),
        ('status="disabled"', CaseResult.SKIPPED),
        ('result="suppressed"', CaseResult.SKIPPED),
        ('status="failed"', CaseResult.FAILED),
        ('status="purple"', CaseResult.ERROR),
    ],
)
def test_a_status_that_is_no_pass_is_not_taken_for_one(read, attribute, expected):
    reading = read(suite(case(attributes=attribute)))
    assert reading.cases[0].result is expected
    assert (status(reading, "elements") is Status.PASS) is (expected is not CaseResult.ERROR)


def test_the_worst_of_several_entries_counts(read):
    reading = read(suite(case("<skipped/><error>one</error><failure>two</failure><error>three</error>")))
    assert reading.cases[0].result is CaseResult.FAILED
    assert reading.cases[0].detail == "one\ntwo\nthree"


@pytest.mark.parametrize(
    ("attributes", "agrees"),
    [
        ('tests="2" failures="0" errors="0" skipped="0"', True),
        ("", True),
        ('tests="3"', False),
        ('tests="1"', False),
        ('tests="2" failures="1"', False),
        ('tests="2" errors="1"', False),
        ('tests="2" skipped="1"', False),
        ('tests="two"', False),
        ('tests="-2"', False),
        ('tests=""', False),
        ('tests="2.0"', False),
    ],
)
def test_stated_counts_must_agree_with_the_elements(read, attributes, agrees):
    reading = read(suite(case() + case(), attributes))
    assert (status(reading, "attributes") is Status.PASS) is agrees
    assert reading.counts.passed == 2


def test_a_suite_may_count_its_own_cases_or_all_below(read):
    inner = suite(case(), 'tests="1"')
    assert read(suite(inner + inner, 'tests="2"')).problems == ()
    assert read(suite(inner + case() + case(), 'tests="2"')).problems == ()
    assert status(read(suite(inner + case() + case(), 'tests="4"')), "attributes") is Status.ERROR


def test_a_disagreement_names_the_suite_the_claim_and_the_count(read):
    assert reason(read(suite(case(), 'failures="4"')), "attributes") == "suite 's' says failures='4', counted 0"


@pytest.mark.parametrize(
    "time", ["-1", "NaN", "inf", "1,234.5", "1e9", "", " 1", "1 s", "0x10", "1_0", "١", "12345678901"]
)
def test_a_time_that_is_no_plain_number_is_unknown(read, time):
    reading = read(suite(f'<testcase name="a" time="{time}"/><testcase name="b"/>'))
    assert [case.duration_s for case in reading.cases] == [None, None]
    assert reason(reading, "times") == "2 of 2 cases without a usable time"
    assert status(reading, "times") is Status.PASS


@pytest.mark.parametrize(
    ("time", "seconds"), [("0", 0), ("1.5", 1.5), ("12.", 12), ("9.5E-4", 0.00095), ("1e-05", 1e-5)]
)
def test_a_plain_time_is_seconds(read, time, seconds):
    assert read(suite(f'<testcase name="a" time="{time}"/>')).cases[0].duration_s == seconds


def test_properties_know_their_suite_or_case(read):
    reading = read(
        suite(
            '<properties><property name="a" value="1"/></properties>'
            + case()
            + case('<properties><property name="b">2</property></properties>')
            + '<properties><property name="c" value=""/></properties>'
        )
    )
    assert reading.properties[:2] == ((None, "s", "a", "1"), (1, "s", "b", "2"))


def test_a_case_that_stands_twice_is_visible(read):
    reading = read(suite(case() + case() + '<testcase classname="m" name="other"/>'))
    assert reading.duplicates() == {("m", "t"): 2}


def test_a_detail_is_cut_at_its_cap(read):
    reading = read(suite(case(f"<failure>{'x' * 100_000}</failure>")))
    assert len(reading.cases[0].detail) < 20_000
    assert reading.cases[0].detail.endswith("[…]")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_reading(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(data)
    assert not read_junit(path).readable


FRAGMENTS = [
    "<testsuites>",
    "</testsuites>",
    "<testsuite>",
    "<testsuite/>",
    "</testsuite>",
    "<testcase>",
    "</testcase>",
    "<testcase/>",
    "<failure>",
    "</failure>",
    "<error/>",
    "<skipped/>",
    "<properties>",
    "</properties>",
    "<property>",
    "</property>",
    "x",
    "&amp;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join))
def test_any_sequence_of_tags_gives_a_reading(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fragments.xml"
    path.write_text(f"<testsuites>{text}</testsuites>")
    reading = read_junit(path)
    assert len(reading.checks) == len(CHECKS)
    assert reading.counts.collected == len(list(reading.cases))


def test_no_beginning_of_a_report_passes_for_a_whole_one(tmp_path):
    data, path = VALID.encode(), tmp_path / "junit.xml"
    path.write_bytes(data)
    assert read_junit(path).problems == ()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert any(check.status is not Status.PASS for check in read_junit(path).checks), length


@given(st.text(max_size=30), st.text(max_size=30))
def test_names_are_keyed_as_pytest_writes_them(function, parameter):
    from _pytest.junitxml import bin_xml_escape, mangle_test_address

    nodeid = f"tests/sub/test_x.py::TestA::test_{function.replace('[', '(').replace('::', '')}[{parameter}]"
    names = mangle_test_address(nodeid)
    assert nodeid_key(nodeid) == (".".join(names[:-1]), bin_xml_escape(names[-1]))


@pytest.mark.parametrize(
    ("nodeid", "key"),
    [
        ("tests/test_a.py::test_b", ("tests.test_a", "test_b")),
        ("tests/test_a.py::TestC::test_b[x-y/z.py::d]", ("tests.test_a.TestC", "test_b[x-y/z.py::d]")),
        ("test_a.py::test_b[\x1b]", ("test_a", "test_b[#x1B]")),
        ("test_a.py::test_b[\ufffe😀]", ("test_a", "test_b[#xFFFE😀]")),
        ("test_a.py", ("", "test_a")),
    ],
)
def test_a_node_id_maps_to_classname_and_name(nodeid, key):
    assert nodeid_key(nodeid) == key
