from __future__ import annotations

import numpy as np
import pytest
from quant_graphs import Builder, detector, image
from quant_references import run

torch = pytest.importorskip("torch")

from calibration.quant.learn.torch_graph import OPERATORS, TorchGraph  # noqa: E402
from calibration.quant.plan.prepare import prepare  # noqa: E402
from edge.errors import CalibrationError  # noqa: E402


def zoo():
    """Every operator that is known, in one network."""
    net = Builder(shape=(1, 4, 8, 8))
    net.constant("two", 2.0)
    net.constant("low", -0.5)
    net.constant("high", 1.5)
    net.constant("twice", [1, 1, 2, 2])
    net.constant("pads", [0, 0, 1, 0, 0, 0, 2, 1], np.int64)
    net.constant("halves", [2, 2], np.int64)
    net.constant("flat", [1, 4, 64], np.int64)
    net.constant("square", np.eye(64) * 2)
    for name, number in (("first", 1), ("last", 7), ("axis", 2), ("stride", 2)):
        net.constant(name, [number], np.int64)
    for op in ("HardSwish", "Identity", "Mish", "Relu", "Sigmoid", "Silu", "GlobalAveragePool"):
        net.add(op, op, "image")
    for op in ("Add", "Div", "Mul", "Sub"):
        net.add(op, op, "image", "two")
    net.add("Clip", "Clip", "image", "low", "high")
    net.add("HardSigmoid", "HardSigmoid", "image", alpha=0.3, beta=0.4)
    net.add("LeakyRelu", "LeakyRelu", "image", alpha=0.2)
    window = {"kernel_shape": (3, 3), "strides": (2, 2)}
    net.add("MaxPool", "MaxPool", "image", pads=(0, 0, 1, 1), **window)
    net.add("AveragePool", "AveragePool", "image", pads=(1, 1, 1, 1), **window)
    net.add("ChannelShuffle", "ChannelShuffle", "image", groups=2)
    net.add("DepthToSpace", "DepthToSpace", "image", blocksize=2, mode="DCR")
    net.add("DepthToSpace", "Crd", "image", blocksize=2, mode="CRD")
    net.add("Resize", "Resize", "image", "", "twice", mode="nearest")
    net.add("Resize", "Smooth", "image", "", "twice", mode="linear")
    net.add("Pad", "Pad", "image", "pads")
    net.add("Split", "Split", "image", "halves", outputs=("Split", "other"), axis=1)
    net.add("Concat", "Concat", "other", "Split", axis=1)
    net.add("Slice", "Slice", "image", "first", "last", "axis", "stride")
    net.add("Reshape", "Reshape", "image", "flat")
    net.add("Transpose", "Transpose", "image", perm=(0, 2, 3, 1))
    net.add("Softmax", "Softmax", "image", axis=1)
    net.add("MatMul", "MatMul", "Reshape", "square")
    net.conv("Conv", "image", (6, 2, 3, 3), group=2, strides=(2, 1), pads=(1, 0, 2, 1))
    net.conv("Even", "image", (4, 4, 3, 3), bias=False, dilations=(2, 2), pads=(2, 2, 2, 2))
    net.conv("ConvTranspose", "image", (4, 3, 4, 4), op="ConvTranspose", strides=(2, 2))
    extra = ["Crd", "Smooth", "Even"]
    return net.graph(*OPERATORS, *extra)


def test_every_operator_agrees_with_onnx_runtime():
    graph, photo = zoo(), image(shape=(1, 4, 8, 8)) * 4 - 2
    assert {node.op for node in graph.nodes} == set(OPERATORS)
    result = TorchGraph(graph)(torch.from_numpy(photo))
    for (name, expected), values in zip(run(graph, photo).items(), result, strict=True):
        np.testing.assert_allclose(values.numpy(), expected, atol=2e-6, err_msg=name)


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
    net.add("Erf", "a", "image")
    net.add("Sin", "b", "a")
    with pytest.raises(CalibrationError, match="the operators Erf, Sin"):
        TorchGraph(net.graph("b"))
