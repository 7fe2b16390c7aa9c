"""The strict subset of YAML: what is taken, what is refused, and where the problem is said to stand."""

import json

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gate.errors import ManifestError
from gate.manifest import read
from gate.manifest import source as sources
from gate.manifest.source import LARGEST_BYTES, load

GOOD = "version: 1\nproject: p\nsuites:\n  a:\n    paths: [tests]\n"


def problems_of(text: str | bytes) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(text.encode() if isinstance(text, str) else text, "gates.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture(params=["C", "Python"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both readers of PyYAML must give the same answers."""
    monkeypatch.setattr(sources, "_Loader", yaml.CSafeLoader if request.param == "C" else yaml.SafeLoader)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("project: &name p", 1, 10, "anchor &name is refused"),
        ("a: &x [1]\nb: *x", 2, 4, "alias *x is refused"),
        ("a: {<<: {b: 1}}", 1, 5, "merge key << is refused"),
        ("project: !!str p", 1, 10, "tag 'tag:yaml.org,2002:str' is refused"),
        ("project: ! p", 1, 10, "tag '!' is refused"),
        ("a: !!python/object/apply:os.system [x]", 1, 4, "python/object/apply"),
        ("a: 1\nb: 2\na: 3", 3, 1, "key 'a' is here twice, first on line 1"),
        ('a: 1\n"a": 3', 2, 1, "key 'a' is here twice"),
        ("a: 1\n---\nb: 2", 2, 1, "a second document begins"),
        ("a: 1\n...\n---\nb: 2", 3, 1, "a second document begins"),
        ("%YAML 1.1\n---\na: 1", 1, 1, "directives are refused"),
        ("project:", 1, 9, "no value (null)"),
        ("project: ~", 1, 10, "no value (null)"),
        ("project: null", 1, 10, "no value (null)"),
        ("project: NULL", 1, 10, "no value (null)"),
        ("? [a, b]\n: 1", 1, 3, "a list cannot be a key"),
        ("? {a: b}\n: 1", 1, 3, "a mapping cannot be a key"),
        ("&k a: 1", 1, 1, "key 'a' with an anchor or tag"),
        ('"": 1', 1, 1, "an empty key"),
        ('project: "\\e[31m"', 1, 10, "control character U+001B"),
        ('project: "\\0"', 1, 10, "control character U+0000"),
        ("project: a\u202eb", 1, 11, "control character U+202E"),
        ("# \u200b\nproject: a", 1, 3, "control character U+200B"),
        ("project: a\x07", 1, 11, "control character U+0007"),
        ("workers: 1e999", 1, 10, "out of range"),
        ("a: *nowhere", 1, 4, "alias *nowhere is refused"),
    ],
)
def test_hostile_yaml_is_refused_at_its_place(text: str, line: int, column: int, words: str) -> None:
    found = [p for p in load(text.encode(), "g").problems if words in p.message]
    assert [(p.place.line, p.place.column) for p in found] == [(line, column)]
    assert problems_of(text)


@pytest.mark.parametrize(
    "text", ["[a", "a: b: c", "a: 'b", "\ta: 1", 'project: "\\ud800"', 'project: "\\q"', "a: [}", "- a\nb: c"]
)
def test_broken_yaml_is_one_problem(text: str) -> None:
    (problem,) = load(text.encode(), "g").problems
    assert problem.message.startswith(("not YAML: ", "control character U+D800"))
    assert problems_of(text)


