from dataclasses import replace

import int8_cases
import numpy as np
import pytest
from emitted import canonical
from int8_cases import MOVES, images, network, ratios
from operator_cases import SHAPE, Builder
from plans import outputs, plan_of, simulated

from calibration.emit import CannotEmitError, emitter
from calibration.emit.tflite_int8 import code
from calibration.quant.plan.plan import QuantParams

interpreter = pytest.importorskip("ai_edge_litert.interpreter")
ACTIVATIONS = [("Relu", {}), ("LeakyRelu", {"alpha": 0.1}), ("HardSwish", {}), ("Sigmoid", {})]


def loaded(files):
    kind = interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    result = interpreter.Interpreter(
        model_content=files["tflite"], experimental_op_resolver_type=kind
    )
    result.allocate_tensors()
    return result


def types(files):
    """The element types of each operator's inputs and outputs, constants of whole numbers aside."""
    result = loaded(files)
    kinds = {d["index"]: np.dtype(d["dtype"]).name for d in result.get_tensor_details()}
    return [
        (op["op_name"], kinds[op["inputs"][0]], kinds[op["outputs"][0]])
        for op in result._get_ops_details()
    ]


@pytest.mark.parametrize(("activation", "attributes"), ACTIVATIONS)
def test_it_is_as_far_from_float_as_the_plan(activation, attributes):
    graph = network(activation, **attributes)
    plan, image = plan_of(graph, images(4), "tflite"), images(1, seed=9)[0]
    exact = outputs(graph, image)
    expected, result = simulated(graph, plan, image), int8_cases.run(graph, plan, image)
    assert min(ratios(expected, exact)) > 30
    assert ratios(result, exact) == pytest.approx(ratios(expected, exact), abs=1)


def test_a_whole_plan_leaves_no_float_tensor():
    graph = network("LeakyRelu", alpha=0.1)
    files = emitter("tflite")(graph, plan=plan_of(graph, images(2), "tflite"))
    kinds = {kind for _, *pair in types(files) for kind in pair}
    assert kinds == {"int8"}


def test_floats_begin_and_end_with_a_conversion():
    graph = network("HardSwish")
    plan = plan_of(graph, images(2), "tflite", skip={"node_square"})
    plan = replace(plan, pass_through=plan.pass_through - {"node_near"})
    result = types(emitter("tflite")(graph, plan=plan))
    assert result.count(("CONV_2D", "float32", "float32")) == 1
    assert result.count(("CONV_2D", "int8", "int8")) == 8
    assert ("RESIZE_NEAREST_NEIGHBOR", "float32", "float32") in result
    assert ("HARD_SWISH", "int8", "int8") not in result  # no move of this plan
    image = images(1, seed=9)[0]
    assert min(ratios(int8_cases.run(graph, plan, image), outputs(graph, image))) > 30


def test_inputs_and_outputs_are_codes_where_the_plan_stores_them():
    graph = network()
    plan = plan_of(graph, images(2), "tflite")
    pixels = QuantParams(1 / 255, -128, -128, 127)
    plan = replace(plan, tensors={**plan.tensors, "images": pixels})
    result = loaded(emitter("tflite")(graph, plan=plan))
    (fed,), given = result.get_input_details(), result.get_output_details()
    assert (fed["dtype"], fed["quantization"]) == (np.int8, (pytest.approx(1 / 255), -128))
    for detail in given:
        grid = plan.tensors[detail["name"]]
        assert detail["quantization"] == (pytest.approx(grid.scale), grid.zero_point)
    float_package = replace(plan, kept_in_int8=plan.kept_in_int8 - {"images"})
    (fed,) = loaded(emitter("tflite")(graph, plan=float_package)).get_input_details()
    assert fed["dtype"] == np.float32


@pytest.mark.parametrize("name", MOVES)
def test_an_operator_computes_on_codes_alone(name):
    b = Builder()
    histograms = b.conv("images", 8, 8, name="conv")
    graph = canonical(b.model([MOVES[name](b, histograms), histograms], SHAPE))
    moved = graph.nodes[1]
    plan = plan_of(graph, images(4, SHAPE), "tflite")
    grid = plan.tensors["conv"]
    outer = replace(grid, scale=grid.scale * 0.7) if name in ("leaky", "hard swish") else grid
    plan = replace(
        plan,
        tensors={**plan.tensors, **dict.fromkeys(moved.outputs, outer)},
        kept_in_int8=plan.kept_in_int8 | set(moved.outputs),
        pass_through=frozenset({moved.name}),
    )
    image, files = images(1, SHAPE, seed=3)[0], emitter("tflite")(graph, plan=plan)
    result, expected = int8_cases.run(graph, plan, image, files), simulated(graph, plan, image)
    assert np.abs(result[0] - expected[0]).max() <= outer.scale * 1.01
    assert {kind for _, *pair in types(files) for kind in pair} == {"int8"}


def test_what_takes_no_codes_is_refused_by_name():
    graph = network()
    plan = plan_of(graph, images(1), "tflite")
    wrong = replace(plan, tensors={**plan.tensors, "pooled": QuantParams(1.0)})
    with pytest.raises(CannotEmitError, match=r"node_pooled \(MaxPool\): its tensors have diff"):
        emitter("tflite")(graph, plan=wrong)
    b = Builder()
    graph = canonical(b.model([b.op("Sigmoid", b.conv("images", 8, 8))], SHAPE))
    plan = plan_of(graph, images(1, SHAPE), "tflite")
    wrong = replace(
        plan,
        tensors=dict.fromkeys(graph.shapes, QuantParams(1.0)),
        kept_in_int8=frozenset(graph.shapes),
        pass_through=frozenset({graph.nodes[1].name}),
    )
    with pytest.raises(CannotEmitError, match=r"\(Sigmoid\): it is not written on codes"):
        emitter("tflite")(graph, plan=wrong)


def test_the_same_plan_gives_the_same_bytes():
    graph = network("LeakyRelu", alpha=0.1)
    plan = plan_of(graph, images(1), "tflite", skip={"node_down"})
    assert emitter("tflite")(graph, plan=plan) == emitter("tflite")(graph, plan=plan)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, -10),
        (0.24, -10),
        (0.26, -9),
        (-0.26, -11),
        (0.74, -9),
        (0.76, -8),
        (99, 127),
        (-99, -128),
    ],
)
def test_a_code_is_the_nearest_one(value, expected):
    assert code(value, QuantParams(0.5, -10)) == expected
