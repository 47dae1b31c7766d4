"""Activations that arrive in pieces become one operator again."""

from __future__ import annotations

import numpy as np

from calibration.frontends.simplify.matching import (
    constant_operand,
    near,
    other_operand,
    sole_producer,
    unary,
)
from calibration.graph import Change, Graph, Node

_SQRT2 = 2**0.5


def gated(graph: Graph, node: Node) -> Change | None:
    """X times a function of x: Silu, HardSwish or Mish."""
    if node.op != "Mul" or len(node.inputs) != 2:
        return None
    for gate_name in node.inputs:
        gate = sole_producer(graph, gate_name, "Sigmoid", "HardSigmoid", "Tanh")
        source = other_operand(node, gate_name)
        if gate is None or source is None:
            continue
        if gate.inputs[0] == source and gate.op == "Sigmoid":
            return Change((gate, node), (unary("Silu", node, source),))
        if gate.inputs[0] == source and gate.op == "HardSigmoid":
            slope, middle = gate.get("alpha", 0.2), gate.get("beta", 0.5)
            if near(slope, 1 / 6) and near(middle, 0.5):
                return Change((gate, node), (unary("HardSwish", node, source),))
        soft = sole_producer(graph, gate.inputs[0], "Softplus")
        if gate.op == "Tanh" and soft is not None and soft.inputs[0] == source:
            return Change((soft, gate, node), (unary("Mish", node, source),))
    return None


def hard_sigmoid(graph: Graph, node: Node) -> Change | None:
    """clip(x + 3, 0, 6) / 6 is HardSigmoid; x times the clip, then / 6, is HardSwish."""
    scaled = constant_operand(graph, node) if node.op in ("Div", "Mul") else None
    if scaled is None or not near(scaled[1], 6 if node.op == "Div" else 1 / 6):
        return None
    if node.op == "Div" and graph.scalar(node.inputs[1]) is None:
        return None
    result = _clipped_shift(graph, scaled[0])
    if result is not None:
        clip, add, source = result
        attributes = {"alpha": 1 / 6, "beta": 0.5}
        new = Node("HardSigmoid", node.name, (source,), node.outputs, attributes)
        return Change((add, clip, node), (new,))
    product = sole_producer(graph, scaled[0], "Mul")
    for name in product.inputs if product else ():
        result = _clipped_shift(graph, name)
        if product is not None and result is not None and other_operand(product, name) == result[2]:
            clip, add, source = result
            return Change((add, clip, product, node), (unary("HardSwish", node, source),))
    return None


def _clipped_shift(graph: Graph, name: str) -> tuple[Node, Node, str] | None:
    """Of clip(x + 3, 0, 6): the two nodes and x."""
    clip = sole_producer(graph, name, "Clip")
    if clip is None or graph.scalar(clip.input(1)) != 0 or graph.scalar(clip.input(2)) != 6:
        return None
    add = sole_producer(graph, clip.inputs[0], "Add")
    shifted = constant_operand(graph, add) if add else None
    if add is None or shifted is None or shifted[1] != 3:
        return None
    return clip, add, shifted[0]


def clip_to_relu(graph: Graph, node: Node) -> Change | None:
    """Clip from 0 without an upper bound is Relu."""
    if node.op != "Clip" or graph.scalar(node.input(1)) != 0:
        return None
    upper = graph.scalar(node.input(2)) if node.input(2) else np.inf
    if upper is None or upper < float(np.finfo(np.float32).max):
        return None
    return Change((node,), (unary("Relu", node, node.inputs[0]),))


def gelu(graph: Graph, node: Node) -> Change | None:
    """X / 2 * (1 + erf(x / sqrt 2)), in the orders that exporters write, is Gelu."""
    if node.op != "Mul":
        return None
    erf_part, matched, factor = None, [node], 1.0
    operands = list(node.inputs)
    # Collect the product's factors: constants, x, and the part with erf.
    leaves: list[str] = []
    while operands:
        name = operands.pop()
        value = graph.scalar(name)
        inner = sole_producer(graph, name, "Mul")
        if value is not None:
            factor *= value
        elif inner is not None:
            matched.append(inner)
            operands += inner.inputs
        else:
            leaves.append(name)
    if len(leaves) != 2 or not near(factor, 0.5):
        return None
    for name in leaves:
        add = sole_producer(graph, name, "Add")
        shifted = constant_operand(graph, add) if add else None
        erf = sole_producer(graph, shifted[0], "Erf") if shifted and shifted[1] == 1 else None
        scale = sole_producer(graph, erf.inputs[0], "Div", "Mul") if erf else None
        scaled = constant_operand(graph, scale) if scale else None
        if add and erf and scale and scaled:
            expected = _SQRT2 if scale.op == "Div" else 1 / _SQRT2
            other = leaves[1 - leaves.index(name)]
            if near(scaled[1], expected) and scaled[0] == other:
                erf_part = other
                matched += [add, erf, scale]
    if erf_part is None:
        return None
    return Change(tuple(matched), (unary("Gelu", node, erf_part),))
