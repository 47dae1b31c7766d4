from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quant_graphs import Builder, detector, image
from quant_references import min_max_spec

from calibration.quant.plan.planning import grid, plan, weight_codes
from calibration.quant.plan.prepare import prepare
from calibration.quant.spec.spec import LayerSpec, QuantSpec, Scheme
from calibration.runtimes import RUNTIMES
from edge.errors import CalibrationError, UnsupportedModelError

ALL_LAYERS = {
    *("n_stem_plain", "n_body_plain", "n_deep_plain", "n_neck_plain", "n_up/pointwise"),
    *("n_last_plain", "n_scores", "n_boxes"),
}


@pytest.fixture
def graph():
    return prepare(detector())


def test_ncnn_keeps_codes_only_from_layer_to_layer(graph):
    result = plan(graph, min_max_spec(graph, image()), "ncnn")
    assert set(result.layers) == ALL_LAYERS
    # `deep` is pooled, `body` is joined with others, `neck` and `last` are read by layers alone.
    assert result.kept_in_int8 == {"stem", "neck", "last"}
    assert not result.pass_through
    assert set(result.tensors) == {"image", "stem", "body", "wide", "neck", "joined", "last"}


def test_ncnn_gives_floats_to_a_float_layer(graph):
    result = plan(graph, min_max_spec(graph, image(), float_layers=("n_boxes",)), "ncnn")
    assert "n_boxes" not in result.layers
    assert result.kept_in_int8 == {"stem", "neck"}


@pytest.mark.parametrize("target", ["mnn", "tflite", "onnxruntime"])
def test_elsewhere_all_is_codes_from_the_image_to_the_heads(graph, target):
    result = plan(graph, min_max_spec(graph, image()), target)
    assert set(result.layers) == ALL_LAYERS
    assert result.pass_through == {"n_pooled", "n_wide", "n_up", "n_joined"}
    fused = {"stem_plain", "body_plain", "deep_plain", "neck_plain", "last_plain"}
    every = {name for node in graph.nodes for name in node.outputs} | {"image"}
    assert result.kept_in_int8 == every - fused
    assert set(result.tensors) == result.kept_in_int8


def test_what_moves_together_has_one_grid_wide_enough_for_each(graph):
    spec = min_max_spec(graph, image())
    result = plan(graph, spec, "tflite")
    ranges = spec.schemes["asymmetric"].ranges
    high = max(ranges[name][1] for name in ("deep", "pooled", "wide"))
    assert result.tensors["deep"] == result.tensors["pooled"] == result.tensors["wide"]
    assert result.tensors["deep"].scale == pytest.approx(high / 255, rel=1e-6)


def test_leaky_activations_lie_between_two_grids_but_in_ncnn():
    graph = prepare(detector(activation="LeakyRelu"))
    spec = min_max_spec(graph, image())
    result = plan(graph, spec, "mnn")
    assert "n_stem" in result.pass_through
    assert {"stem_plain", "stem"} <= result.kept_in_int8
    assert result.tensors["stem_plain"] != result.tensors["stem"]
    assert "stem_plain" not in plan(graph, spec, "ncnn").tensors


def test_a_float_layer_reads_codes_and_what_it_gives_is_rounded_by_who_reads_it(graph):
    result = plan(graph, min_max_spec(graph, image(), float_layers=("n_deep_plain",)), "tflite")
    assert "body" in result.kept_in_int8
    assert not {"deep", "pooled"} & result.kept_in_int8
    assert (
        "n_pooled" not in result.pass_through
    )  # float in, and its reader could as well read floats
    assert "n_wide" not in result.pass_through
    assert "wide" in result.tensors


def test_joining_codes_with_floats_moves_codes_where_a_layer_reads_them(graph):
    result = plan(graph, min_max_spec(graph, image(), float_layers=("n_up/pointwise",)), "tflite")
    assert "n_joined" in result.pass_through
    assert "up" in result.tensors
    assert "up" not in result.kept_in_int8
    assert result.tensors["up"] == result.tensors["joined"]


