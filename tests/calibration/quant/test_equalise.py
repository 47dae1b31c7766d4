from __future__ import annotations

import numpy as np
import pytest
from quant_graphs import Builder, detector, image, pictures
from quant_references import tensors

from calibration.graph import Graph
from calibration.quant.equalise import balance, equalised, sites
from calibration.quant.prepare import prepare
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
    """Factors for all that can be equalised, of very different sizes."""
    random = np.random.default_rng(seed)
    return {
        name: np.exp2(random.uniform(-4, 4, graph.shapes[name][1])).astype(np.float32)
        for name in sites(graph)
    }


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", None])
def test_a_network_computes_the_same_when_it_is_equalised(activation):
    graph = branched() if activation is None else prepare(detector(activation=activation))
    factors = uneven(graph)
    changed = equalised(graph, factors)
    before, after = (tensors(each, image()) for each in (graph, changed))
    for name in graph.outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-3, atol=1e-4)
    for name, factor in factors.items():
        wanted = before[name] / factor.reshape(-1, 1, 1)
        np.testing.assert_allclose(after[name], wanted, rtol=1e-3, atol=1e-4)


def test_tensors_are_found_however_they_get_to_their_readers():
    found = sites(branched())
    assert set(found) == {"first", "other"}
    assert {(node.output, first) for node, first in found["first"].readers} == {
        ("dense", 0),
        ("dense", 6),
        ("deep", 0),
    }
    assert [(node.output, first) for node, first in found["other"].readers] == [("dense", 4)]


def test_what_a_factor_does_not_pass_through_is_left_alone():
    assert not sites(prepare(detector(activation="HardSwish"))).keys() & {"stem", "deep", "last"}
    graph = prepare(detector())
    assert "last" in sites(graph)
    assert sites(graph).keys().isdisjoint({"scores", "boxes", "up/apart"})  # ends; spread in space
    assert "last" not in sites(graph.rebuilt(outputs=[*graph.outputs, "last"]))


def test_weights_that_two_layers_share_are_not_changed_for_both():
    net = Builder()
    net.conv("one", "image", (3, 3, 1, 1))
    net.conv("two", "one", (3, 3, 1, 1))
    net.add("Conv", "three", "image", "one/weight", "one/bias", kernel_shape=(1, 1))
    graph = net.graph("two", "three")
    before, after = (tensors(g, image()) for g in (graph, equalised(graph, uneven(graph))))
    for name in graph.outputs:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-3, atol=1e-4)


def test_balance_shares_the_burden_with_weights_and_leaves_the_reach_of_the_tensor():
    net = Builder()
    net.conv("first", "image", (4, 3, 1, 1))
    net.conv("dense", "first", (2, 4, 1, 1))
    graph, inputs = net.graph("dense"), pictures(1)
    graph.constants["dense/weight"][:] = 1  # for which all channels count alike
    graph.constants["first/weight"][:] *= np.array([1, 4, 16, 64]).reshape(4, 1, 1, 1)
    (factor,) = balance(graph, inputs).values()
    values = inputs.picture(0, tensors(graph, inputs.real(0))["first"])
    reach = np.abs(values).max((0, 2, 3))
    level = reach / factor
    assert level.max() == pytest.approx(reach.max(), rel=1e-4)
    assert level.max() / level.min() == pytest.approx((reach.max() / reach.min()) ** 0.5, rel=1e-3)


def test_channels_that_only_a_depthwise_layer_reads_are_levelled():
    net = Builder()
    net.conv("first", "image", (4, 3, 1, 1))
    net.conv("deep", "first", (4, 1, 3, 3), group=4)
    graph = net.graph("deep")
    graph = equalised(graph, {"first": np.array([1, 2, 4, 8], np.float32)})
    inputs = pictures(2)
    level = equalised(graph, balance(graph, inputs))
    seen = [inputs.picture(i, tensors(level, inputs.real(i))["first"]) for i in range(2)]
    reach = np.abs(np.concatenate(seen)).max((0, 2, 3))
    np.testing.assert_allclose(reach, reach.max(), rtol=1e-3)


def test_a_silent_channel_gets_a_finite_factor():
    graph = branched()
    graph.constants["first_plain/weight"][1] = 0
    graph.constants["first_plain/bias"][1] = 0
    for factor in balance(graph, pictures(1)).values():
        assert np.isfinite(factor).all()
        assert (factor >= 1 / 16).all()


def test_factors_that_do_not_fit_are_refused_by_name():
    graph = prepare(detector())
    with pytest.raises(CalibrationError, match="'scores', which does not go from a convolution"):
        equalised(graph, {"scores": np.ones(2, np.float32)})
    with pytest.raises(CalibrationError, match="3 factors for 'last', which has 8 channels"):
        equalised(graph, {"last": np.ones(3, np.float32)})
