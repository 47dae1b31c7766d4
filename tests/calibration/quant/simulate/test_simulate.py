from __future__ import annotations

import numpy as np
import pytest
from quant_graphs import Builder, detector, image
from quant_references import codes, integer_convolution, min_max_spec, run, tensors

from calibration.quant.plan import structure
from calibration.quant.plan.planning import plan
from calibration.quant.plan.prepare import prepare
from calibration.quant.simulate.simulate import simulate
from calibration.runtimes import RUNTIMES, runtime

TARGETS = sorted(RUNTIMES)


@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu", "HardSwish"])
@pytest.mark.parametrize("target", TARGETS)
def test_every_layer_gives_what_whole_numbers_give(target, activation):
    graph = prepare(detector(activation=activation))
    planned = plan(graph, min_max_spec(graph, image()), target)
    simulated = simulate(graph, planned)
    values = tensors(simulated, image())
    values["image"] = values.get("image/rounded", image())
    for node in structure.convolutions(graph):
        layer, grid = planned.layers[node.name], planned.tensors[node.inputs[0]]
        source = codes(values[node.inputs[0]], grid)
        expected = integer_convolution(node, layer, grid, source)
        name = f"{node.output}/exact" if node.output in planned.kept_in_int8 else node.output
        step = (layer.weight_scales * grid.scale).reshape(-1, 1, 1)  # of int32 biases
        allowed = 1e-4 + (step / 2 if runtime(target).integer_bias else 0)
        assert (np.abs(values[name] - expected) <= allowed).all(), node.name


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_stored_lies_on_its_grid(target):
    graph = prepare(detector(activation="LeakyRelu"))
    planned = plan(graph, min_max_spec(graph, image()), target)
    values = tensors(simulate(graph, planned), image(seed=3) * 3)
    values["image"] = values.get("image/rounded", values["image"])
    for name in planned.kept_in_int8:
        grid = planned.tensors[name]
        result = values[name]
        again = (codes(result, grid) - grid.zero_point) * np.float32(grid.scale)
        np.testing.assert_allclose(result, again, atol=grid.scale * 1e-3)
    assert planned.kept_in_int8


def test_symmetric_codes_stop_at_minus_127():
    net = Builder(shape=(1, 2, 4, 4))
    net.conv("plain", "image", (2, 2, 1, 1), bias=False)
    graph = net.graph("plain")
    photo = image(shape=(1, 2, 4, 4)) - 0.5
    planned = plan(graph, min_max_spec(graph, photo), "ncnn")
    result = tensors(simulate(graph, planned), photo * 9)["image/rounded"]
    assert result.min() == pytest.approx(-127 * planned.tensors["image"].scale)


def test_a_plan_without_layers_is_the_float_network():
    graph = prepare(detector())
    every = tuple(node.name for node in structure.convolutions(graph))
    planned = plan(graph, min_max_spec(graph, image(), float_layers=every), "ncnn")
    assert not planned.tensors
    for name, values in run(simulate(graph, planned), image()).items():
        np.testing.assert_array_equal(values, run(graph, image())[name])


@pytest.mark.parametrize("target", TARGETS)
def test_the_simulation_keeps_the_outputs_near_the_float_ones(target):
    graph = prepare(detector())
    result = run(simulate(graph, plan(graph, min_max_spec(graph, image()), target)), image())
    for name, expected in run(graph, image()).items():
        noise = ((result[name] - expected) ** 2).sum() / (expected**2).sum()
        assert 0 < noise < 0.01
