"""ncnn's .param and .bin from a graph."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod

from calibration.emit.base import check_plan, emit_all, node_name
from calibration.emit.ncnn_int8 import to_int8
from calibration.emit.ncnn_operators import write
from calibration.emit.ncnn_writer import Writer, blob_shape, new_layer
from calibration.graph import Graph
from calibration.quant.plan.plan import Plan
from calibration.runtimes.ncnn import RUNTIME
from edge.errors import UnsupportedModelError
from edge.formats.ncnn import Layer, Network, blob_shapes, write_network
from edge.formats.ncnn_rewrite import fuse_activations

layer_name = node_name


def emit(graph: Graph, *, half: bool = False, plan: Plan | None = None) -> dict[str, bytes]:
    """The .param and .bin. See `calibration.emit.base.Emit`."""
    writer = Writer(graph, half)
    emit_all(graph, RUNTIME.name, partial(write, writer))
    network = fuse_activations(Network(tuple(writer.layers)))
    if plan is not None:
        check_plan(plan, graph, RUNTIME.name)
        network = to_int8(network, graph, plan)
    network = _with_splits(network, graph.outputs)
    _check_shapes(network, graph)
    param, weights = write_network(network)
    return {"param": param, "bin": weights}


def _with_splits(network: Network, outputs: tuple[str, ...]) -> Network:
    """A blob may have one reader: Split gives each its own. An output keeps its name."""
    layers: list[Layer] = []
    copies: dict[str, list[str]] = {}
    readers = {name: len(result) for name, result in _reads(network).items()}
    for layer in network.layers:
        layer = replace(
            layer, inputs=tuple(copies[n].pop(0) if n in copies else n for n in layer.inputs)
        )
        shared = [n for n in layer.outputs if readers.get(n, 0) + (n in outputs) > 1]
        fed = layer.type == "Input"
        hidden = {name: name if fed else f"{name}/all" for name in shared}
        layers.append(replace(layer, outputs=tuple(hidden.get(n, n) for n in layer.outputs)))
        for name in shared:
            count = readers[name]
            copies[name] = [f"{name}/{index}" for index in range(count)]
            if fed:
                given = tuple(copies[name])
            elif name in outputs:
                given = (name, *copies[name])
            else:
                copies[name][0] = name
                given = tuple(copies[name])
            layers.append(new_layer("Split", f"{name}/split", (hidden[name],), given))
    return Network(tuple(layers))


def _reads(network: Network) -> dict[str, list[Layer]]:
    """The layers that read each blob, once for every time."""
    results: dict[str, list[Layer]] = {}
    for layer in network.layers:
        for name in layer.inputs:
            results.setdefault(name, []).append(layer)
    return results


def _check_shapes(network: Network, graph: Graph) -> None:
    """What ncnn will compute has the shapes of the graph."""
    inputs = {name: blob_shape(graph.shapes[name]) for name in graph.inputs}
    for name, result in blob_shapes(network, inputs).items():
        if name not in graph.shapes or name in graph.constants:
            continue
        expected = blob_shape(graph.shapes[name])
        if prod(result) != prod(expected) or (len(result) > 1 and result != expected):
            producer = graph.producers.get(name, name)
            raise UnsupportedModelError(f"ncnn: {producer} would give {result}, wanted {expected}")
