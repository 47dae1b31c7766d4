"""Nodes that compute nothing, and those that only give axes another look."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.frontends.simplify.matching import slice_bounds
from calibration.graph import Change, Graph, Node, Shape


def drop_idle(graph: Graph, node: Node) -> Change | None:
    """A node that gives what it reads disappears."""
    if not node.inputs or len(node.outputs) != 1:
        return None
    source = node.inputs[0]
    shape = graph.shapes.get(source)
    same = shape is not None and shape == graph.shapes.get(node.output)
    match node.op:
        case "Identity":
            idle = True
        case "Cast":
            idle = graph.dtypes.get(source) == graph.dtypes.get(node.output) is not None
        case "Concat":
            idle = len(node.inputs) == 1
        case "Reshape" | "Expand" | "Pad" | "Resize" | "Squeeze" | "Unsqueeze" | "Flatten":
            idle = same
        case "Slice":
            idle = same and all(
                step == 1 for _, _, step in slice_bounds(graph, node) or [(0, 0, 0)]
            )
        case "Transpose":
            idle = same and node.ints("perm", ()) == tuple(range(len(shape or ())))
        case "Mul" | "Div":
            idle = same and _is_all(graph, node.inputs[1], 1)
        case "Add" | "Sub":
            idle = same and _is_all(graph, node.inputs[1], 0)
        case _:
            idle = False
    two_names = node.output in graph.outputs and source in (*graph.inputs, *graph.outputs)
    if not idle or two_names:
        return None
    return Change((node,), aliases={node.output: source})


def _is_all(graph: Graph, name: str, value: float) -> bool:
    values = graph.values(name)
    return values is not None and bool((values == value).all())


def to_reshape(graph: Graph, node: Node) -> Change | None:
    """Flatten, Squeeze, Unsqueeze, and Reshape in riddles (0, -1), become a plain Reshape."""
    shape = graph.shapes.get(node.outputs[0])
    if node.op not in ("Flatten", "Squeeze", "Unsqueeze", "Reshape") or shape is None:
        return None
    if node.op == "Reshape":
        asked = graph.values(node.inputs[1])
        if asked is not None and tuple(asked.tolist()) == shape:
            return None
    return _reshape(node, node.inputs[0], shape)


def merge_reshapes(graph: Graph, node: Node) -> Change | None:
    """A Reshape of a Reshape reads what that one read."""
    first = graph.producers.get(node.inputs[0]) if node.op == "Reshape" else None
    if first is None or first.op != "Reshape" or graph.sole_consumer(first.output) is None:
        return None
    return Change((first, node), (replace(node, inputs=(first.inputs[0], node.inputs[1])),))


def gather_to_slice(graph: Graph, node: Node) -> Change | None:
    """Gather of one index along an axis becomes Slice, then Reshape."""
    if node.op != "Gather":
        return None
    index, source = graph.values(node.inputs[1]), graph.shapes.get(node.inputs[0])
    shape = graph.shapes.get(node.output)
    if index is None or index.size != 1 or source is None or shape is None:
        return None
    axis = node.get("axis", 0) % len(source)
    start = int(index.reshape(())) % source[axis]
    constants = {
        f"{node.output}/{name}": np.array([value], np.int64)
        for name, value in (("start", start), ("end", start + 1), ("axis", axis))
    }
    part = f"{node.output}/part"
    cut = Node("Slice", f"{node.name}/part", (node.inputs[0], *constants), (part,))
    sizes = f"{node.output}/shape"
    constants[sizes] = np.array(shape, np.int64)
    return Change(
        (node,), (cut, replace(node, op="Reshape", inputs=(part, sizes), attributes={})), constants
    )


def sized_split(graph: Graph, node: Node) -> Change | None:
    """Split always says the sizes of its parts."""
    shapes = [graph.shapes.get(name) for name in node.outputs]
    if node.op != "Split" or node.input(1) or None in shapes:
        return None
    axis = node.get("axis", 0)
    sizes = f"{node.output}/sizes"
    values = np.array([shape[axis] for shape in shapes if shape is not None], np.int64)
    new = replace(node, inputs=(node.inputs[0], sizes), attributes={"axis": axis})
    return Change((node,), (new,), {sizes: values})


def _reshape(node: Node, source: str, shape: Shape) -> Change:
    sizes = f"{node.output}/shape"
    new = replace(node, op="Reshape", inputs=(source, sizes), attributes={})
    return Change((node,), (new,), {sizes: np.array(shape, np.int64)})
