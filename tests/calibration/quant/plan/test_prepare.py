from __future__ import annotations

import numpy as np
import pytest
from quant_graphs import Builder, detector, image
from quant_references import run

from calibration.quant.plan.prepare import prepare


@pytest.mark.parametrize("bias", [True, False])
def test_a_doubling_transposed_convolution_becomes_two_nodes_that_int8_has(bias):
    net = Builder()
    net.conv("up", "image", (3, 5, 2, 2), op="ConvTranspose", bias=bias, strides=(2, 2))
    graph = net.graph("up")
    changed = prepare(graph)
    assert [node.op for node in changed.nodes] == ["Conv", "DepthToSpace"]
    result, expected = run(changed, image())["up"], run(graph, image())["up"]
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_other_transposed_convolutions_stay():
    for attributes in ({"strides": (1, 1)}, {"strides": (2, 2), "output_padding": (1, 1)}):
        net = Builder()
        net.conv("up", "image", (3, 5, 2, 2), op="ConvTranspose", **attributes)
        graph = net.graph("up")
        assert [node.op for node in prepare(graph).nodes] == ["ConvTranspose"]


def test_a_network_keeps_its_outputs_and_their_names():
    graph = detector()
    changed = prepare(graph)
    assert changed.outputs == graph.outputs
    for name, values in run(graph, image()).items():
        np.testing.assert_allclose(run(changed, image())[name], values, atol=1e-5)
