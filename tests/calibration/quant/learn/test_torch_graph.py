from __future__ import annotations

import numpy as np
import pytest
from emitted import canonical
from operator_cases import OPERATORS as CASES
from operator_cases import Case, _slice
from quant_graphs import Builder, detector, image
from quant_references import run

torch = pytest.importorskip("torch")

from calibration.quant.learn.torch_graph import OPERATORS, TorchGraph  # noqa: E402
from calibration.quant.plan.prepare import prepare  # noqa: E402
from edge.errors import CalibrationError  # noqa: E402


def plain(kind, *constants, **attributes):
    return Case(lambda b, x: b.op(kind, x, *constants, **attributes))


# What no case there has: operators, or forms of them, that other runtimes need not know.
MORE = {
    "absolute value": plain("Abs"),
    "average pool, ceil": plain(
        "AveragePool", kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), ceil_mode=1
    ),
    "error function": plain("Erf"),
    "identity": Case(lambda b, x: [y := b.op("Relu", x), b.op("Identity", y)]),
    "global max pool": plain("GlobalMaxPool"),
    "greatest channel": plain("ReduceMax", axes=(1,)),
    "least channel": plain("ReduceMin", axes=(1,), keepdims=0),
    "length": plain("ReduceL2", axes=(2, 3)),
    "max pool with uneven padding": plain(
        "MaxPool", kernel_shape=(3, 3), strides=(2, 2), pads=(0, 0, 1, 1)
    ),
    "reciprocal": Case(lambda b, x: b.op("Reciprocal", b.op("Exp", x))),
    "slice of rows and channels": Case(lambda b, x: _slice(b, _slice(b, x, -5, -1, 2), 3, 8, 1, 2)),
    "softmax over the last axis": plain("Softmax", axis=-1),
    "sum": plain("ReduceSum", np.array([1], np.int64)),
}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", [*CASES, *MORE])
def test_every_operator_gives_what_onnx_runtime_gives(name, count):
    case = (CASES | MORE)[name]
    graph = canonical(case.content())
    photos = np.concatenate([image(i, case.shape) * 4 - 2 for i in range(count)])
    together = TorchGraph(graph)(torch.from_numpy(photos))
    for index in range(count):
        expected = run(graph, photos[index : index + 1])
        for name, values in zip(graph.outputs, together, strict=True):
            assert values.shape == (count, *graph.shapes[name][1:])
            spread = np.abs(expected[name]).max()
            assert np.abs(values[index].numpy() - expected[name][0]).max() < 1e-5 * spread


def test_no_operator_is_without_a_case():
    graphs = [canonical(case.content()) for case in (CASES | MORE).values()]
    assert {node.op for graph in graphs for node in graph.nodes} == set(OPERATORS)


@pytest.mark.parametrize("activation", ["Relu", "HardSwish"])
def test_batches_are_their_images(activation):
    graph = prepare(detector(activation=activation))
    network = TorchGraph(graph)
    images = np.concatenate([image(seed=seed) for seed in range(3)])
    together = network(torch.from_numpy(images))
    for index in range(3):
        for name, values in zip(graph.outputs, together, strict=True):
            expected = run(graph, images[index : index + 1])[name]
            np.testing.assert_allclose(values[index].numpy(), expected[0], atol=1e-5)


def test_unknown_operators_are_named():
    net = Builder()
    net.add("Cos", "a", "image")
    net.add("Sin", "b", "a")
    with pytest.raises(CalibrationError, match="the operators Cos, Sin"):
        TorchGraph(net.graph("b"))
