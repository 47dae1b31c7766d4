"""What does not depend on the image, computed once: shape arithmetic, grids, folded weights."""

from __future__ import annotations

import numpy as np

from calibration.graph import Graph, Node, build, to_model
from edge.backends.no_telemetry import onnxruntime
from edge.errors import ModelError
from edge.types import AnyArray

_RANDOM = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"})


def fold(graph: Graph) -> Graph:
    """The graph without nodes whose outputs are fixed; those outputs become constants.

    A shape is fixed where it does not depend on the data, and so is all that follows from it.

    Raises:
        ModelError: An operator cannot be computed.
    """
    while True:
        known = _known_shapes(graph)
        fixed = _fixed_nodes(graph, known)
        if not fixed and not known:
            return graph
        computed = known | _evaluated(graph, fixed, known)
        done = {id(node) for node in fixed}
        left = [
            node
            for node in graph.nodes
            if id(node) not in done and not known.keys() & set(node.outputs)
        ]
        graph = graph.rebuilt(nodes=left, constants=computed)


def _known_shapes(graph: Graph) -> dict[str, AnyArray]:
    results: dict[str, AnyArray] = {}
    for node in graph.nodes:
        shape = graph.shapes.get(node.inputs[0]) if node.inputs else None
        if shape is None or node.op not in ("Shape", "Size"):
            continue
        if node.op == "Size":
            results[node.output] = np.array(np.prod(shape), np.int64)
        else:
            rank = len(shape)
            part = slice(node.get("start", 0), node.get("end", rank))
            results[node.output] = np.array(shape[part], np.int64)
    return results


def _fixed_nodes(graph: Graph, known: dict[str, AnyArray]) -> list[Node]:
    fixed = graph.constants.keys() | known.keys()
    nodes = []
    for node in graph.nodes:
        if node.op in _RANDOM or known.keys() & set(node.outputs):
            continue
        if all(name in fixed for name in node.inputs if name):
            fixed |= set(node.outputs)
            nodes.append(node)
    return nodes


def _evaluated(graph: Graph, nodes: list[Node], known: dict[str, AnyArray]) -> dict[str, AnyArray]:
    if not nodes:
        return {}
    inside = {id(node) for node in nodes}
    made = [name for node in nodes for name in node.outputs if name]
    expected = [
        name
        for name in made
        if name in graph.outputs
        or any(id(reader) not in inside for reader in graph.consumers.get(name, ()))
    ]
    if not expected:
        return {}
    part = build(nodes, inputs={}, outputs=expected, constants={**graph.constants, **known})
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            to_model(part).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        values = session.run(expected, {})
    except Exception as error:  # its errors have no common base
        raise ModelError(f"the model's constants cannot be computed: {error}") from error
    return dict(zip(expected, map(np.asarray, values), strict=True))
