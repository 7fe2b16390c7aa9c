"""Every word of the model can be written and read back; nothing is guessed when reading."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate import codec, model

OUTCOME = model.Outcome(
    suite="s", ending=model.Ending.EXITED, exit_code=0, started_at=1.5, duration_s=2.0, nonce="n", leaks=("a", "b")
)


@given(
    st.builds(
        model.Outcome,
        suite=st.text(),
        ending=st.sampled_from(list(model.Ending)),
        exit_code=st.one_of(st.none(), st.integers()),
        started_at=st.floats(allow_nan=False, allow_infinity=False),
        duration_s=st.floats(allow_nan=False, allow_infinity=False),
        nonce=st.text(),
        leaks=st.lists(st.text()).map(tuple),
    )
)
def test_what_was_written_is_read_back(outcome: model.Outcome) -> None:
    assert codec.loads(model.Outcome, codec.dumps(outcome)) == outcome


def test_a_union_of_types_finds_its_own() -> None:
    for data in (
        model.Tally(total=1.0, updates=1, span_s=2.0),
        model.Proportion(hits=1, misses=2),
        model.Series(times_s=(0.0, 1.0), values=(1.0, 2.0)),
    ):
        metric = model.Metric(name="m", kind=model.MetricKind.COUNTER, unit="1", data=data)
        assert codec.loads(model.Metric, codec.dumps(metric)) == metric


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suite": 1}, r"\$\.suite: expected str"),
        ({"exit_code": True}, r"\$\.exit_code"),
        ({"ending": "FINE"}, "is none of"),
        ({"leaks": "a"}, r"\$\.leaks: expected a list"),
        ({"leaks": [1]}, r"\$\.leaks\[0\]: expected str"),
        ({"surprise": 1}, "unknown field 'surprise'"),
    ],
)
def test_a_wrong_field_is_refused_with_its_place(change: dict[str, object], message: str) -> None:
    plain = {**codec.to_plain(OUTCOME), **change}
    with pytest.raises(ValueError, match=message):
        codec.loads(model.Outcome, json.dumps(plain))


def test_a_missing_field_is_refused_even_if_it_has_a_default() -> None:
    plain = codec.to_plain(OUTCOME)
    del plain["leaks"]
    with pytest.raises(ValueError, match="'leaks' is missing"):
        codec.loads(model.Outcome, json.dumps(plain))


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1, "a": 2}', "[", '{"a": Infinity}'])
def test_text_that_is_no_plain_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        codec.loads(model.Outcome, text)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_never_written(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        codec.dumps(model.Tally(total=value, updates=1, span_s=1.0))


def test_every_strict_prefix_of_a_file_is_refused() -> None:
    data = codec.dumps(OUTCOME).encode()
    assert codec.load_file(model.Outcome, data) == OUTCOME
    for cut in range(len(data)):
        with pytest.raises(ValueError, match=r".+"):
            codec.load_file(model.Outcome, data[:cut])
