"""What rules ask of a graph."""

from __future__ import annotations

from calibration.graph import Graph, Node


def other_operand(node: Node, name: str) -> str | None:
    """The second operand of a node that reads `name` once."""
    if len(node.inputs) != 2 or node.inputs.count(name) != 1:
        return None
    return node.inputs[1 - node.inputs.index(name)]


def sole_producer(graph: Graph, name: str, *ops: str) -> Node | None:
    """The node that gives `name` for a single reader, if it is one of `ops`."""
    node = graph.producers.get(name)
    alone = node is not None and node.op in ops and graph.sole_consumer(name) is not None
    return node if alone else None


def constant_operand(graph: Graph, node: Node) -> tuple[str, float] | None:
    """Of a node with a scalar constant: the other operand, and the value."""
    for side in (1, 0):
        value = graph.scalar(node.input(side))
        if len(node.inputs) == 2 and value is not None:
            return node.inputs[1 - side], value
    return None


def near(value: float, expected: float) -> bool:
    """Whether a constant is meant to be `expected`, whatever the exporter's rounding."""
    return abs(value - expected) <= 1e-4 * abs(expected)


def unary(op: str, node: Node, source: str) -> Node:
    """`op` on `source`, in the place of `node`."""
    return Node(op, node.name, (source,), node.outputs)


def slice_bounds(graph: Graph, node: Node) -> list[tuple[int, int, int]] | None:
    """Of a Slice: start, stop and step along every axis, from 0 up; None where they are unknown."""
    shape = graph.shapes.get(node.inputs[0])
    given = [graph.values(name) for name in node.inputs[1:]]
    if shape is None or len(given) < 2 or given[0] is None or given[1] is None:
        return None
    starts, ends = given[0].tolist(), given[1].tolist()
    axes = given[2].tolist() if len(given) > 2 and given[2] is not None else range(len(starts))
    steps = given[3].tolist() if len(given) > 3 and given[3] is not None else [1] * len(starts)
    bounds = [(0, size, 1) for size in shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step < 1:
            return None
        bounds[axis] = slice(start, end, step).indices(shape[axis])
    return bounds


def reduced_axes(graph: Graph, node: Node) -> tuple[int, ...] | None:
    """The axes of a reduction, from 0 up; None where they are unknown."""
    shape, axes = graph.shapes.get(node.inputs[0]), graph.values(node.input(1))
    if shape is None or axes is None:
        return None
    return tuple(sorted(int(axis) % len(shape) for axis in axes.reshape(-1)))