def test_moves_that_only_float_layers_read_stay_float_unless_all_is_codes(graph):
    float_layers = ("n_up/pointwise", "n_last_plain")
    result = plan(graph, min_max_spec(graph, image(), float_layers=float_layers), "tflite")
    assert "n_joined" not in result.pass_through
    result = plan(graph, min_max_spec(graph, image(), float_layers=("n_neck_plain",)), "tflite")
    assert {"n_pooled", "n_wide"} <= result.pass_through


def test_an_image_of_unit_range_is_its_bytes_with_the_top_bit_flipped(graph):
    spec = min_max_spec(graph, image())
    scheme = spec.schemes["asymmetric"]
    unit = replace(scheme, ranges={**scheme.ranges, "image": (0.0, 1.0)})
    result = plan(graph, replace(spec, schemes={"asymmetric": unit}), "tflite").tensors["image"]
    assert result.scale == float(np.float32(1 / 255))
    assert result.zero_point == -128


def test_pooled_codes_of_mnn_are_on_one_side_of_zero_when_asked(graph):
    spec = min_max_spec(graph, image())
    for name in ("deep", "pooled", "wide"):
        result = plan(graph, spec, "mnn").tensors[name]
        assert (result.low, result.high, result.zero_point) == (0, 127, 0)
    assert plan(graph, replace(spec, safe_pools=False), "mnn").tensors["deep"].low == -128
    assert plan(graph, spec, "tflite").tensors["deep"].low == -128
    assert plan(graph, spec, "mnn").tensors["joined"].low == -128


def test_winograd_is_allowed_only_with_a_proof():
    net = Builder(shape=(1, 64, 8, 8))
    net.conv("plain", "image", (4, 64, 3, 3))
    graph = net.graph("plain")
    weight = graph.constants["plain/weight"]
    spec = min_max_spec(graph, image(shape=(1, 64, 8, 8)))
    (layer,) = plan(graph, spec, "ncnn").layers.values()
    worst = np.abs(layer.weight.astype(np.int64)).reshape(4, -1).sum(1).max() * 127
    assert worst * 576 < 2**31
    assert layer.winograd
    assert not plan(graph, replace(spec, winograd=False), "ncnn").layers["n_plain"].winograd
    assert not plan(graph, spec, "mnn").layers["n_plain"].winograd
    weight[...] = 1  # 576 weights of code 127: 9.3 million
    full = min_max_spec(graph, image(shape=(1, 64, 8, 8)))
    assert not plan(graph, full, "ncnn").layers["n_plain"].winograd


def test_signs_halve_the_bound_only_of_inputs_that_cannot_be_negative():
    def proved(rectified: bool) -> bool:
        net = Builder(shape=(1, 40, 8, 8))
        source = net.add("Relu", "positive", "image") if rectified else "image"
        net.conv("plain", source, (1, 40, 3, 3))
        net.constants["plain/weight"][:, ::2] = 1.0
        net.constants["plain/weight"][:, 1::2] = -1.0  # 360 codes of +-127: 5.8 or 2.9 million
        graph = net.graph("plain")
        spec = min_max_spec(graph, image(shape=(1, 40, 8, 8)))
        return plan(graph, spec, "ncnn").layers["n_plain"].winograd

    assert proved(rectified=True)
    assert not proved(rectified=False)


def test_biases_fit_into_32_bits_however_small_the_weights_are(graph):
    spec = min_max_spec(graph, image())
    scheme = spec.schemes["asymmetric"]
    layers = {**scheme.layers, "n_neck_plain": LayerSpec(np.full(8, 1e-20, np.float32))}
    result = plan(graph, QuantSpec({"asymmetric": replace(scheme, layers=layers)}), "tflite")
    layer = result.layers["n_neck_plain"]
    steps = layer.bias / (layer.weight_scales * result.tensors["wide"].scale)
    assert np.abs(steps).max() <= 2**30 * 1.001


def test_the_bias_of_a_dead_channel_is_kept_to_float_precision(graph):
    graph.constants["neck_plain/weight"][3] = 0
    result = plan(graph, min_max_spec(graph, image()), "tflite")
    layer = result.layers["n_neck_plain"]
    step = layer.weight_scales * np.float32(result.tensors["wide"].scale)
    assert np.rint(layer.bias / step)[3] * step[3] == pytest.approx(layer.bias[3], rel=1e-6)
    assert step[3] < 1e-6


