from dataclasses import replace

import int8_cases
import numpy as np
import pytest
from emitted import canonical
from int8_cases import images, network, ratios
from operator_cases import Builder
from plans import outputs, plan_of, simulated

from calibration.emit import CannotEmitError, emitter
from calibration.quant.plan.plan import Int8Layer, Plan, QuantParams
from edge.errors import ModelError
from edge.formats.ncnn import read_network

ACTIVATIONS = [("Relu", {}), ("LeakyRelu", {"alpha": 0.1}), ("HardSwish", {}), ("Sigmoid", {})]


def layers_of(files):
    return {layer.name: layer for layer in read_network(files["param"], files["bin"]).layers}


@pytest.mark.parametrize(("activation", "attributes"), ACTIVATIONS)
def test_it_is_as_far_from_float_as_the_plan(activation, attributes):
    graph = network(activation, **attributes)
    plan, image = plan_of(graph, images(4), "ncnn"), images(1, seed=9)[0]
    exact = outputs(graph, image)
    expected, result = simulated(graph, plan, image), int8_cases.run(graph, plan, image)
    assert min(ratios(expected, exact)) > 25
    assert ratios(result, exact) == pytest.approx(ratios(expected, exact), abs=1)
    assert min(ratios(result, expected)) > min(ratios(expected, exact)) + 6


def test_codes_go_on_where_every_reader_is_a_convolution_of_the_plan():
    graph = network("LeakyRelu", alpha=0.1)
    plan = plan_of(graph, images(2), "ncnn")
    forms = {
        name: layer.whole(8) for name, layer in layers_of(emitter("ncnn")(graph, plan=plan)).items()
    }
    assert {name: form for name, form in forms.items() if form} == {
        "node_stem": 102,  # to one convolution
        "node_square": 102,  # through Split to two
        "node_left": 2,
        "node_right": 2,
        "node_down": 102,
        "node_depthwise": 1,
        "node_up": 2,
        "node_last": 102,
        "node_scores": 2,
        "node_boxes": 2,
    }


@pytest.mark.parametrize(("channels", "flag"), [(25, 0), (26, 64), (64, 64)])
def test_sums_that_winograd_might_overflow_are_computed_plainly(channels, flag):
    """All codes are 127, of the weight and of the image: the largest sums that there are."""
    b, shape = Builder(), (1, channels, 8, 8)
    x = b.op("Conv", "images", np.ones((16, channels, 3, 3), np.float32), name="heavy")
    graph, image = canonical(b.model([x], shape)), np.ones(shape, np.float32)
    plan = plan_of(graph, [image], "ncnn")
    files = emitter("ncnn")(graph, plan=plan)
    assert layers_of(files)["node_heavy"].whole(31) == flag
    result = int8_cases.run(graph, plan, image, files)[0]
    np.testing.assert_allclose(result, channels * 9, rtol=1e-5)


def refused(graph, plan):
    with pytest.raises(CannotEmitError) as caught:
        emitter("ncnn")(graph, plan=plan)
    return caught.value.reasons


def forced(graph):
    """A plan of convolutions that ncnn's policy leaves out."""
    nodes = [node for node in graph.nodes if node.op == "Conv"]
    shapes = {node.name: graph.shapes[node.inputs[1]] for node in nodes}
    layers = {
        name: Int8Layer(np.ones(shape, np.int8), np.ones(len(shape)), np.zeros(len(shape)))
        for name, shape in shapes.items()
    }
    grids = dict.fromkeys(graph.shapes, QuantParams(1.0))
    return Plan("ncnn", grids, frozenset(), layers, frozenset())


def test_grouped_convolutions_are_refused():
    b = Builder()
    graph = canonical(b.model([b.conv("images", 8, 8, 3, group=2, name="grouped")], (1, 8, 12, 16)))
    assert "NaN" in refused(graph, forced(graph))["node_grouped (Conv)"]


def test_convolutions_of_a_single_pixel_are_refused():
    b = Builder()
    squeezed = b.conv(b.op("GlobalAveragePool", "images"), 8, 4, name="squeezed")
    graph = canonical(b.model([b.op("Mul", squeezed, squeezed)], (1, 8, 12, 16)))
    assert list(refused(graph, forced(graph))) == ["node_squeezed (Conv)"]


def test_what_ncnn_cannot_hold_as_codes_is_refused_by_name():
    graph = network()
    plan = plan_of(graph, images(1), "ncnn")
    tensors = dict.fromkeys(graph.shapes, QuantParams(1.0)) | plan.tensors
    tensors["images"] = replace(tensors["images"], zero_point=-128, low=-128)
    wrong = replace(
        plan,
        tensors=tensors,
        kept_in_int8=plan.kept_in_int8 | {"images", "Relu_7", "scores"},
        pass_through=frozenset({"node_joined"}),
    )
    reasons = refused(graph, wrong)
    assert "around 0" in reasons["node_stem (Conv)"]
    assert "not what a convolution" in reasons["images"]
    assert "is an output" in reasons["node_scores (Conv)"]
    assert "hands on codes" in reasons["node_joined (Concat)"]


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"target": "mnn"}, "a plan for ncnn is wanted, got one for mnn"),
        ({"pass_through": frozenset({"node_other"})}, "speaks of a node node_other"),
        ({"tensors": {}}, "but images has no grid"),
        ({"kept_in_int8": frozenset({"other"})}, "stores other"),
    ],
)
@pytest.mark.parametrize("target", ["ncnn"])
def test_a_plan_of_something_else_is_refused(target, change, answer):
    graph = network()
    with pytest.raises(ModelError, match=answer):
        emitter(target)(graph, plan=replace(plan_of(graph, images(1), "ncnn"), **change))
