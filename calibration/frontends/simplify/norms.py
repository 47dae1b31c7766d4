"""Layer normalization that arrives in pieces becomes one operator again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.frontends.simplify.matching import constant_operand, reduced_axes, sole_producer
from calibration.graph import Change, Graph, Node


def layer_norm(graph: Graph, node: Node) -> Change | None:
    """(x - mean) / sqrt(variance + eps) along the last axis is LayerNormalization."""
    if node.op != "Div":
        return None
    center, root = graph.producers.get(node.inputs[0]), sole_producer(graph, node.inputs[1], "Sqrt")
    add = sole_producer(graph, root.inputs[0], "Add") if root else None
    shifted = constant_operand(graph, add) if add else None
    spread = sole_producer(graph, shifted[0], "ReduceMean") if shifted else None
    square = sole_producer(graph, spread.inputs[0], "Pow", "Mul") if spread else None
    if center is None or center.op != "Sub" or square is None or spread is None or shifted is None:
        return None
    squares = square.op == "Pow" and graph.scalar(square.inputs[1]) == 2
    if square.inputs[0] != center.output or not (squares or square.inputs[1] == center.output):
        return None
    mean = sole_producer(graph, center.inputs[1], "ReduceMean")
    if mean is None or mean.inputs[0] != center.inputs[0] or root is None or add is None:
        return None
    if len(graph.consumers[center.output]) != 2 or center.output in graph.outputs:
        return None
    shape = graph.shapes.get(node.output)
    if shape is None or any(reduced_axes(graph, r) != (len(shape) - 1,) for r in (mean, spread)):
        return None
    gain = f"{node.output}/gain"
    new = Node(
        "LayerNormalization",
        node.name,
        (mean.inputs[0], gain),
        node.outputs,
        {"axis": -1, "epsilon": shifted[1]},
    )
    old = (mean, center, square, spread, add, root, node)
    return Change(old, (new,), {gain: np.ones(shape[-1], np.float32)})


def layer_norm_affine(graph: Graph, node: Node) -> Change | None:
    """A factor, then a term, along the last axis go into the LayerNormalization before them."""
    if node.op not in ("Mul", "Add") or len(node.inputs) != 2:
        return None
    side = next((i for i in (0, 1) if graph.values(node.inputs[i]) is not None), None)
    norm = (
        sole_producer(graph, node.inputs[1 - side], "LayerNormalization")
        if side is not None
        else None
    )
    if norm is None or side is None:
        return None
    gain, values = graph.values(norm.inputs[1]), graph.constants[node.inputs[side]].reshape(-1)
    if gain is None or values.shape != gain.shape:
        return None
    if node.op == "Mul" and not norm.input(2):
        name = f"{node.output}/gain"
        new = replace(norm, inputs=(norm.inputs[0], name), outputs=node.outputs)
        return Change((norm, node), (new,), {name: (gain * values).astype(np.float32)})
    if node.op == "Add" and not norm.input(2):
        name = f"{node.output}/bias"
        new = replace(norm, inputs=(*norm.inputs[:2], name), outputs=node.outputs)
        return Change((norm, node), (new,), {name: values.astype(np.float32)})
    return None