@pytest.mark.parametrize("range_", [(0.0, 6.0), (-0.3, 2.0), (-4.0, 0.0), (1.0, 5.0), (0.0, 0.0)])
def test_grids_cover_their_range_and_hold_zero_exactly(range_):
    for symmetric, steps in ((True, 255), (False, 255), (False, 127)):
        result = grid(range_, symmetric=symmetric, steps=steps)
        minimum = (result.low - result.zero_point) * result.scale
        limit = (result.high - result.zero_point) * result.scale
        assert minimum <= min(range_[0], 0) + result.scale / 2 + 1e-6
        assert limit >= max(range_[1], 0) - result.scale / 2 - 1e-6
        assert result.low <= result.zero_point <= result.high
        assert (limit - minimum) == pytest.approx(result.scale * (result.high - result.low))


def test_weights_round_to_even_and_stop_at_127():
    codes = weight_codes(
        np.array([[0.5, 1.5, -2.5, 300.0, -300.0]], np.float32), np.ones(1, np.float32)
    )
    assert codes.tolist() == [[0, 2, -2, 127, -127]]


def test_learned_codes_lie_so_far_from_the_nearest_and_stop_at_127(graph):
    spec = min_max_spec(graph, image())
    scheme = spec.schemes["asymmetric"]
    own = scheme.layers["n_boxes"]
    rounding_offsets = np.arange(4 * 8, dtype=np.int8) - 16
    rounding_offsets[0], rounding_offsets[1] = 127, -127
    layers = {**scheme.layers, "n_boxes": replace(own, rounding_offsets=rounding_offsets)}
    moved = QuantSpec({"asymmetric": replace(scheme, layers=layers)})
    for target in RUNTIMES:
        before, after = (plan(graph, s, target).layers["n_boxes"].weight for s in (spec, moved))
        expected = before.astype(int).reshape(-1) + rounding_offsets
        assert after.reshape(-1).tolist() == expected.clip(-127, 127).tolist()
        assert after.reshape(-1)[0] == 127 or before.reshape(-1)[0] < 0


def test_a_spec_of_another_model_is_refused_by_name(graph):
    spec = min_max_spec(graph, image())
    scheme = spec.schemes["asymmetric"]

    def planned(**changes):
        return plan(graph, QuantSpec({"asymmetric": replace(scheme, **changes)}), "tflite")

    with pytest.raises(CalibrationError, match="'other', which is no convolution"):
        planned(layers={**scheme.layers, "other": LayerSpec(np.ones(3, np.float32))})
    with pytest.raises(CalibrationError, match="'nobody', which is no tensor"):
        planned(ranges={**scheme.ranges, "nobody": (0.0, 1.0)})
    with pytest.raises(CalibrationError, match="no range for the tensor 'neck'"):
        planned(ranges={k: v for k, v in scheme.ranges.items() if k != "neck"})
    with pytest.raises(CalibrationError, match=r"weight_scales of shape \(3,\)"):
        planned(layers={**scheme.layers, "n_boxes": LayerSpec(np.ones(3, np.float32))})
    short = replace(scheme.layers["n_boxes"], rounding_offsets=np.zeros(3, np.int8))
    with pytest.raises(CalibrationError, match="rounding offsets for 3 weights, the layer has 32"):
        planned(layers={**scheme.layers, "n_boxes": short})
    with pytest.raises(UnsupportedModelError, match="unknown target 'abacus'"):
        plan(graph, spec, "abacus")


def test_one_scheme_serves_all_targets_and_two_each_its_own(graph):
    spec = min_max_spec(graph, image())
    half = Scheme(
        {
            name: (low / 2, high / 2)
            for name, (low, high) in spec.schemes["asymmetric"].ranges.items()
        },
        spec.schemes["asymmetric"].layers,
    )
    both = replace(spec, schemes={**spec.schemes, "symmetric": half})
    assert plan(graph, both, "mnn").tensors == plan(graph, spec, "mnn").tensors
    for name, wide in plan(graph, spec, "ncnn").tensors.items():
        narrow = plan(graph, both, "ncnn").tensors[name]
        assert narrow.scale == pytest.approx(wide.scale / 2, rel=1e-6)
