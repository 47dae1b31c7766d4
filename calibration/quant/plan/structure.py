"""Where codes may flow in a graph, whatever their scales: layers, what joins them, and groups."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from math import inf, prod
from typing import TypeAlias

import numpy as np

from calibration.graph import Graph, Node
from calibration.runtimes import Runtime
from edge.types import AnyArray

Span: TypeAlias = tuple[float | AnyArray, float | AnyArray]  # for all channels, or (1, C, 1, 1)


def convolutions(graph: Graph) -> tuple[Node, ...]:
    """The convolutions, in order."""
    return tuple(node for node in graph.nodes if node.op == "Conv")


def refusal(graph: Graph, node: Node, rules: Runtime) -> str | None:
    """Why a convolution cannot, or should not, be INT8 in a runtime; None where it can."""
    weight = graph.values(node.inputs[1])
    if weight is None or (node.input(2) and graph.values(node.input(2)) is None):
        return "its weights are computed"
    if weight.ndim != 4:
        return f"its window has {weight.ndim - 2} axes"
    if prod(graph.shapes[node.inputs[0]][2:]) == 1:
        return "it acts on a vector: no time is won, and squeeze-and-excitation needs its accuracy"
    if is_grouped(graph, node) and not rules.grouped:
        return "this runtime does not compute groups in INT8"
    return None


def is_depthwise(graph: Graph, node: Node) -> bool:
    """Whether each channel is convolved by itself."""
    group = node.get("group", 1)
    return group > 1 and graph.shapes[node.inputs[0]][1] == group == graph.shapes[node.output][1]


def is_grouped(graph: Graph, node: Node) -> bool:
    """Whether it has groups and is not depthwise."""
    return node.get("group", 1) > 1 and not is_depthwise(graph, node)


def operations(graph: Graph, node: Node) -> int:
    """The multiply-accumulates of a convolution; half its arithmetic."""
    weight = graph.shapes[node.inputs[1]]
    return prod(weight[1:]) * prod(graph.shapes[node.output])


def fused(graph: Graph, node: Node, rules: Runtime) -> Node | None:
    """The activation that a convolution computes along in a runtime, if any."""
    reader = graph.sole_consumer(node.output)
    return reader if reader is not None and reader.op in rules.fused else None


def result(graph: Graph, node: Node, rules: Runtime) -> str:
    """The tensor that a convolution gives, its fused activation included."""
    activation = fused(graph, node, rules)
    return node.output if activation is None else activation.output


def moved(graph: Graph, node: Node, rules: Runtime) -> tuple[str, ...]:
    """The tensors that a node hands on unchanged, inputs first; empty where it does not."""
    if node.op not in rules.pass_through:
        return ()
    if node.op == "Resize" and node.get("mode", "nearest") != "nearest":
        return ()
    if node.op == "Pad" and not _pads_zeros(graph, node):
        return ()
    sources = node.inputs if node.op == "Concat" else node.inputs[:1]
    names = (*sources, *(name for name in node.outputs if name))
    if any(name in graph.constants or graph.dtypes.get(name) != "float32" for name in names):
        return ()
    return names


def groups(graph: Graph, rules: Runtime) -> Mapping[str, tuple[str, ...]]:
    """The tensors that must have the same parameters, by each of them; free ones are absent."""
    leader: dict[str, str] = {}

    def root(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for node in graph.nodes:
        names = moved(graph, node, rules)
        for name in names[1:]:
            leader[root(name)] = root(names[0])
    members: dict[str, list[str]] = {}
    for name in leader:
        members.setdefault(root(name), []).append(name)
    return {name: tuple(group) for group in members.values() for name in group}


def is_non_negative(graph: Graph, name: str) -> bool:
    """Whether a tensor cannot hold a negative value, whatever the image."""
    node = graph.producers.get(name)
    if node is None:
        return False
    if node.op in ("Relu", "Sigmoid", "HardSigmoid"):
        return True
    if node.op == "Clip":
        low = graph.scalar(node.input(1))
        return low is not None and low >= 0
    if node.op == "Mul" and (factor := graph.values(node.inputs[1])) is not None:
        return bool((factor >= 0).all()) and is_non_negative(graph, node.inputs[0])
    if node.op in ("MaxPool", "AveragePool", "GlobalAveragePool", "DepthToSpace", "Split", "Slice"):
        return is_non_negative(graph, node.inputs[0])
    if node.op == "Concat" or (node.op == "Resize" and node.get("mode", "nearest") != "cubic"):
        sources = node.inputs if node.op == "Concat" else node.inputs[:1]
        return all(is_non_negative(graph, source) for source in sources)
    return False


def effective_range(graph: Graph, name: str) -> Span:
    """The span within which the readers of a tensor tell values apart; infinite ends mostly.

    What lies below counts as the lower end for all of them, and likewise above: a range that
    reaches further wastes codes. HardSwish, for one, gives zero for all from -3 down.
    """
    readers = graph.consumers.get(name, ())
    if not readers or name in graph.outputs:
        return -inf, inf
    lows, highs = zip(*(_span(graph, node) for node in readers), strict=True)
    return reduce(np.minimum, lows), reduce(np.maximum, highs)


def _span(graph: Graph, node: Node) -> Span:
    if node.op == "Mul" and (factor := graph.values(node.inputs[1])) is not None:
        by_channel = factor.ndim == 0 or factor.shape[-2:] == (1, 1)
        same = graph.shapes.get(node.inputs[0]) == graph.shapes.get(node.output)
        if not (by_channel and same and (factor > 0).all()):
            return -inf, inf
        below, above = effective_range(graph, node.output)
        return np.float32(below) / factor, np.float32(above) / factor
    if node.op == "Relu":
        return 0.0, inf
    if node.op == "HardSwish":
        return -3.0, inf
    if node.op == "HardSigmoid":
        alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
        return (-beta / alpha, (1 - beta) / alpha) if alpha > 0 else (-inf, inf)
    if node.op == "Clip":
        low, high = (graph.scalar(node.input(place)) for place in (1, 2))
        return -inf if low is None else low, inf if high is None else high
    return -inf, inf


def _pads_zeros(graph: Graph, node: Node) -> bool:
    value = graph.scalar(node.input(2)) if node.input(2) else 0.0
    return node.get("mode", "constant") == "constant" and value == 0
