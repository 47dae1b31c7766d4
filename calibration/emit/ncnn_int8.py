"""The convolutions of a plan in ncnn's INT8 form.

ncnn rounds a float input itself, symmetrically, and computes exactly on the codes; where every
reader is such a convolution, so does the one before it hand on codes, rounded after its activation.
A tensor whose channels have steps of their own is rounded by a layer for that, Quantize.
A scale is written as codes per real value. Source: ncnn's Convolution, ConvolutionDepthWise
and Quantize.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from calibration.emit.base import CannotEmitError
from calibration.graph import Graph, Node
from calibration.quant.plan.equalize import multiplier
from calibration.quant.plan.plan import Plan
from calibration.runtimes.ncnn import RUNTIME
from edge.formats.ncnn import Layer, Network, Weight
from edge.types import AnyArray, Float32Array

_NO_WINOGRAD = 64  # a bit of parameter 31, which turns options off for one layer


def to_int8(network: Network, graph: Graph, plan: Plan) -> Network:
    """The network with the plan's convolutions in INT8.

    Args:
        network: Of the graph, activations fused: layers have the names of nodes, blobs of tensors.
        graph: What the plan speaks of.
        plan: For ncnn.

    Raises:
        CannotEmitError: ncnn would compute another thing than the plan; names the nodes.
    """
    nodes = {node.name: node for node in graph.nodes}
    layers = {layer.name: layer for layer in network.layers}
    refused: dict[str, str] = {}
    for name in plan.layers:
        reason = _objection(nodes[name], layers.get(name), plan)
        if reason:
            refused[str(nodes[name])] = reason
    written = {layer.outputs[0] for layer in network.layers if layer.name in plan.layers}
    for tensor in sorted(plan.kept_in_int8):
        reason = _edge_objection(graph, tensor, plan, written)
        if reason:
            refused[str(graph.producers.get(tensor, tensor))] = reason
    refused |= {
        str(nodes[name]): "ncnn hands on codes through nothing" for name in plan.pass_through
    }
    if refused:
        raise CannotEmitError(RUNTIME.name, refused)
    quantized = _multiplied(graph, plan)
    changed = []
    for layer in network.layers:
        if layer.name in plan.layers:
            changed.append(_int8(layer, nodes[layer.name], plan))
        elif layer.name in quantized:
            changed.append(_quantize(layer, plan, quantized[layer.name]))
        else:
            changed.append(layer)
    read = {name for layer in changed for name in layer.inputs}
    return Network(
        tuple(
            layer
            for layer in changed
            if layer.type != "MemoryData" or not read.isdisjoint(layer.outputs)
        )
    )


def _multiplied(graph: Graph, plan: Plan) -> dict[str, Float32Array]:
    """The factors of nodes that multiply channels for INT8 layers alone, by the nodes' names."""
    results = {}
    for node in graph.nodes:
        readers = graph.consumers.get(node.output, ())
        rounded = readers and all(reader.name in plan.layers for reader in readers)
        factor = multiplier(graph, node)
        if rounded and node.output not in graph.outputs and factor is not None:
            results[node.name] = factor
    return results


def _quantize(layer: Layer, plan: Plan, factor: Float32Array) -> Layer:
    """Multiplication and rounding in one: Quantize has a scale for each channel."""
    steps = plan.tensors[layer.outputs[0]].scale / factor.astype(np.float64)
    return replace(
        layer,
        type="Quantize",
        inputs=layer.inputs[:1],
        params=MappingProxyType({0: len(steps)}),
        weights=(_inverse(steps),),
    )


def _objection(node: Node, layer: Layer | None, plan: Plan) -> str:
    """Why ncnn would not compute this layer of the plan; empty where it would."""
    if layer is None or layer.type not in ("Convolution", "ConvolutionDepthWise"):
        return "it is no convolution of an image in ncnn, so it has no such INT8 form"
    outputs, inputs = plan.layers[node.name].weight.shape[:2]
    if layer.type == "ConvolutionDepthWise" and (inputs, layer.whole(7)) != (1, outputs):
        return "grouped convolutions give NaN in ncnn's INT8, unless each group is one channel"
    grid = plan.tensors[node.inputs[0]]
    if (grid.zero_point, grid.low, grid.high) != (0, -127, 127):
        return f"ncnn's codes are -127 to 127 around 0, the plan's for {node.inputs[0]} are {grid}"
    return ""


def _edge_objection(graph: Graph, tensor: str, plan: Plan, written: set[str]) -> str:
    """Why ncnn would not keep a tensor as codes."""
    if tensor not in written:
        return f"{tensor} is not what a convolution of the plan gives"
    readers = graph.consumers.get(tensor, ())
    others = [str(node) for node in readers if node.name not in plan.layers]
    if tensor in graph.outputs or not readers:
        return f"{tensor} is an output, which is float in ncnn"
    return f"{tensor} is read as float by {', '.join(others)}" if others else ""


def _int8(layer: Layer, node: Node, plan: Plan) -> Layer:
    int8, source, target = plan.layers[node.name], node.inputs[0], layer.outputs[0]
    stores = target in plan.kept_in_int8
    form = 1 if layer.type == "ConvolutionDepthWise" else 2
    params = {**layer.params, 5: 1, 8: form + 100 * stores}
    if _may_run_winograd(layer) and not int8.winograd:
        params[31] = layer.whole(31) | _NO_WINOGRAD
    weights = (
        Weight.tagged(np.ascontiguousarray(int8.weight)),
        Weight(np.asarray(int8.bias, np.float32)),
        _inverse(int8.weight_scales),
        _inverse(np.array([plan.tensors[source].scale])),
        *([_inverse(np.array([plan.tensors[target].scale]))] if stores else []),
    )
    return replace(layer, params=MappingProxyType(params), weights=weights)


def _may_run_winograd(layer: Layer) -> bool:
    square = all(layer.whole(key, layer.whole(1)) == 3 for key in (1, 11))
    plain = all(layer.whole(key, 1) == 1 for key in (2, 12, 3, 13))
    return layer.type == "Convolution" and square and plain


def _inverse(scales: AnyArray) -> Weight:
    return Weight((1 / scales.astype(np.float64)).astype(np.float32))
