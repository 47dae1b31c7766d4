"""A plan as a float network: rounded where the runtime rounds, computed in float32 between.

ONNX Runtime with its optimizations off runs it as it is written, so that it is the exact
simulator of a plan; what a real runtime adds are rare steps of one code, from other orders of
sums and of rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.graph import Graph, Node
from calibration.quant.plan.plan import Int8Layer, Plan, QuantParams
from calibration.runtimes import runtime
from edge.types import AnyArray, Float32Array


def simulate(graph: Graph, plan: Plan) -> Graph:
    """The graph with a Quantize and Dequantize pair wherever the plan rounds.

    Args:
        graph: The one that the plan is of.
        plan: From `planning.plan`.
    """
    writer = _Writer(graph, plan)
    for name in graph.inputs:
        if name in plan.kept_in_int8:
            writer.round(name, name)
    for node in graph.nodes:
        writer.add(node)
    return graph.rebuilt(nodes=writer.nodes, constants=writer.constants)


class _Writer:
    def __init__(self, graph: Graph, plan: Plan) -> None:
        self.graph = graph
        self.plan = plan
        self.nodes: list[Node] = []
        self.constants: dict[str, AnyArray] = {}
        self._rounded: dict[str, str] = {}  # tensor to its rounded version
        self._takes_codes = {*plan.layers, *plan.pass_through}

    def add(self, node: Node) -> None:
        """The node, reading and giving what it does in the runtime."""
        codes = node.name in self._takes_codes
        inputs = [self._source(name, codes) for name in node.inputs]
        layer = self.plan.layers.get(node.name)
        if layer is not None:
            inputs[1:] = self._weights(node, layer)
        outputs = tuple(self._before_rounding(name) for name in node.outputs)
        self.nodes.append(replace(node, inputs=tuple(inputs), outputs=outputs))
        for name in node.outputs:
            if name in self.plan.kept_in_int8:
                self.round(self._before_rounding(name), name)

    def round(self, source: str, name: str) -> str:
        """Round a tensor by the parameters of `name`; returns the name of what was rounded."""
        result = name if source != name else f"{name}/rounded"
        params = self.plan.tensors[name]
        nodes, constants = rounding(source, result, params)
        self.nodes += nodes
        self.constants |= constants
        self._rounded[name] = result
        return result

    def _source(self, name: str, codes: bool) -> str:
        if name in self._rounded and (codes or name in self.plan.kept_in_int8):
            return self._rounded[name]
        if codes and name in self.plan.tensors:
            return self.round(name, name)
        return name

    def _before_rounding(self, name: str) -> str:
        return f"{name}/exact" if name in self.plan.kept_in_int8 else name

    def _weights(self, node: Node, layer: Int8Layer) -> list[str]:
        names = [f"{node.name}/weight/rounded", f"{node.name}/bias/rounded"]
        self.constants |= dict(zip(names, layer_values(node, layer, self.plan), strict=True))
        return names


def layer_values(node: Node, layer: Int8Layer, plan: Plan) -> tuple[Float32Array, Float32Array]:
    """The weights and the bias of a layer as real values, rounded as the runtime has them."""
    scales = layer.weight_scales.reshape(-1, 1, 1, 1)
    weight = np.asarray(layer.weight * scales, np.float32)
    if not runtime(plan.target).integer_bias:
        return weight, layer.bias
    scale = layer.weight_scales * np.float32(plan.tensors[node.inputs[0]].scale)
    return weight, np.asarray(np.rint(layer.bias / scale) * scale, np.float32)


def rounding(
    source: str, result: str, params: QuantParams
) -> tuple[list[Node], dict[str, AnyArray]]:
    """Nodes and constants that round a tensor."""
    scale, zero = f"{result}/scale", f"{result}/zero"
    constants: dict[str, AnyArray] = {
        scale: np.array(params.scale, np.float32),
        zero: np.array(params.zero_point, np.int8),
    }
    nodes = []
    if (params.low, params.high) != (-128, 127):  # int8 itself ends at those
        limits = []
        for limit, code in (("low", params.low), ("high", params.high)):
            limits.append(f"{result}/{limit}")
            value = (code - params.zero_point) * params.scale
            constants[limits[-1]] = np.array(value, np.float32)
        clipped = f"{result}/clipped"
        nodes.append(Node("Clip", f"{result}/clip", (source, *limits), (clipped,)))
        source = clipped
    codes = f"{result}/codes"
    nodes += [
        Node("QuantizeLinear", f"{result}/quantize", (source, scale, zero), (codes,)),
        Node("DequantizeLinear", f"{result}/dequantize", (codes, scale, zero), (result,)),
    ]
    return nodes, constants
