"""A plan as QuantizeLinear and DequantizeLinear in a graph: what ONNX Runtime computes in INT8.

Activations are uint8, which is the faster of the two on x86 and equal elsewhere; weights are int8
per output channel, biases int32. Run without ONNX Runtime's optimizer, such a graph computes the
plan in floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from calibration.emit.base import fused_relu
from calibration.graph import Graph, Node
from calibration.quant.plan.plan import Int8Layer, Plan, QuantParams
from edge.types import AnyArray

_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_INT32 = np.iinfo(np.int32)


def with_codes(graph: Graph, plan: Plan) -> Graph:
    """The graph with every tensor of a plan rounded, and its convolutions on codes.

    Args:
        graph: What the plan speaks of.
        plan: For any runtime; limits of its codes other than a byte's are kept by a Clip.
    """
    writer = _Writer(graph, plan)
    return graph.rebuilt(nodes=writer.nodes, constants=writer.constants)


class _Writer:
    """Gathers the nodes; a tensor keeps its name where it is read as floats."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self._graph, self._plan = graph, plan
        self.nodes: list[Node] = []
        self.constants: dict[str, AnyArray] = {}
        # Tensors under another name for those who read them rounded: the graph's own inputs, and
        # those that others read as floats.
        self._rounded: dict[str, str] = {}
        for name in graph.inputs:
            self._round_beside(name)
        self._written: set[str] = set()
        for node in graph.nodes:
            if node.name not in self._written:
                self._write(node)

    def _write(self, node: Node) -> None:
        plan = self._plan
        relu = fused_relu(self._graph, plan, node)
        if relu is not None:
            # As the least code, so that the convolution is seen to end in codes.
            grid = plan.tensors[relu.output]
            self._written.add(relu.name)
            self._write_with(replace(node, outputs=relu.outputs), max(grid.low, grid.zero_point))
        else:
            self._write_with(node)

    def _write_with(self, node: Node, low: int | None = None) -> None:
        plan = self._plan
        coded = node.name in plan.layers or node.name in plan.pass_through
        inputs = tuple(self._read(name, coded) for name in node.inputs)
        if node.name in plan.layers:
            inputs = (inputs[0], *self._parameters(node))
        outputs = tuple(f"{n}/real" if n in plan.kept_in_int8 else n for n in node.outputs)
        self.nodes.append(replace(node, inputs=inputs, outputs=outputs))
        for name, written in zip(node.outputs, outputs, strict=True):
            if name in plan.kept_in_int8:
                grid = plan.tensors[name]
                written = written if coded else self._apart(node, written)
                self._round(written, name, grid if low is None else replace(grid, low=low))
            else:
                self._round_beside(name)

    def _apart(self, node: Node, name: str) -> str:
        """What a float node gives, where ONNX Runtime must not draw the rounding into it.

        It quantizes the weights of a float convolution that reads and gives codes, in its own
        way. It drops Identity, but not the greatest of one.
        """
        if node.op in ("Relu", "Clip"):  # which it first draws into the rounding
            node = self._graph.producers.get(node.inputs[0], node)
        if node.op not in _WEIGHTED:
            return name
        self.nodes.append(Node("Max", f"{name}/apart", (name,), (f"{name}/apart",)))
        return f"{name}/apart"

    def _read(self, name: str, coded: bool) -> str:
        """The name under which a node reads a tensor."""
        beside = coded or name in self._plan.kept_in_int8
        return self._rounded.get(name, name) if beside else name

    def _round_beside(self, name: str) -> None:
        if name in self._plan.tensors:
            self._rounded[name] = f"{name}/rounded"
            node = self._graph.producers.get(name)
            source = name if node is None else self._apart(node, name)
            self._round(source, f"{name}/rounded", self._plan.tensors[name])

    def _round(self, source: str, target: str, grid: QuantParams) -> None:
        """Values to codes and back."""
        codes = f"{target}/codes"
        step = self._constant(f"{target}/scale", np.float32(grid.scale))
        zero = self._constant(f"{target}/zero", np.uint8(grid.zero_point + 128))
        limits = {"low": grid.low, "high": grid.high}
        given = codes
        if (grid.low, grid.high) != (-128, 127):
            given = f"{target}/all"
            bounds = [self._constant(f"{target}/{n}", np.uint8(v + 128)) for n, v in limits.items()]
            self.nodes.append(Node("Clip", f"{target}/clip", (given, *bounds), (codes,)))
        self.nodes += [
            Node("QuantizeLinear", given, (source, step, zero), (given,)),
            Node("DequantizeLinear", target, (codes, step, zero), (target,)),
        ]

    def _parameters(self, node: Node) -> tuple[str, str]:
        """The names of a layer's weight and bias as floats."""
        layer = self._plan.layers[node.name]
        source = self._plan.tensors[node.inputs[0]]
        parts: Mapping[str, tuple[AnyArray, AnyArray]] = {
            "weight": (layer.weight, layer.weight_scales.astype(np.float32)),
            "bias": (whole_bias(layer, source), bias_scales(layer, source)),
        }
        for part, (codes, scales) in parts.items():
            name = f"{node.name}/{part}"
            inputs = (
                self._constant(f"{name}/codes", codes),
                self._constant(f"{name}/scale", scales),
                self._constant(f"{name}/zero", np.zeros(len(scales), codes.dtype)),
            )
            self.nodes.append(Node("DequantizeLinear", name, inputs, (name,), {"axis": 0}))
        return f"{node.name}/weight", f"{node.name}/bias"

    def _constant(self, name: str, values: AnyArray | np.generic) -> str:
        self.constants[name] = np.asarray(values)
        return name


def bias_scales(layer: Int8Layer, source: QuantParams) -> AnyArray:
    """(O,) float32: the real value of one step of each accumulator."""
    return (layer.weight_scales.astype(np.float64) * source.scale).astype(np.float32)


def whole_bias(layer: Int8Layer, source: QuantParams) -> AnyArray:
    """(O,) int32: the bias in steps of the accumulators."""
    steps = np.rint(layer.bias / bias_scales(layer, source).astype(np.float64))
    return np.clip(steps, _INT32.min, _INT32.max).astype(np.int32)