def test_a_byte_that_is_not_utf8_is_named_with_its_place() -> None:
    assert problems_of(b"version: 1\nproject: \xff") == [
        "gates.yaml:2:10: byte 0xff is not UTF-8; allowed is UTF-8 only"
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_other_encodings_are_refused(encoding: str) -> None:
    assert (
        "is not UTF-8" in problems_of((GOOD + "# é").encode(encoding))[0]
        or "control" in problems_of((GOOD + "# é").encode(encoding))[0]
    )


def test_a_byte_order_mark_at_the_start_is_no_problem() -> None:
    assert read(b"\xef\xbb\xbf" + GOOD.encode(), "g").project == "p"


def test_a_file_above_one_mebibyte_is_refused_unread() -> None:
    fitting = GOOD + "#" * (LARGEST_BYTES - len(GOOD))
    assert read(fitting.encode(), "g").project == "p"
    assert problems_of(fitting + "#") == ["gates.yaml:1:1: the file has 1048577 bytes; allowed are 1048576 (1 MiB)"]


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
def test_nesting_is_bounded(opening: str, closing: str) -> None:
    def depth_problems(depth: int) -> list[str]:
        text = "x: " + opening * depth + "1" + closing * depth
        return [p.message for p in load(text.encode(), "g").problems]

    assert depth_problems(19) == []
    assert depth_problems(20) == ["nested deeper than 20 levels"]
    assert depth_problems(100_000) == ["nested deeper than 20 levels"]


def test_ten_thousand_laughs_stay_one_line_each() -> None:
    text = 'a: &a ["lol"]\n' + "".join(f"{b}: &{b} [*{a},*{a}]\n" for a, b in zip("abcdef", "bcdefg", strict=True))
    assert all("refused" in problem for problem in map(str, load(text.encode(), "g").problems))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2026-12-31", "2026-12-31"),
        ("2026-12-31 10:00:00", "2026-12-31 10:00:00"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("True", "True"),
        ("0o17", "0o17"),
        ("017", "017"),
        ("0x1F", "0x1F"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        (".5", ".5"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("=", "="),
        ('"5"', "5"),
        ("'true'", "true"),
        ("'null'", "null"),
        ("true", True),
        ("false", False),
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("-1.5e-3", -0.0015),
    ],
)
def test_only_true_false_and_decimal_numbers_are_typed(written: str, value: object) -> None:
    source = load(f"a: {written}".encode(), "g")
    assert source.problems == ()
    assert source.root is not None
    assert json.dumps(source.root.plain()) == json.dumps({"a": value})


def test_keys_stay_the_text_they_are() -> None:
    source = load(b"1: a\ntrue: b\n2026-01-01: c", "g")
    assert source.root is not None
    assert source.root.plain() == {"1": "a", "true": "b", "2026-01-01": "c"}


@pytest.mark.parametrize("text", ["", "# nothing", "---\n", "5", "[a]", "text"])
def test_a_file_without_keys_is_one_problem(text: str) -> None:
    assert len(problems_of(text)) == 1


@given(st.text())
@example("a: {b: &c")
@example("? ? ?")
@example("- " * 500)
@example("{" * 500)
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_manifest_or_a_manifest_error(text: str) -> None:
    try:
        read(text.encode("utf-8", "surrogatepass"), "g")
    except ManifestError as error:
        assert error.problems  # noqa: PT017  # either outcome is right; an error must say something


@given(st.binary())
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_a_manifest_or_a_manifest_error(data: bytes) -> None:
    try:
        read(data, "g")
    except ManifestError as error:
        assert error.problems  # noqa: PT017


KEYS = """
version project defaults services suites profiles drills waivers a b nightly paths command junit needs env thresholds
budgets skipped limit reason expires check severity min_samples timeout workers isolation categories contains provider
ready http tcp url expect finding owner ticket bound id postgres exclusive tests
"""
VALUES = ["a/threshold/x.p95", "p95 < 5 ms", "total == 0", "5m", "any", "-k", "../x", "PATH", "2026-12-31", "120 ms"]
WORDS = st.sampled_from([*KEYS.split(), *VALUES])
TREES = st.recursive(
    st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=25,
)
SUITE = st.dictionaries(WORDS, TREES, max_size=6)
NEARLY = st.fixed_dictionaries(
    {"version": st.just(1), "project": st.just("p"), "suites": st.dictionaries(WORDS, SUITE, max_size=3)},
    optional={
        "defaults": SUITE,
        "services": st.dictionaries(WORDS, SUITE, max_size=3),
        "profiles": st.dictionaries(WORDS, st.dictionaries(st.sampled_from(["suites", "services"]), TREES), max_size=2),
        "drills": st.dictionaries(WORDS, SUITE, max_size=2),
        "waivers": st.lists(SUITE, max_size=2),
    },
)


@given(NEARLY)
@settings(max_examples=120, deadline=None)
def test_any_tree_of_known_words_is_a_manifest_or_a_manifest_error(tree: dict[str, object]) -> None:
    try:
        read(yaml.safe_dump(tree).encode(), "g")
    except ManifestError as error:
        assert error.problems  # noqa: PT017
