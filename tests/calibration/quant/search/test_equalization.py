from __future__ import annotations

import numpy as np
import pytest
from quant_graphs import MODEL, Builder, detector, images
from quant_references import tensors

pytest.importorskip("onnxruntime")

from calibration.graph import Graph
from calibration.quant.plan.equalize import equalized, equalized_name, sites
from calibration.quant.plan.prepare import prepare
from calibration.quant.search.equalization import balance, chosen, useful


def uneven(graph: Graph) -> Graph:
    """The network with channels of very unlike reach: in a tensor that is joined, and the last."""
    factor = np.exp2(np.linspace(-7, 0, 8)).astype(np.float32)
    graph.constants["body_plain/weight"][:] *= factor.reshape(-1, 1, 1, 1)
    graph.constants["body_plain/bias"][:] *= factor
    graph.constants["deep_plain/weight"][:] /= factor.reshape(1, -1, 1, 1)
    graph.constants["last_plain/weight"][:, 8:] /= factor.reshape(1, -1, 1, 1)
    graph.constants["last_plain/weight"][:] *= factor.reshape(-1, 1, 1, 1)
    graph.constants["last_plain/bias"][:] *= factor
    for name in ("scores", "boxes"):
        graph.constants[f"{name}/weight"][:] /= factor.reshape(1, -1, 1, 1)
    return graph


def test_balance_shares_the_burden_with_weights_and_leaves_the_reach_of_the_tensor():
    net = Builder()
    net.conv("first", "image", (4, 3, 1, 1))
    net.conv("dense", "first", (2, 4, 1, 1))
    graph, inputs = net.graph("dense"), images(1)
    graph.constants["dense/weight"][:] = 1  # for which all channels count alike
    graph.constants["first/weight"][:] *= np.array([1, 4, 16, 64]).reshape(4, 1, 1, 1)
    (factor,) = balance(graph, inputs, sites(graph)).values()
    values = inputs.image(0, tensors(graph, inputs.real(0))["first"])
    max_abs = np.abs(values).max((0, 2, 3))
    level = max_abs / factor
    assert level.max() == pytest.approx(max_abs.max(), rel=1e-4)
    assert level.max() / level.min() == pytest.approx(
        (max_abs.max() / max_abs.min()) ** 0.5, rel=1e-3
    )


def test_channels_that_only_a_depthwise_layer_reads_are_leveled():
    net = Builder()
    net.conv("first", "image", (4, 3, 1, 1))
    net.conv("deep", "first", (4, 1, 3, 3), group=4)
    graph = net.graph("deep")
    graph = equalized(graph, {"first": np.array([1, 2, 4, 8], np.float32)})
    inputs = images(2)
    level = equalized(graph, balance(graph, inputs, sites(graph)))
    histograms = [inputs.image(i, tensors(level, inputs.real(i))["first"]) for i in range(2)]
    max_abs = np.abs(np.concatenate(histograms)).max((0, 2, 3))
    np.testing.assert_allclose(max_abs, max_abs.max(), rtol=1e-3)


def test_a_silent_channel_gets_a_finite_factor():
    net = Builder()
    net.conv("first_plain", "image", (4, 3, 3, 3))
    net.conv("dense", net.add("Relu", "first", "first_plain"), (5, 4, 3, 3))
    graph = net.graph("dense")
    graph.constants["first_plain/weight"][1] = 0
    graph.constants["first_plain/bias"][1] = 0
    result = balance(graph, images(1), sites(graph))
    assert "first" in result
    for factor in result.values():
        assert np.isfinite(factor).all()
        assert (factor >= 1 / 256).all()


def test_a_tensor_is_multiplied_only_where_it_is_converted_anyhow():
    hard, plain = (prepare(detector(activation=name)) for name in ("HardSwish", "Relu"))
    inputs = images(1)
    result = useful(hard, inputs, "symmetric")
    assert "joined" in result  # floats, joined
    assert result.keys().isdisjoint({"stem", "last", "last_plain"})  # ncnn hands on codes there
    result = useful(hard, inputs, "asymmetric")
    assert {"stem", "last"} <= result.keys()  # its readers round it
    assert {"stem_plain", "last_plain"} <= result.keys()  # its producer rounds it
    assert "up/apart" not in result
    result = useful(plain, inputs, "asymmetric")
    assert {"stem", "last"} <= result.keys()
    assert all(site.producer and site.readers for site in result.values())


def test_a_depthwise_layer_is_worth_a_conversion():
    net = Builder()
    net.conv("first", "image", (4, 3, 1, 1))
    net.add("HardSwish", "swish", "first")
    net.conv("deep", "swish", (4, 1, 3, 3), group=4)
    assert "swish" in useful(net.graph("deep"), images(1), "symmetric")


@pytest.mark.parametrize("scheme", ["symmetric", "asymmetric"])
def test_unlike_channels_behind_an_activation_get_steps_of_their_own(scheme):
    graph, inputs = uneven(prepare(detector(activation="HardSwish"))), images(3)
    factors, losses = chosen(graph, MODEL, inputs, range(3), scheme)
    assert losses["with multiplications"] < 0.97 * losses["as it is"]
    assert factors
    level = equalized(graph, factors)
    assert any(node.op == "Mul" for node in level.nodes)
    assert any(name.endswith(equalized_name("")) for name in level.shapes)


def test_where_it_serves_the_heads_nothing_it_is_not_done(monkeypatch):
    monkeypatch.setattr("calibration.quant.search.equalization._WORTH", 1.0)
    graph = uneven(prepare(detector(activation="HardSwish")))
    factors, losses = chosen(graph, MODEL, images(2), range(2), "symmetric")
    assert factors == {}
    assert set(losses) == {"as it is", "with multiplications"}


def test_operators_that_take_time_must_be_worth_it(monkeypatch):
    graph = uneven(prepare(detector(activation="HardSwish")))
    module = "calibration.quant.search.equalization"
    monkeypatch.setattr(f"{module}._WORTH_TIME", 1.0)
    assert chosen(graph, MODEL, images(2), range(2), "asymmetric")[0] == {}
    assert chosen(graph, MODEL, images(2), range(2), "symmetric")[0]  # ncnn's cost none


def test_where_nothing_can_be_equalized_nothing_is_tried():
    net = Builder()
    net.conv("scores", "image", (2, 3, 1, 1))
    net.conv("boxes", "image", (4, 3, 1, 1))
    assert chosen(net.graph("scores", "boxes"), MODEL, images(1), range(1), "symmetric") == (
        {},
        {},
    )
