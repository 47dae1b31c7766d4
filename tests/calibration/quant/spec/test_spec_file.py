from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.quant.spec import spec_file
from calibration.quant.spec.spec import LayerSpec, QuantSpec, Scheme
from edge.errors import CalibrationError

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
positive = st.floats(width=32, min_value=2.0**-140, allow_infinity=False)
steps = st.lists(positive, min_size=1, max_size=3).map(lambda values: np.array(values, np.float32))
biases = st.lists(finite, max_size=3).map(lambda values: np.array(values, np.float32))
rounding_offsets = st.lists(st.integers(-127, 127), max_size=5).map(
    lambda some: np.array(some, np.int8)
)
names = st.sampled_from(["a", "b/c", '\u00e9"\\'])
schemes = st.builds(
    Scheme,
    st.dictionaries(names, st.tuples(finite, finite).map(lambda pair: tuple(sorted(pair)))),
    st.dictionaries(
        names, st.builds(LayerSpec, steps, st.none() | biases, st.none() | rounding_offsets)
    ),
    st.dictionaries(names, names),
    st.dictionaries(names, steps),
)
specs = st.builds(
    QuantSpec,
    st.dictionaries(st.sampled_from(["symmetric", "asymmetric"]), schemes, min_size=1),
    model=st.just("0" * 64),
    count=st.integers(0, 10**6),
    recipe=names,
    seed=st.integers(0, 2**63),
    safe_pools=st.booleans(),
    winograd=st.booleans(),
)


def example(**changes) -> dict:
    spec = QuantSpec(
        {
            "symmetric": Scheme(
                {"image": (0.0, 1.0), "a": (-0.1, 2.5)},
                {"conv": LayerSpec(np.array([0.1, 0.2], np.float32), np.zeros(2, np.float32))},
                {"head": "most sensitive"},
            )
        },
        recipe="default",
    )
    return {**json.loads(spec_file.dumps(spec)), **changes}


@settings(max_examples=30)
@given(specs)
def test_what_is_read_is_what_was_written(spec):
    text = spec_file.dumps(spec)
    again = spec_file.loads(text)
    assert spec_file.dumps(again) == text
    for name, scheme in spec.schemes.items():
        result = again.schemes[name]
        assert result.ranges == {
            key: (float(np.float32(low)), float(np.float32(high)))
            for key, (low, high) in scheme.ranges.items()
        }
        assert result.float_layers == scheme.float_layers
        for key, layer in scheme.layers.items():
            assert np.array_equal(result.layers[key].weight_scales, layer.weight_scales)
            assert (layer.bias is None) == (result.layers[key].bias is None)
            if layer.bias is not None:
                assert np.array_equal(result.layers[key].bias, layer.bias)
            assert (result.layers[key].rounding_offsets is None) == (layer.rounding_offsets is None)
            if layer.rounding_offsets is not None:
                assert np.array_equal(result.layers[key].rounding_offsets, layer.rounding_offsets)


def test_a_file_is_readable_and_ends_with_a_line(tmp_path):
    path = tmp_path / "spec.json"
    spec = spec_file.loads(json.dumps(example()))
    spec_file.write(spec, path)
    text = path.read_text()
    assert '      "a": [-0.1, 2.5],' in text.replace('"a": [-0.1, 2.5]', '"a": [-0.1, 2.5],')
    assert text.endswith("}\n")
    assert spec_file.dumps(spec_file.read(path)) == text
    assert [file.name for file in tmp_path.iterdir()] == ["spec.json"]


CUT = base64.b64encode(zlib.compress(bytes(1000))[:-3]).decode()


