from dataclasses import replace

import int8_cases
import numpy as np
import pytest
from emitted import canonical
from int8_cases import images, network, ratios
from operator_cases import Builder
from plans import outputs, plan_of, simulated

from calibration.emit import CannotEmitError, emitter
from edge.backends import host

MNN = pytest.importorskip("MNN")
ACTIVATIONS = [("Relu", {}), ("LeakyRelu", {"alpha": 0.1}), ("HardSwish", {})]


def operators(files):
    """The types of the operators that run, by name."""
    with host.path_of(files["mnn"]) as path:
        interpreter = MNN.Interpreter(path)
    session = interpreter.createSession({"backend": "CPU", "numThread": 1, "precision": "high"})
    results = {}

    def note(_, operator):
        results[operator.getName()] = operator.getType().strip()
        return True

    interpreter.runSessionWithCallBackInfo(session, note, lambda _, __: True)
    return results


@pytest.mark.parametrize(("activation", "attributes"), ACTIVATIONS)
def test_it_is_as_far_from_float_as_the_plan(activation, attributes):
    graph = network(activation, **attributes)
    plan, image = plan_of(graph, images(4), "mnn"), images(1, seed=9)[0]
    exact = outputs(graph, image)
    expected, result = simulated(graph, plan, image), int8_cases.run(graph, plan, image)
    assert min(ratios(expected, exact)) > 30
    assert ratios(result, exact) == pytest.approx(ratios(expected, exact), abs=1)


def test_exactly_the_layers_of_the_plan_run_on_codes():
    graph = network("LeakyRelu", alpha=0.1)
    plan = plan_of(graph, images(2), "mnn", skip={"node_down"})
    result = operators(emitter("mnn")(graph, plan=plan))
    convolutions = {n: kind for n, kind in result.items() if kind.startswith("Convolution")}
    float_ones = {n for n, kind in convolutions.items() if "INT8" not in kind}
    assert (len(convolutions), float_ones) == (10, {"down"})


def test_a_whole_plan_computes_on_codes_to_the_heads():
    graph = network("LeakyRelu", alpha=0.1)
    result = operators(emitter("mnn")(graph, plan=plan_of(graph, images(2), "mnn")))
    float_layers = {name for name, kind in result.items() if "INT8" not in kind}
    assert all(name.startswith(("scores", "boxes")) for name in float_layers)
    assert sum(kind == "PReLU [ DT_INT8 ]" for kind in result.values()) == 7


def test_weights_have_the_codes_of_the_plan_and_not_the_nearest_ones():
    graph = network()
    plan, image = plan_of(graph, images(2), "mnn"), images(1, seed=9)[0]
    layer = plan.layers["node_boxes"]
    other = replace(layer, weight=-layer.weight, bias=layer.bias * 0)
    changed = replace(plan, layers={**plan.layers, "node_boxes": other})
    result, expected = int8_cases.run(graph, changed, image), simulated(graph, changed, image)
    assert min(ratios(result, expected)) > 30


def test_outputs_that_are_float_in_the_plan_stay_as_they_are():
    graph = network()
    plan = plan_of(graph, images(2), "mnn", skip={"node_scores", "node_boxes"})
    image = images(1, seed=9)[0]
    result, expected = int8_cases.run(graph, plan, image), simulated(graph, plan, image)
    assert min(ratios(result, expected)) > 30
    assert all(np.unique(values).size > 256 for values in result)


def test_a_layer_that_would_stay_float_is_refused():
    graph = network()
    plan = plan_of(graph, images(1), "mnn")
    wrong = replace(plan, kept_in_int8=plan.kept_in_int8 - {"scores"})
    with pytest.raises(CannotEmitError, match=r"node_scores \(Conv\): it gives codes here"):
        emitter("mnn")(graph, plan=wrong)


@pytest.mark.parametrize(("window", "side"), [(13, 10), (13, 4), (5, 3), (9, 10)])
def test_a_window_wider_than_the_image_is_pooled_as_in_the_plan(window, side):
    """In codes MNN's own way is wrong by 20 dB, as in the last stage of YOLOv7-tiny."""
    b = Builder(seed=2)
    around = (window // 2,) * 4
    x = b.op("Relu", b.conv("images", 3, 16, 3, pads=(1, 1, 1, 1), name="stem"))
    y = b.op("MaxPool", x, kernel_shape=(window,) * 2, strides=(1, 1), pads=around, name="pooled")
    joined = b.op("Concat", x, y, axis=1, name="joined")
    graph = canonical(b.model([b.conv(joined, 32, 8, name="last")], (1, 3, side, side)))
    random = np.random.default_rng(0)
    images = list(random.random((4, 1, 3, side, side), np.float32))
    plan = plan_of(graph, images, "mnn")
    exact, expected = outputs(graph, images[0]), simulated(graph, plan, images[0])
    result = int8_cases.run(graph, plan, images[0])
    assert ratios(result, exact) == pytest.approx(ratios(expected, exact), abs=1.5)
    assert min(ratios(result, expected)) > 35
