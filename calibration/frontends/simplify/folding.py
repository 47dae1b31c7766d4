"""Batch normalization and constants go into the convolution beside them."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from calibration.graph import Change, Graph, Node, Shape
from edge.types import AnyArray


def fold_batch_norm(graph: Graph, node: Node) -> Change | None:
    """BatchNormalization becomes a factor and a term per channel."""
    if node.op != "BatchNormalization":
        return None
    weights = [graph.values(name) for name in node.inputs[1:5]]
    rank = len(graph.shapes.get(node.inputs[0], ()))
    if any(values is None for values in weights) or rank < 2:
        return None
    gain, bias, mean, variance = (np.asarray(values, np.float64) for values in weights)
    factor = gain / np.sqrt(variance + node.get("epsilon", 1e-5))
    term = bias - mean * factor
    shape = (1, -1, *[1] * (rank - 2))
    names = [f"{node.output}/{part}" for part in ("factor", "scaled", "term")]
    return Change(
        (node,),
        (
            Node("Mul", f"{node.name}/factor", (node.inputs[0], names[0]), (names[1],)),
            Node("Add", node.name, (names[1], names[2]), node.outputs[:1]),
        ),
        {
            names[0]: factor.reshape(shape).astype(np.float32),
            names[2]: term.reshape(shape).astype(np.float32),
        },
    )


def fold_into_convolution(graph: Graph, node: Node) -> Change | None:
    """A constant per channel that is added to, or multiplies, a convolution goes into it."""
    if node.op not in ("Mul", "Div", "Add", "Sub"):
        return None
    operands = [graph.values(name) for name in node.inputs]
    if (operands[0] is None) == (operands[1] is None):
        return None
    side = 0 if operands[0] is not None else 1
    values = operands[side]
    source = node.inputs[1 - side]
    conv = graph.producers.get(source)
    if conv is None or values is None or conv.op not in ("Conv", "ConvTranspose"):
        return None
    if graph.sole_consumer(source) is None or (node.op in ("Div", "Sub") and side == 0):
        return None
    weight = graph.values(conv.inputs[1])
    shape = graph.shapes.get(source)
    if weight is None or shape is None or shape != graph.shapes.get(node.output):
        return None
    column = _per_channel(values, shape)
    if column is None:
        return None
    bias = graph.values(conv.input(2)) if conv.input(2) else np.zeros(shape[1], np.float32)
    if bias is None:
        return None
    bias = bias.astype(np.float64)
    if node.op in ("Mul", "Div"):
        factor = column if node.op == "Mul" else 1 / column
        weight = _scaled(conv, weight.astype(np.float64), factor).astype(np.float32)
        bias = bias * factor
    else:
        bias = bias + (column if node.op == "Add" else -column)
    return _with_weights(conv, node, weight, bias.astype(np.float32))


def fold_term_before_pointwise(graph: Graph, node: Node) -> Change | None:
    """A constant per channel added before a convolution of one pixel goes into its bias."""
    if node.op != "Conv" or graph.producers.get(node.inputs[0]) is None:
        return None
    add = graph.producers[node.inputs[0]]
    weight, shape = graph.values(node.inputs[1]), graph.shapes.get(node.inputs[0])
    if (
        add.op != "Add"
        or graph.sole_consumer(add.output) is None
        or weight is None
        or shape is None
    ):
        return None
    if prod(weight.shape[2:]) != 1 or any(node.ints("pads")) or node.get("group", 1) != 1:
        return None
    side = next((i for i in (0, 1) if graph.values(add.inputs[i]) is not None), None)
    if side is None or graph.shapes.get(add.inputs[1 - side]) != shape:
        return None
    column = _per_channel(graph.constants[add.inputs[side]], shape)
    bias = graph.values(node.input(2)) if node.input(2) else np.zeros(len(weight), np.float32)
    if column is None or bias is None:
        return None
    bias = bias + weight.reshape(weight.shape[:2]).astype(np.float64) @ column
    moved = replace(node, inputs=(add.inputs[1 - side], *node.inputs[1:]))
    return _with_weights(moved, add, weight, bias.astype(np.float32), node.output, node)


def _per_channel(values: AnyArray, shape: Shape) -> AnyArray | None:
    """(C,) float64: the constant for each channel; None where it differs along another axis."""
    full = (1,) * (len(shape) - values.ndim) + values.shape
    if len(full) != len(shape) or any(size != 1 for i, size in enumerate(full) if i != 1):
        return None
    return np.broadcast_to(values.reshape(-1).astype(np.float64), (shape[1],))


def _scaled(conv: Node, weight: AnyArray, factor: AnyArray) -> AnyArray:
    if conv.op == "Conv":
        return weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
    groups = conv.get("group", 1)  # (inputs, outputs / groups, ...), groups of inputs in a row
    apart = weight.reshape(groups, -1, *weight.shape[1:])
    return (apart * factor.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))).reshape(weight.shape)


def _with_weights(
    conv: Node,
    other: Node,
    weight: AnyArray,
    bias: AnyArray,
    output: str = "",
    old: Node | None = None,
) -> Change:
    """`conv` and `other` as one convolution, under the name of `conv`."""
    output = output or other.output
    names = (f"{output}/weight", f"{output}/bias")
    new = replace(conv, inputs=(conv.inputs[0], *names), outputs=(output,))
    return Change((old or conv, other), (new,), dict(zip(names, (weight, bias), strict=True)))
