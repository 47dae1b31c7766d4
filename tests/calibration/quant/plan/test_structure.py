from __future__ import annotations

import numpy as np
from quant_graphs import Builder, detector, images

from calibration.quant.observe.histograms import observe
from calibration.quant.plan import structure
from calibration.quant.plan.prepare import prepare
from calibration.runtimes import RUNTIMES

CODES, NCNN = RUNTIMES["tflite"], RUNTIMES["ncnn"]


def test_tensors_that_are_pooled_joined_and_spread_share_a_grid():
    groups = structure.groups(prepare(detector()), CODES)
    assert set(groups["deep"]) == {"deep", "pooled", "wide"}
    assert groups["wide"] == groups["deep"]
    assert set(groups["joined"]) == {"up/apart", "up", "body", "joined"}
    assert "neck" not in groups


def test_nothing_is_shared_in_ncnn():
    assert not structure.groups(prepare(detector()), NCNN)


def test_resizing_that_mixes_values_and_padding_with_ones_do_not_move_codes():
    net = Builder()
    net.constant("scales", [1, 1, 2, 2])
    net.constant("one", 1.0)
    net.constant("pads", [0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    net.add("Resize", "near", "image", "", "scales", mode="nearest")
    net.add("Resize", "smooth", "image", "", "scales", mode="linear")
    net.add("Pad", "zeros", "image", "pads")
    net.add("Pad", "ones", "image", "pads", "one")
    graph = net.graph("near", "smooth", "zeros", "ones")
    assert set(structure.groups(graph, CODES)) == {"image", "near", "zeros"}


def test_an_activation_belongs_to_a_convolution_that_nobody_else_reads():
    graph = prepare(detector(activation="LeakyRelu"))
    stem = next(node for node in graph.nodes if node.name == "n_stem_plain")
    assert structure.result(graph, stem, NCNN) == "stem"
    assert structure.result(graph, stem, CODES) == "stem_plain"
    shared = graph.rebuilt(outputs=[*graph.outputs, "stem_plain"])
    assert structure.fused(shared, stem, NCNN) is None


def test_values_beyond_what_all_readers_hear_are_not_told_apart():
    net = Builder()
    net.constant("zero", 0.0)
    net.constant("six", 6.0)
    for name in ("one", "two", "three", "four"):
        net.conv(name, "image", (2, 3, 1, 1))
    outputs = [
        net.add("HardSwish", "swish", "one"),
        net.add("Clip", "six_at_most", "two", "zero", "six"),
        net.add("HardSigmoid", "gate", "two", alpha=0.25, beta=0.5),
        net.add("Relu", "kink", "three"),
        net.add("HardSwish", "swish_too", "three"),
        net.add("HardSwish", "swish_beside_output", "four"),
        net.add("Sigmoid", "smooth", "image"),
    ]
    graph = net.graph(*outputs, "four")
    results = {
        name: structure.effective_range(graph, name) for name in ("one", "two", "three", "four")
    }
    infinite = float("inf")
    assert results == {
        "one": (-3, infinite),
        "two": (-2, 6),
        "three": (-3, infinite),
        "four": (-infinite, infinite),
    }
    assert structure.effective_range(graph, "image") == (-infinite, infinite)
    assert structure.effective_range(graph, "swish") == (-infinite, infinite)


def test_factors_of_channels_change_what_is_told_apart_by_channel():
    net = Builder()
    net.constant("factors", np.array([0.5, 2], np.float32).reshape(1, 2, 1, 1))
    net.constant("turned", np.array([0.5, -2], np.float32).reshape(1, 2, 1, 1))
    net.constant("map", np.ones((1, 1, 16, 16)))
    net.conv("level", "image", (2, 3, 1, 1))
    net.constants["level/bias"] -= 100
    net.conv("other", "image", (2, 3, 1, 1))
    net.conv("narrow", "image", (1, 3, 1, 1))
    outputs = [
        net.add("HardSwish", "swish", net.add("Mul", "plain", "level", "factors")),
        net.add("Relu", "kink", net.add("Mul", "mirrored", "other", "turned")),
        net.add("Relu", "wide", net.add("Mul", "spread", "narrow", "factors")),
        net.add("Mul", "scaled", "kink", "factors"),
        net.add("Mul", "signed", "kink", "turned"),
    ]
    graph = net.graph(*outputs)
    low, high = structure.effective_range(graph, "level")
    assert low.tolist() == [[[[-6]], [[-1.5]]]]
    assert np.isinf(high).all()
    assert structure.effective_range(graph, "other") == (-np.inf, np.inf)
    assert structure.effective_range(graph, "narrow") == (-np.inf, np.inf)
    assert structure.is_non_negative(graph, "scaled")
    assert not structure.is_non_negative(graph, "signed")
    inputs = images(2)
    (histograms,) = observe(graph, inputs, ["level"]).values()
    assert histograms.low == -6
    assert histograms.below.sum() == 2 * 2 * 12 * 16
    assert histograms.high == -1.5


def test_refusals_say_why():
    net = Builder()
    net.conv("grouped", "image", (6, 1, 3, 3), group=3)
    net.conv("depthwise", "image", (3, 1, 3, 3), group=3)
    net.add("GlobalAveragePool", "mean", "image")
    net.conv("vector", "mean", (4, 3, 1, 1))
    graph = net.graph("grouped", "depthwise", "vector")
    results = {
        node.output: structure.refusal(graph, node, NCNN) for node in structure.convolutions(graph)
    }
    assert results["depthwise"] is None
    assert "groups" in results["grouped"]
    assert "vector" in results["vector"]


def test_what_is_never_negative_is_known_from_the_operators_alone():
    graph = prepare(detector())
    assert structure.is_non_negative(graph, "wide")
    assert not structure.is_non_negative(graph, "image")
    assert not structure.is_non_negative(graph, "joined")  # `up` is a plain convolution


def test_multiply_accumulates_are_counted_by_hand():
    graph = detector()
    stem = next(node for node in graph.nodes if node.name == "n_stem_plain")
    assert structure.operations(graph, stem) == 8 * 8 * 8 * 3 * 9
