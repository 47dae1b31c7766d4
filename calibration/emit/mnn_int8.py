"""A plan in the form that MNN's converter reads: a graph, and a table of scales beside it.

The table has a row for each convolution, found by the name of the tensor that it gives; what it
lacks stays float. MNN carries scales on through operators that hand on codes. Source: MNN's
`Compression.Pipeline`, in the JSON form of protocol buffers.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from calibration.emit.base import fused_relu
from calibration.graph import Change, Graph, Node, rewrite
from calibration.quant.plan.plan import Plan
from edge.types import AnyArray

_HANDED_OUT = "/codes"  # behind the name of an output, whose floats are made of codes


def with_rounded_weights(graph: Graph, plan: Plan) -> Graph:
    """The graph whose weights have exactly the codes of a plan, in the operators that MNN knows.

    Args:
        graph: What the plan speaks of; its tensors keep their names, but for outputs.
        plan: For MNN.
    """
    known = rewrite(_with_parameters(graph, plan), _leaky_as_prelu, _pool_in_steps)
    return _with_float_outputs(known, plan)


def table(graph: Graph, plan: Plan) -> str:
    """The scales of a plan for `--compressionParamsFile`, a file whose name ends in .json."""
    rows = [_row(graph, plan, node) for node in graph.nodes if node.name in plan.layers]
    parameters = {"roundMode": "ROUND_HALF_TO_EVEN", "layer": rows}
    pipeline = [{"type": "QUANTIZE", "quantParams": parameters}]
    return json.dumps({"version": "0.0.0", "algo": pipeline})


def layer_name(graph: Graph, plan: Plan, node: Node) -> str:
    """The name of the operator that a convolution becomes in the file."""
    return _name(graph, plan, node.output)


def _with_parameters(graph: Graph, plan: Plan) -> Graph:
    nodes: list[Node] = []
    constants: dict[str, AnyArray] = {}
    for node in graph.nodes:
        layer = plan.layers.get(node.name)
        if layer is not None:
            steps = layer.weight_scales.reshape(-1, 1, 1, 1)
            names = f"{node.name}/weight", f"{node.name}/bias"
            constants |= zip(names, (layer.weight * steps, layer.bias), strict=True)
            node = replace(node, inputs=(node.inputs[0], *names))
        nodes.append(node)
    return graph.rebuilt(nodes=nodes, constants=constants)


def _leaky_as_prelu(graph: Graph, node: Node) -> Change | None:
    """MNN has PRelu in INT8, and in this one form of its slope."""
    if node.op != "LeakyRelu":
        return None
    slope = f"{node.output}/slope"
    shape = (1, graph.shapes[node.output][1], 1, 1)
    new = Node("PRelu", node.name, (node.inputs[0], slope), node.outputs)
    return Change((node,), (new,), {slope: np.full(shape, node.get("alpha", 0.01), np.float32)})


def _pool_in_steps(graph: Graph, node: Node) -> Change | None:
    """MNN's pooling of codes is wrong where the window is wider than the image.

    The greatest of an odd window around each place is that of smaller ones, one after another: the
    borders cut them off alike.
    """
    if node.op != "MaxPool" or max(node.ints("strides", (1,))) > 1:
        return None
    window, image = node.ints("kernel_shape"), min(graph.shapes[node.inputs[0]][2:])
    first = image - 1 + image % 2  # the widest odd window that fits
    rest = window[0] - first + 1
    if window != (window[0],) * 2 or not 1 < first < window[0]:
        return None
    if set(node.ints("pads", (0,))) != {window[0] // 2} or set(node.ints("dilations", (1,))) != {1}:
        return None
    between = f"{node.output}/before {rest}"
    return Change(
        (node,),
        (
            _pool(f"{node.name}/before {rest}", node.inputs[0], between, first),
            _pool(node.name, between, node.output, rest),
        ),
    )


def _pool(name: str, source: str, result: str, window: int) -> Node:
    around = {"kernel_shape": (window,) * 2, "strides": (1, 1), "pads": (window // 2,) * 4}
    return Node("MaxPool", name, (source,), (result,), around)


def _with_float_outputs(graph: Graph, plan: Plan) -> Graph:
    """A product with one behind every output that is codes: MNN would hand out those as floats."""
    codes = [name for name in graph.outputs if name in plan.kept_in_int8]
    renamed = {name: f"{name}{_HANDED_OUT}" for name in codes}
    nodes = [
        replace(
            node,
            inputs=tuple(renamed.get(name, name) for name in node.inputs),
            outputs=tuple(renamed.get(name, name) for name in node.outputs),
        )
        for node in graph.nodes
    ]
    one = "one"
    nodes += [Node("Mul", f"{name}/real", (renamed[name], one), (name,)) for name in codes]
    return graph.rebuilt(nodes=nodes, constants={one: np.ones(1, np.float32)})


def _name(graph: Graph, plan: Plan, tensor: str) -> str:
    handed_out = tensor in graph.outputs and tensor in plan.kept_in_int8
    return f"{tensor}{_HANDED_OUT}" if handed_out else tensor


def _row(graph: Graph, plan: Plan, node: Node) -> dict[str, Any]:
    relu = fused_relu(graph, plan, node)
    result = node.output if relu is None else relu.output
    weight = {
        "name": f"{node.name}/weight",
        "bits": 8,
        "scales": [float(scale) for scale in plan.layers[node.name].weight_scales],
        "clampMin": -127,
        "clampMax": 127,
    }
    return {
        "input": [_codes(graph, plan, node.inputs[0])],
        "weight": [weight],
        "output": [_codes(graph, plan, result)],
        "method": "QAT",
        "opName": node.name,
    }


def _codes(graph: Graph, plan: Plan, tensor: str) -> dict[str, Any]:
    grid = plan.tensors[tensor]
    return {
        "name": _name(graph, plan, tensor),
        "bits": 8,
        "scales": [grid.scale],
        "zeroPoint": grid.zero_point,
        "clampMin": grid.low,
        "clampMax": grid.high,
    }
