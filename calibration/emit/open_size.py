"""Files that take images of any size, of graphs whose operators do."""

from __future__ import annotations

import onnx

from calibration.graph import Graph, Node, Shape, build
from edge.errors import ModelError

# What works alike on maps of any height and width, where no constant has the size of a map.
_ANY_SIZE = frozenset(
    {
        "Abs", "Add", "AveragePool", "Clip", "Concat", "Conv", "ConvTranspose", "DepthToSpace",
        "DequantizeLinear", "Div", "Elu", "Erf", "Exp", "Gelu", "GlobalAveragePool",
        "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Max",
        "MaxPool", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow", "QuantizeLinear", "Relu",
        "Resize", "Sigmoid", "Silu", "Softplus", "Split", "Sqrt", "Sub", "Tanh",
    }
)  # fmt: skip


def takes_any_size(graph: Graph) -> bool:
    """Whether a graph, which is of one size, computes the same on images of others.

    Its shapes are asked for at twice the size: a constant that is added to a map fits no more.
    """
    if not all(_is_free(graph, node) for node in graph.nodes):
        return False
    larger = {name: _twice(graph.shapes[name]) for name in graph.inputs}
    try:
        again = build(graph.nodes, inputs=larger, outputs=graph.outputs, constants=graph.constants)
    except ModelError:
        return False
    return all(again.shapes.get(name) == _twice(graph.shapes[name]) for name in graph.outputs)


def open_size(model: onnx.ModelProto) -> None:
    """Leave height and width of a model's one input open, and the shapes of its outputs."""
    for value in model.graph.input:
        _, _, height, width = value.type.tensor_type.shape.dim
        height.dim_param, width.dim_param = "height", "width"
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")


def _twice(shape: Shape) -> Shape:
    return (*shape[:-2], *(2 * size for size in shape[-2:]))


def _is_free(graph: Graph, node: Node) -> bool:
    if node.op not in _ANY_SIZE:
        return False
    if any(len(graph.shapes.get(name, ())) != 4 for name in node.outputs):
        return False
    return node.op != "Resize" or graph.values(node.input(2)) is not None  # by factors
