from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quant_graphs import detector, images
from quant_references import min_max_spec, run

from calibration.quant.plan.planning import plan
from calibration.quant.plan.prepare import prepare
from calibration.quant.simulate.incremental import IncrementalSimulator
from calibration.quant.simulate.simulate import simulate
from calibration.quant.spec.spec import LayerSpec
from calibration.runtimes import RUNTIMES


def changed(spec, **float_layers: str):
    """The spec with other layers float and one range halved."""
    scheme = spec.schemes["asymmetric"]
    low, high = scheme.ranges["neck"]
    ranges = {**scheme.ranges, "neck": (low / 2, high / 2)}
    return replace(
        spec, schemes={"asymmetric": replace(scheme, ranges=ranges, float_layers=float_layers)}
    )


@pytest.mark.parametrize("target", sorted(RUNTIMES))
@pytest.mark.parametrize("activation", ["Relu", "LeakyRelu"])
def test_a_trial_computes_what_the_simulation_does(target, activation):
    graph, inputs = prepare(detector(activation=activation)), images(2)
    spec = min_max_spec(graph, inputs.real(0))
    trial = IncrementalSimulator(graph, spec, target, inputs)
    trial.set_baseline(spec)
    other = changed(spec, n_boxes="asked for")
    for tried in (spec, other, spec):
        simulated = simulate(graph, plan(graph, tried, target))
        for index, outputs in enumerate(trial.outputs(tried)):
            expected = run(simulated, inputs.real(index))
            for name, result in zip(graph.outputs, outputs, strict=True):
                np.testing.assert_allclose(result, expected[name], atol=2e-5)


def test_a_new_base_changes_nothing_but_the_time():
    graph, inputs = prepare(detector()), images(2)
    spec = min_max_spec(graph, inputs.real(0))
    other = changed(spec)
    apart, joined = (IncrementalSimulator(graph, spec, "ncnn", inputs) for _ in range(2))
    joined.set_baseline(other)
    joined.set_baseline(spec)
    for tried in (other, spec, other):
        for result, expected in zip(joined.outputs(tried), apart.outputs(tried), strict=True):
            for values, value in zip(result, expected, strict=True):
                np.testing.assert_array_equal(values, value)


def test_without_rounding_it_is_the_float_network():
    graph, inputs = prepare(detector(activation="HardSwish")), images(2)
    trial = IncrementalSimulator(graph, min_max_spec(graph, inputs.real(0)), "ncnn", inputs)
    trial.set_baseline(min_max_spec(graph, inputs.real(0)))
    for index, outputs in enumerate(trial.outputs(None)):
        for name, result in zip(graph.outputs, outputs, strict=True):
            np.testing.assert_allclose(result, run(graph, inputs.real(index))[name], atol=1e-5)


def test_roundings_of_weights_and_of_activations_can_be_tried_apart():
    graph, inputs = prepare(detector()), images(1)
    spec = min_max_spec(graph, inputs.real(0))
    trial = IncrementalSimulator(graph, spec, "ncnn", inputs)
    scheme = spec.schemes["asymmetric"]
    fine = {
        name: LayerSpec(layer.weight_scales / np.float32(1e4))
        for name, layer in scheme.layers.items()
    }
    broken = replace(spec, schemes={"asymmetric": replace(scheme, layers=fine)})
    _same(trial.outputs(broken, "activations"), trial, spec)
    wide = dict.fromkeys(scheme.ranges, (0.0, 1e-6))
    crushed = replace(spec, schemes={"asymmetric": replace(scheme, ranges=wide)})
    for result, expected in zip(
        trial.outputs(crushed, "weights"), trial.outputs(spec, "weights"), strict=True
    ):
        for values, value in zip(result, expected, strict=True):
            np.testing.assert_array_equal(values, value)


def _same(outputs, trial, spec=None):
    for result, expected in zip(outputs, trial.outputs(spec, "activations"), strict=True):
        for values, value in zip(result, expected, strict=True):
            np.testing.assert_array_equal(values, value)
