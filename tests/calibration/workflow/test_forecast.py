from __future__ import annotations

import pytest
from quant_graphs import Builder

from calibration.workflow.forecast import forecast


def chain(activation: str, *, depthwise: bool = False):
    """Six convolutions, every other one depthwise if asked for."""
    b = Builder()
    x = b.conv("stem", "image", (8, 3, 3, 3))
    for number in range(5):
        x = b.add(activation, f"act{number}", x)
        alone = depthwise and number % 2 == 0
        shape, group = ((8, 1, 3, 3), 8) if alone else ((8, 8, 3, 3), 1)
        x = b.conv(f"conv{number}", x, shape, group=group)
    return b.graph(x)


def test_a_network_of_silu_is_told_that_ncnn_cannot_compute_it_along():
    (text,) = forecast(chain("Silu"), ["tflite", "ncnn"])
    assert "5 of 6 convolutions have an activation (Silu)" in text
    assert "INT8 may be slower than fp16 in ncnn" in text


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", "HardSwish"])
def test_activations_that_are_computed_along_are_not_remarked_on(activation):
    assert forecast(chain(activation), ["ncnn"]) == []


def test_many_depthwise_layers_are_remarked_on():
    (text,) = forecast(chain("HardSwish", depthwise=True), ["ncnn"])
    assert "3 of 6 convolutions are depthwise" in text


def test_other_runtimes_compute_all_of_it_on_codes():
    assert forecast(chain("Silu", depthwise=True), ["tflite", "mnn", "onnxruntime"]) == []
