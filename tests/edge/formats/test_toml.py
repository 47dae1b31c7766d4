from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ModelError
from edge.formats import toml

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scalar = text | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans()
value = scalar | st.lists(scalar, max_size=4) | st.lists(st.lists(scalar, max_size=3), max_size=3)
table = st.dictionaries(text, value, max_size=4)


@given(st.dictionaries(text, value | table | st.lists(table, min_size=1, max_size=3), max_size=5))
def test_what_is_written_is_read(document):
    assert toml.loads(toml.dumps(document), "a.toml") == document


def test_nested_tables_are_kept_apart():
    document = {"a": {"b": {"c": 1}, "d": [{"e": {"f": 2}}, {"e": {"f": 3}}]}, "g": 4}
    assert toml.loads(toml.dumps(document), "a.toml") == document


def test_not_a_number_is_written_as_such():
    assert math.isnan(toml.loads(toml.dumps({"x": math.nan}), "a.toml")["x"])


@pytest.mark.parametrize("data", [b"a = ", b"\xff", b"a = 1\na = 2", b"[" * 100_000])
def test_what_is_not_toml_is_a_model_error(data):
    with pytest.raises(ModelError, match=r"a\.toml: not valid TOML"):
        toml.loads(data, "a.toml")


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="cannot write a NoneType as TOML"):
        toml.dumps({"a": None})
