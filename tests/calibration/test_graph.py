import itertools

import numpy as np
import onnxruntime
import pytest

from calibration.graph import Change, Node, build, rewrite, to_model
from edge.errors import ModelError


def relu(source, target):
    return Node("Relu", f"relu {target}", (source,), (target,))


def chain(*names, outputs, constants=None):
    nodes = [relu(a, b) for a, b in itertools.pairwise(names)]
    return build(nodes, inputs={"x": (1, 2, 3, 4)}, outputs=outputs, constants=constants or {})


def test_nodes_stand_after_those_whose_outputs_they_read():
    nodes = [relu("b", "c"), relu("x", "a"), relu("a", "b")]
    graph = build(nodes, inputs={"x": (1, 2)}, outputs=["c"], constants={})
    assert [node.output for node in graph.nodes] == ["a", "b", "c"]


def test_what_no_output_needs_is_gone():
    graph = chain("x", "a", "b", "c", outputs=["b"], constants={"unread": np.zeros(3)})
    assert [node.output for node in graph.nodes] == ["a", "b"]
    assert not graph.constants


def test_every_shape_is_known():
    weight = np.zeros((5, 2, 3, 3), np.float32)
    conv = Node("Conv", "conv", ("x", "w"), ("y",), {"strides": (2, 1)})
    graph = build([conv], inputs={"x": (1, 2, 9, 8)}, outputs=["y"], constants={"w": weight})
    assert graph.shapes == {"x": (1, 2, 9, 8), "w": (5, 2, 3, 3), "y": (1, 5, 4, 6)}


def test_a_shape_that_depends_on_the_data_is_absent():
    graph = build(
        [Node("NonZero", "n", ("x",), ("y",))], inputs={"x": (2, 3)}, outputs=["y"], constants={}
    )
    assert "y" not in graph.shapes
    assert graph.dtypes["y"] == "int64"


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([relu("nowhere", "y")], "that nobody gives: nowhere"),
        ([relu("x", "y"), Node("Neg", "neg", ("x",), ("y",))], "given twice: y"),
        ([relu("a", "y"), relu("y", "a")], "its own output"),
        ([Node("MatMul", "m", ("x", "x"), ("y",))], "shapes do not fit"),
    ],
)
def test_parts_that_make_no_graph_are_refused(nodes, message):
    with pytest.raises(ModelError, match=message):
        build(nodes, inputs={"x": (1, 2, 3, 4)}, outputs=["y"], constants={})


def test_a_sole_consumer_is_no_consumer_of_an_output():
    graph = chain("x", "a", "b", outputs=["a", "b"])
    assert graph.sole_consumer("a") is None
    assert graph.sole_consumer("x") is graph.nodes[0]


def drop_relu_a(graph, node):
    return Change((node,), aliases={"a": "x"}) if node.name == "relu a" else None


def test_rewriting_replaces_a_tensor_everywhere():
    graph = rewrite(chain("x", "a", "b", outputs=["b"]), drop_relu_a)
    assert [node.inputs for node in graph.nodes] == [("x",)]


def test_an_output_keeps_its_name_when_its_node_goes():
    def drop_second(graph, node):
        return Change((node,), aliases={"b": "a"}) if node.name == "relu b" else None

    graph = rewrite(chain("x", "a", "b", outputs=["b"]), drop_second)
    assert [(node.inputs, node.outputs) for node in graph.nodes] == [(("x",), ("b",))]


def test_an_output_that_equals_another_tensor_that_is_fixed_is_copied():
    graph = rewrite(chain("x", "a", "b", outputs=["a", "b"]), drop_relu_a)
    assert [node.op for node in graph.nodes if "a" in node.outputs] == ["Identity"]
    assert graph.outputs == ("a", "b")


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (Node("Silu", "n", ("x",), ("y",)), lambda x: x / (1 + np.exp(-x))),
        (
            Node("ChannelShuffle", "n", ("x",), ("y",), {"groups": 3}),
            lambda x: x.reshape(1, 3, 2, 4, 5).swapaxes(1, 2).reshape(x.shape),
        ),
    ],
)
def test_composites_are_written_as_plain_onnx(node, expected):
    graph = build([node], inputs={"x": (1, 6, 4, 5)}, outputs=["y"], constants={})
    assert graph.shapes["y"] == (1, 6, 4, 5)
    x = np.random.default_rng(0).standard_normal((1, 6, 4, 5)).astype(np.float32)
    session = onnxruntime.InferenceSession(to_model(graph).SerializeToString())
    np.testing.assert_allclose(session.run(None, {"x": x})[0], expected(x), rtol=1e-5, atol=1e-6)


def test_an_attribute_of_another_type_is_named():
    node = Node("Conv", "stem", (), (), {"group": "two", "pads": (1.5,)})
    with pytest.raises(ModelError, match=r"stem \(Conv\): attribute group is 'two'"):
        node.get("group", 1)
    with pytest.raises(ModelError, match="attribute pads"):
        node.ints("pads")
