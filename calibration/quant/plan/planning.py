"""From a spec to the plan of one runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np

from calibration.graph import Graph, Node
from calibration.quant.plan import structure
from calibration.quant.plan.plan import Int8Layer, Plan, QuantParams
from calibration.quant.spec.spec import LayerSpec, QuantSpec, Range, Scheme
from calibration.runtimes import Runtime, runtime
from edge.errors import CalibrationError
from edge.types import Float32Array, Int8Array

_WINOGRAD_LIMIT = 2**31 // 576  # F(4,3) computes 24 * 24 times the sum, in int32
_BIAS_LIMIT = 2.0**30


def plan(graph: Graph, spec: QuantSpec, target: str) -> Plan:
    """What a runtime computes in INT8.

    Args:
        graph: Prepared, and equalized as the spec says.
        spec: Of this graph.
        target: Key into `edge.backends.BACKENDS`.

    Raises:
        CalibrationError: The spec names what the graph has not, or lacks a range that is needed.
        UnsupportedModelError: The target is unknown.
    """
    rules = runtime(target)
    scheme = spec.scheme(rules.scheme)
    _check_names(graph, scheme)
    nodes = [node for node in structure.convolutions(graph) if _is_int8(graph, node, scheme, rules)]
    kept_in_int8, pass_through = _flow(graph, nodes, rules, scheme)
    read = {node.inputs[0] for node in nodes}
    for node in graph.nodes:
        if node.name in pass_through:
            read.update(structure.moved(graph, node, rules) or node.inputs[:1])
    pooled = _pooled(graph, rules) if rules.one_sided_pools and spec.safe_pools else frozenset()
    tensors = _tensors(graph, read | kept_in_int8, scheme, rules, pooled)
    layers = {node.name: _layer(graph, node, scheme, rules, tensors, spec) for node in nodes}
    return Plan(
        target,
        MappingProxyType(tensors),
        kept_in_int8,
        MappingProxyType(layers),
        frozenset(pass_through),
    )


def grid(range_: Range, *, symmetric: bool, steps: int = 255) -> QuantParams:
    """The codes that cover a range and zero.

    Args:
        range_: Least and greatest value.
        symmetric: Zero has the code 0, and both sides have as many codes.
        steps: 255 for all codes of a byte, 127 for 0 to 127; asymmetric only.
    """
    low, high = min(range_[0], 0.0), max(range_[1], 0.0)
    if symmetric:
        return QuantParams(_nonzero(max(-low, high) / 127))
    first = 127 - steps
    scale = _nonzero((high - low) / steps)
    zero = int(np.clip(np.rint(first - low / scale), first, 127))
    return QuantParams(scale, zero, first, 127)


def weight_codes(weight: Float32Array, scales: Float32Array) -> Int8Array:
    """(O, ...) codes of -127 to 127 of weights, by the scale of each output channel."""
    by_row = scales.reshape(-1, *[1] * (weight.ndim - 1))
    return np.asarray(np.clip(np.rint(weight / by_row), -127, 127), np.int8)


def _nonzero(scale: float) -> float:
    return float(np.float32(scale)) or 1.0  # a tensor of zeros


def _check_names(graph: Graph, scheme: Scheme) -> None:
    names = {node.name for node in structure.convolutions(graph)}
    for kind, named in (("layers", scheme.layers), ("float_layers", scheme.float_layers)):
        unknown = sorted(set(named) - names)
        if unknown:
            raise CalibrationError(
                f"the spec's {kind} name {unknown[0]!r}, which is no convolution of this model"
            )
    unknown = sorted(set(scheme.ranges) - set(graph.shapes))
    if unknown:
        raise CalibrationError(
            f"the spec has a range for {unknown[0]!r}, which is no tensor of this model"
        )


def _is_int8(graph: Graph, node: Node, scheme: Scheme, rules: Runtime) -> bool:
    listed = node.name in scheme.layers and node.name not in scheme.float_layers
    return listed and structure.refusal(graph, node, rules) is None


def _flow(
    graph: Graph, layers: Iterable[Node], rules: Runtime, scheme: Scheme
) -> tuple[frozenset[str], set[str]]:
    """The tensors that exist as codes only, and the nodes beside the layers that give such."""
    names = {node.name for node in layers}
    results = {structure.result(graph, node, rules) for node in layers}
    if not rules.stores:
        kept = [
            name
            for name in results
            if name not in graph.outputs
            and all(node.name in names for node in graph.consumers.get(name, ()))
        ]
        return frozenset(kept), set()
    fused = {reader.name for node in layers if (reader := structure.fused(graph, node, rules))}
    given = results | {name for name in graph.inputs if name in scheme.ranges}
    idle: set[str] = set(fused)
    while True:
        kept_in_int8, pass_through = set(given), set()
        for node in graph.nodes:
            if node.name not in idle and _takes_codes(graph, node, rules, kept_in_int8):
                pass_through.add(node.name)
                kept_in_int8.update(name for name in node.outputs if name)
        users = names | pass_through
        useless = {
            node.name
            for node in graph.nodes
            if node.name in pass_through
            and not any(
                reader.name in users for name in node.outputs for reader in _readers(graph, name)
            )
            and not kept_in_int8.issuperset(structure.moved(graph, node, rules) or [""])
        }
        if not useless:
            return frozenset(kept_in_int8), pass_through
        idle |= useless


def _takes_codes(graph: Graph, node: Node, rules: Runtime, kept_in_int8: set[str]) -> bool:
    if node.op in rules.activations:
        return node.inputs[0] in kept_in_int8
    names = structure.moved(graph, node, rules)
    return not kept_in_int8.isdisjoint(names[: len(names) - len(node.outputs)])


def _readers(graph: Graph, name: str) -> tuple[Node, ...]:
    return graph.consumers.get(name, ())


def _pooled(graph: Graph, rules: Runtime) -> frozenset[str]:
    """The tensors that share their parameters with one that is pooled."""
    together = structure.groups(graph, rules)
    pools = [node for node in graph.nodes if node.op == "MaxPool"]
    return frozenset(name for node in pools for name in together.get(node.inputs[0], ()))


def _tensors(
    graph: Graph,
    names: set[str],
    scheme: Scheme,
    rules: Runtime,
    pooled: frozenset[str],
) -> dict[str, QuantParams]:
    together = structure.groups(graph, rules)
    tensors = {}
    for name in sorted(names):
        ranges = [scheme.ranges[n] for n in together.get(name, (name,)) if n in scheme.ranges]
        if not ranges:
            raise CalibrationError(f"the spec has no range for the tensor {name!r}")
        lows, highs = zip(*ranges, strict=True)
        steps = 127 if name in pooled else 255
        tensors[name] = grid((min(lows), max(highs)), symmetric=rules.symmetric, steps=steps)
    return tensors


def _layer(
    graph: Graph,
    node: Node,
    scheme: Scheme,
    rules: Runtime,
    tensors: Mapping[str, QuantParams],
    spec: QuantSpec,
) -> Int8Layer:
    chosen = scheme.layers[node.name]
    weight = graph.constants[node.inputs[1]]
    bias = chosen.bias if chosen.bias is not None else graph.values(node.input(2))
    outputs = len(weight)
    real = np.zeros(outputs, np.float32) if bias is None else np.asarray(bias, np.float32)
    _check_layer(node, chosen, weight)
    scales = np.asarray(chosen.weight_scales, np.float32)
    if rules.integer_bias:  # which must fit into 32 bits at the scale of the accumulator
        smallest = np.abs(real) / (tensors[node.inputs[0]].scale * _BIAS_LIMIT)
        dead = (smallest > 0) & ~weight.reshape(outputs, -1).any(1)  # all that they give is a bias
        scales = np.where(dead, smallest, np.maximum(scales, smallest)).astype(np.float32)
    codes = weight_codes(weight, scales)
    if chosen.rounding_offsets is not None:
        shifted = codes + chosen.rounding_offsets.reshape(codes.shape).astype(np.int16)
        codes = np.asarray(np.clip(shifted, -127, 127), np.int8)
    proved = spec.winograd and rules.wide_winograd and _no_overflow(graph, node, codes)
    return Int8Layer(codes, scales, real, winograd=proved)


def _check_layer(node: Node, chosen: LayerSpec, weight: Float32Array) -> None:
    outputs = len(weight)
    for what, values in (("weight_scales", chosen.weight_scales), ("bias", chosen.bias)):
        if values is not None and values.shape != (outputs,):
            raise CalibrationError(
                f"{node}: the spec has {what} of shape {values.shape}, the layer {outputs} outputs"
            )
    if chosen.rounding_offsets is not None and chosen.rounding_offsets.shape != (weight.size,):
        raise CalibrationError(
            f"{node}: the spec has rounding offsets for {chosen.rounding_offsets.size} weights, "
            f"the layer has {weight.size}"
        )


def _no_overflow(graph: Graph, node: Node, codes: Int8Array) -> bool:
    """Whether no input can drive a sum of products beyond what Winograd's algorithm holds."""
    rows = codes.reshape(len(codes), -1).astype(np.int64)
    above, below = rows.clip(min=0).sum(1), -rows.clip(max=0).sum(1)
    one_sided = structure.is_non_negative(graph, node.inputs[0])
    bound = np.maximum(above, below) if one_sided else above + below
    return int(bound.max(initial=0)) * 127 <= _WINOGRAD_LIMIT
