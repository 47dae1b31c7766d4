from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quant_graphs import Builder, detector, image
from quant_references import min_max_spec, tensors

from calibration.graph import Graph
from calibration.quant.plan.equalize import equalized, equalized_name, multiplier, settled, sites
from calibration.quant.plan.plan import Plan
from calibration.quant.plan.planning import plan
from calibration.quant.plan.prepare import prepare
from calibration.quant.simulate.simulate import simulate
from edge.errors import CalibrationError


def branched() -> Graph:
    """A tensor that a depthwise layer reads and, joined with another and pooled, a dense one."""
    net = Builder()
    net.conv("first_plain", "image", (4, 3, 3, 3))
    first = net.add("Relu", "first", "first_plain")
    other = net.conv("other", "image", (2, 3, 1, 1), bias=False)
    joined = net.add("Concat", "joined", first, other, first, axis=1)
    pooled = net.add("MaxPool", "pooled", joined, kernel_shape=(2, 2), strides=(2, 2))
    net.conv("dense", pooled, (5, 10, 3, 3))
    net.conv("deep", first, (4, 1, 3, 3), group=4)
    return net.graph("dense", "deep")


def uneven(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    """Factors for all that can be equalized, of very different sizes."""
    random = np.random.default_rng(seed)
    return {
        name: np.exp2(random.uniform(-4, 4, graph.shapes[name][1])).astype(np.float32)
        for name in sites(graph)
    }


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", "HardSwish", None])
def test_a_network_computes_the_same_when_it_is_equalized(activation):
    graph = branched() if activation is None else prepare(detector(activation=activation))
    free = {name for name, site in sites(graph).items() if site.producer and site.readers}
    for names in (free, set(sites(graph)) - free):
        factors = {name: factor for name, factor in uneven(graph).items() if name in names}
        before, after = (tensors(each, image()) for each in (graph, equalized(graph, factors)))
        for name in graph.outputs:
            np.testing.assert_allclose(after[name], before[name], rtol=1e-3, atol=1e-4)
        for name, factor in factors.items():
            expected = before[name] / factor.reshape(-1, 1, 1)
            level = after[name if names is free else equalized_name(name)]
            np.testing.assert_allclose(level, expected, rtol=1e-3, atol=1e-4)


def test_factors_in_weights_and_in_multiplications_can_be_had_at_once():
    graph = prepare(detector())
    assert {bool(site.producer and site.readers) for site in sites(graph).values()} == {True, False}
    before, after = (tensors(each, image()) for each in (graph, equalized(graph, uneven(graph))))
    for name in graph.outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-3, atol=1e-4)


def test_tensors_are_found_however_they_get_to_their_readers():
    result = sites(branched())
    assert {name for name, site in result.items() if site.producer and site.readers} == {
        "first",
        "other",
    }
    assert {(node.output, first) for node, first in result["first"].readers} == {
        ("dense", 0),
        ("dense", 6),
        ("deep", 0),
    }
    assert [(node.output, first) for node, first in result["other"].readers] == [("dense", 4)]


def test_where_a_factor_does_not_pass_one_side_has_an_operator_for_it():
    detections = sites(prepare(detector(activation="HardSwish")))
    assert detections["last"].producer is None
    assert [node.output for node, _ in detections["last"].readers] == ["scores", "boxes"]
    assert detections["last_plain"].producer.output == "last_plain"
    assert detections["last_plain"].readers == ()
    graph = prepare(detector())
    assert detections.keys().isdisjoint(graph.outputs)
    assert sites(graph)["last"].producer is not None
    histograms = graph.rebuilt(outputs=[*graph.outputs, "last"])
    assert sites(histograms)["last"].producer is None  # what is seen stays what it is


def test_vectors_are_left_alone():
    net = Builder()
    mean = net.add("GlobalAveragePool", "mean", "image")
    net.conv("gate", net.add("Sigmoid", "squeezed", mean), (3, 3, 1, 1))
    net.add("Mul", "weighed", "image", "gate")
    net.conv("last", "weighed", (2, 3, 1, 1))
    result = sites(net.graph("last"))
    assert set(result) == {"weighed"}


