from collections import Counter
from dataclasses import replace

import int8_cases
import numpy as np
import onnx
import onnxruntime
import pytest
from int8_cases import images, network, ratios
from plans import outputs, plan_of, simulated

from calibration.emit import CannotEmitError, emitter

ACTIVATIONS = [("Relu", {}), ("LeakyRelu", {"alpha": 0.1}), ("HardSwish", {}), ("Sigmoid", {})]


def optimized(files, tmp_path):
    """The operators that ONNX Runtime makes of a file."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(files["onnx"], options, providers=["CPUExecutionProvider"])
    model = onnx.load(options.optimized_model_filepath)
    return Counter(node.op_type for node in model.graph.node)


@pytest.mark.parametrize(("activation", "attributes"), ACTIVATIONS)
def test_it_computes_the_plan(activation, attributes):
    graph = network(activation, **attributes)
    plan, image = plan_of(graph, images(4), "onnxruntime"), images(1, seed=9)[0]
    exact = outputs(graph, image)
    expected, result = simulated(graph, plan, image), int8_cases.run(graph, plan, image)
    assert min(ratios(expected, exact)) > 30
    assert ratios(result, exact) == pytest.approx(ratios(expected, exact), abs=1)


@pytest.mark.parametrize(("activation", "attributes"), ACTIVATIONS)
def test_every_convolution_of_the_plan_runs_on_codes(activation, attributes, tmp_path):
    graph = network(activation, **attributes)
    plan = plan_of(graph, images(2), "onnxruntime", skip={"node_down"})
    files = emitter("onnxruntime")(graph, plan=plan)
    result = optimized(files, tmp_path)
    assert result["QLinearConv"] == len(plan.layers) == 9
    assert result["Conv"] + result["FusedConv"] == 1
    assert result["QLinearLeakyRelu"] == 6 * (activation == "LeakyRelu")


def test_limits_below_those_of_a_byte_are_kept():
    graph = network()
    plan, image = plan_of(graph, images(4), "onnxruntime"), images(1, seed=9)[0]
    narrow = {name: replace(grid, low=-100, high=20) for name, grid in plan.tensors.items()}
    plan = replace(plan, tensors=narrow)
    highest = [(20 - narrow[name].zero_point) * narrow[name].scale for name in graph.outputs]
    lowest = [(-100 - narrow[name].zero_point) * narrow[name].scale for name in graph.outputs]
    for values, low, high in zip(int8_cases.run(graph, plan, image), lowest, highest, strict=True):
        assert low * 1.001 <= values.min() < values.max() <= high * 1.001


def test_a_layer_that_would_run_in_floats_is_refused():
    graph = network()
    plan = plan_of(graph, images(1), "onnxruntime")
    wrong = replace(plan, kept_in_int8=plan.kept_in_int8 - {"scores"})
    with pytest.raises(CannotEmitError, match=r"node_scores \(Conv\): it gives codes here"):
        emitter("onnxruntime")(graph, plan=wrong)


def test_float_weights_are_halved_and_scales_are_not():
    graph = network()
    plan = plan_of(graph, images(1), "onnxruntime", skip={"node_square"})
    model = onnx.load_from_string(emitter("onnxruntime")(graph, plan=plan, half=True)["onnx"])
    halved = {i.name for i in model.graph.initializer if i.data_type == onnx.TensorProto.FLOAT16}
    assert halved == {f"{graph.nodes[2].inputs[1]}/half"}
    assert np.prod(graph.shapes[graph.nodes[2].inputs[1]]) == 24 * 16 * 9