def _with(place: str, value) -> dict:
    facts = example()
    *way, last = place.split("/")
    inner = facts
    for key in way:
        inner = inner[key]
    inner[last] = value
    return facts


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        ("format", 1, "format is 1, this version reads 2"),
        ("count", -1, "count is -1, wanted a whole number"),
        ("count", True, "count is True, wanted a whole number"),
        ("model", "abc", "model is 'abc', wanted 64 digits"),
        ("surplus", 1, "surplus is not known"),
        ("targets/mnn/safe_pools", 1, "targets.mnn.safe_pools is 1, wanted true or false"),
        ("targets/abacus", {}, "targets.abacus is not known"),
        ("schemes", {}, "schemes are symmetric and asymmetric, got none"),
        ("schemes/odd", example()["schemes"]["symmetric"], r"got \['odd'\]"),
        ("schemes/symmetric", [], "schemes.symmetric is a list, wanted an object"),
        ("schemes/symmetric/ranges/a", [2, 1], "ranges.a: wanted two numbers, the lower one first"),
        ("schemes/symmetric/ranges/a", [1e39, 2e39], "ranges.a: wanted a list of finite"),
        ("schemes/symmetric/layers/conv/weight_scales", [0.1, 0], "wanted positive numbers"),
        ("schemes/symmetric/layers/conv/weight_scales", [1e-60], "wanted positive numbers"),
        ("schemes/symmetric/layers/conv/weight_scales", ["a"], "wanted a list of finite"),
        ("schemes/symmetric/layers/conv/weights", [1], "layers.conv.weights is not known"),
        (
            "schemes/symmetric/layers/conv/rounding_offsets",
            [1],
            "layers.conv.rounding_offsets is a list, wanted a text",
        ),
        (
            "schemes/symmetric/layers/conv/rounding_offsets",
            "é",
            "conv.rounding_offsets: wanted compressed bytes",
        ),
        (
            "schemes/symmetric/layers/conv/rounding_offsets",
            "AAAA",
            "conv.rounding_offsets: wanted compressed bytes",
        ),
        (
            "schemes/symmetric/layers/conv/rounding_offsets",
            CUT,
            "compressed bytes in base64: they end",
        ),
        ("schemes/symmetric/float_layers/head", 3, "float_layers.head is 3, wanted a text"),
        ("schemes/symmetric/equalization", {"a": [1, -1]}, "equalization.a: wanted positive numb"),
    ],
)
def test_a_wrong_entry_is_named_with_what_was_wanted(place, value, complaint):
    with pytest.raises(CalibrationError, match=complaint):
        spec_file.loads(json.dumps(_with(place, value)))


def test_every_entry_is_needed():
    for name in example():
        facts = example()
        del facts[name]
        with pytest.raises(CalibrationError, match=f"{name} is missing"):
            spec_file.loads(json.dumps(facts))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "NaN", '{"format": NaN}', '{"format": 1, "format": 1}', "[" * 100000, "3"],
)
def test_what_is_no_spec_is_refused(text):
    with pytest.raises(CalibrationError):
        spec_file.loads(text)


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    with pytest.raises(CalibrationError, match=r"nowhere\.json"):
        spec_file.read(tmp_path / "nowhere.json")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CalibrationError, match="bytes"):
        spec_file.read(tmp_path / "bytes")
    spec = spec_file.loads(json.dumps(example()))
    with pytest.raises(CalibrationError, match="missing"):
        spec_file.write(spec, tmp_path / "missing" / "spec.json")


def test_a_text_that_unpacks_to_more_than_memory_is_refused(monkeypatch):
    monkeypatch.setattr(spec_file, "_MAX_WEIGHTS", 1000)
    text = base64.b64encode(zlib.compress(bytes(10**6))).decode()
    with pytest.raises(CalibrationError, match="too early or too late"):
        spec_file.loads(json.dumps(_with("schemes/symmetric/layers/conv/rounding_offsets", text)))


def test_format_2_is_read_and_format_3_written():
    """Its keys were called otherwise, and so was the end of the name of an equalized tensor."""
    spec = QuantSpec(
        {
            "symmetric": Scheme(
                {"a": (0.0, 1.0), "a/scaled": (-0.5, 2.5)},
                {"conv": LayerSpec(np.ones(2, np.float32), None, np.array([1, -1, 0], np.int8))},
                {"head": "most sensitive"},
                {"a": np.array([0.5, 2.0], np.float32)},
            )
        },
        recipe="default",
    )
    text = spec_file.dumps(spec)
    assert '"format": 3' in text
    old = text.replace('"format": 3', '"format": 2').replace("a/scaled", "a/levelled")
    for now, before in spec_file._KEYS_OF_2.items():
        assert f'"{now}"' in old
        old = old.replace(f'"{now}"', f'"{before}"')
    assert spec_file.dumps(spec_file.loads(old)) == text
    with pytest.raises(CalibrationError, match=r"symmetric\.floats is missing"):
        spec_file.loads(old.replace('"floats"', '"float_layers"'))