def test_in_front_of_layers_that_are_float_nothing_is_multiplied():
    graph = prepare(detector(activation="HardSwish"))
    level = equalized(graph, uneven(graph))
    whole = plan(level, min_max_spec(level, image()), "ncnn")
    for kept in (set(), {"n_boxes"}, {"n_boxes", "n_scores"}):
        layers = {name: layer for name, layer in whole.layers.items() if name not in kept}
        planned = replace(whole, layers=layers)
        changed = settled(level, planned)
        readers = {node.name for node in changed.consumers.get(equalized_name("last"), ())}
        assert readers == {"n_boxes", "n_scores"} - kept
        before, after = (tensors(simulate(g, planned), image()) for g in (level, changed))
        for name in graph.outputs:
            np.testing.assert_allclose(after[name], before[name], rtol=1e-3, atol=1e-3)


def test_a_network_that_is_all_float_has_no_multiplication():
    graph = prepare(detector(activation="HardSwish"))
    level = equalized(graph, uneven(graph))
    changed = settled(level, Plan("tflite", {}, frozenset(), {}, frozenset()))
    assert [node.op for node in changed.nodes] == [node.op for node in graph.nodes]
    before, after = (tensors(each, image()) for each in (graph, changed))
    for name in graph.outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-4, atol=1e-5)


def multiplied(*, output: bool = False) -> Graph:
    """A convolution, a factor for each channel, and a convolution."""
    net = Builder()
    net.constant("factors", np.array([1, 2, 4, 8], np.float32).reshape(1, 4, 1, 1))
    net.conv("before", "image", (4, 3, 1, 1))
    net.add("Mul", "product", "before", "factors")
    net.conv("after", "product", (2, 4, 1, 1))
    return net.graph("after", *(["product"] if output else []))


def test_a_factor_between_float_layers_is_taken_up_once():
    for graph, operators in ((multiplied(), ["Conv", "Conv"]), (multiplied(output=True), None)):
        changed = settled(graph, Plan("tflite", {}, frozenset(), {}, frozenset()))
        assert operators is None or [node.op for node in changed.nodes] == operators
        before, after = (tensors(each, image()) for each in (graph, changed))
        for name in graph.outputs:
            np.testing.assert_allclose(after[name], before[name], rtol=1e-4, atol=1e-5)


def test_a_product_that_is_kept_as_codes_stays():
    graph = multiplied()
    spec = min_max_spec(graph, image(), float_layers=("n_before",))
    planned = plan(graph, spec, "tflite")
    assert planned.tensors.keys() == {"image", "product", "after"}
    assert [node.op for node in settled(graph, planned).nodes] == ["Conv", "Mul", "Conv"]


def test_only_a_factor_for_each_channel_is_one():
    net = Builder()
    net.constant("factors", np.ones((1, 4, 1, 1), np.float32))
    net.constant("negative", np.array([1, 1, -1], np.float32).reshape(1, 3, 1, 1))
    net.conv("narrow", "image", (1, 3, 1, 1))
    net.conv("wide", "image", (4, 3, 1, 1))
    names = [
        net.add("Mul", "spread", "narrow", "factors"),
        net.add("Mul", "turned", "image", "negative"),
        net.add("Mul", "square", "wide", "wide"),
        net.add("Mul", "plain", "wide", "factors"),
    ]
    graph = net.graph(*names)
    results = [node.output for node in graph.nodes if multiplier(graph, node) is not None]
    assert results == ["plain"]


def test_weights_that_two_layers_share_are_not_changed_for_both():
    net = Builder()
    net.conv("one", "image", (3, 3, 1, 1))
    net.conv("two", "one", (3, 3, 1, 1))
    net.add("Conv", "three", "image", "one/weight", "one/bias", kernel_shape=(1, 1))
    graph = net.graph("two", "three")
    before, after = (tensors(g, image()) for g in (graph, equalized(graph, uneven(graph))))
    for name in graph.outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-3, atol=1e-4)


def test_factors_that_do_not_fit_are_refused_by_name():
    graph = prepare(detector())
    with pytest.raises(CalibrationError, match="'scores', which no convolution gives or reads"):
        equalized(graph, {"scores": np.ones(2, np.float32)})
    with pytest.raises(CalibrationError, match="3 factors for 'last', which has 8 channels"):
        equalized(graph, {"last": np.ones(3, np.float32)})
    net = Builder()
    net.conv("first", "image", (4, 3, 1, 1))
    net.add("HardSwish", "first/scaled", "first")
    graph = net.graph(net.conv("last", "first/scaled", (2, 4, 1, 1)))
    with pytest.raises(CalibrationError, match="'first' cannot be equalized: 'first/scaled' ex"):
        equalized(graph, {"first": np.ones(4, np.float32)})
