"""Equalization: a scale of its own for each channel of a tensor, without any effect in float.

INT8 has one scale for all channels of a tensor, so that what one channel needs is lost on another.
Here what gives a tensor is divided by a factor for each channel, and what reads it multiplied, so
that a common scale is another one for each channel. Where convolutions give and read it, and only
what a positive factor passes through lies between (Relu, LeakyRelu, pooling of the greatest,
concatenation), their weights take the factors up. Elsewhere one side has an operator of its own
that multiplies: in front of the convolutions that read it, or behind the one that gives it.

Source: Nagel et al. 2019, arXiv:1906.04721; Xiao et al. 2023, arXiv:2211.10438, eq. 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from calibration.graph import Graph, Node
from calibration.quant.plan import structure
from calibration.quant.plan.plan import Plan
from calibration.quant.plan.rescaling import Rescaling, equalized_name
from calibration.quant.spec.spec import QuantSpec
from calibration.runtimes import runtime
from edge.errors import CalibrationError
from edge.types import Float32Array

_PASSED = ("Relu", "LeakyRelu")


@dataclass(frozen=True, slots=True, eq=False)
class EqualizationPair:
    """The convolutions whose weights take up the factors of a tensor, on one side at least.

    Attributes:
        producer: The one that gives it; None where another operator does, so that one is put in
            front of the readers.
        readers: Those that it goes to, and the first of their input channels that it is; none
            where it goes elsewhere, so that an operator is put behind the producer.
    """

    producer: Node | None
    readers: tuple[tuple[Node, int], ...]


def sites(graph: Graph) -> dict[str, EqualizationPair]:
    """The tensors that can be equalized, in the graph's order."""
    between = _between(graph)
    results = {}
    for node in graph.nodes:
        for name in node.outputs:
            site = between.get(name) or _beside(graph, node, name)
            if site is not None:
                results[name] = site
    return results


def equalized(graph: Graph, factors: Mapping[str, Float32Array]) -> Graph:
    """The network that computes the same, with tensors that suit one scale.

    Args:
        graph: Prepared.
        factors: By tensor, (C,) positive: what its channels are divided by.

    Raises:
        CalibrationError: A tensor cannot be equalized, or has another number of channels.
    """
    able = sites(graph)
    change = Rescaling(graph)
    for tensor, factor in factors.items():
        if tensor not in able:
            raise CalibrationError(
                f"the spec equalizes {tensor!r}, which no convolution gives or reads that could "
                "take up factors"
            )
        channels = graph.shapes[tensor][1]
        if factor.shape != (channels,):
            raise CalibrationError(
                f"the spec has {factor.size} factors for {tensor!r}, which has {channels} channels"
            )
        site, inverse = able[tensor], np.reciprocal(factor)
        if equalized_name(tensor) in graph.shapes:
            raise CalibrationError(
                f"{tensor!r} cannot be equalized: {equalized_name(tensor)!r} exists"
            )
        if site.producer is None:
            change.multiply_before(tensor, inverse, {node.name for node, _ in site.readers})
        elif not site.readers:
            change.multiply_behind(tensor, factor)
        if site.producer is not None:
            change.scale_outputs(site.producer, inverse)
        for reader, first in site.readers:
            change.scale_inputs(reader, first, factor)
    return change.graph()


def at(graph: Graph, spec: QuantSpec, target: str) -> Graph:
    """The network as the spec equalizes it for a runtime.

    Raises:
        CalibrationError: As `equalized`.
        UnsupportedModelError: The target is unknown.
    """
    return equalized(graph, spec.scheme(runtime(target).scheme).equalization)


def settled(graph: Graph, plan: Plan) -> Graph:
    """The network without multiplications of channels beside convolutions that are float.

    Those take the factors up, whether they stem from equalization or from the model itself.

    Args:
        graph: Equalized.
        plan: Of it; still one of what is given, since nothing that has codes is changed.
    """
    change = Rescaling(graph)
    kept = {*plan.tensors, *graph.outputs}
    for node in graph.nodes:
        factor = multiplier(graph, node)
        if factor is None:
            continue
        source = node.inputs[0]
        producer = graph.producers.get(source)
        if (
            producer is not None
            and _is_float(graph, producer, plan)
            and graph.sole_consumer(source) is node
            and node.output not in kept
        ):
            change.scale_outputs(producer, factor)
            change.drop(node)
            continue
        for reader in graph.consumers.get(node.output, ()):
            if _is_float(graph, reader, plan) and not structure.is_grouped(graph, reader):
                change.scale_inputs(reader, 0, factor)
                change.read(reader, source)
    return change.graph()


def _is_float(graph: Graph, node: Node, plan: Plan) -> bool:
    return node.op == "Conv" and node.name not in plan.layers and _is_fixed(graph, node)


def multiplier(graph: Graph, node: Node) -> Float32Array | None:
    """(C,): what a node multiplies the channels of an image by, if it does nothing else."""
    if node.op != "Mul" or (values := graph.values(node.inputs[1])) is None:
        return None
    shape = graph.shapes.get(node.inputs[0], ())
    if values.shape != (1, *shape[1:2], 1, 1) or graph.shapes.get(node.output) != shape:
        return None
    if not (values > 0).all():
        return None
    return np.asarray(values.reshape(-1), np.float32)


def share(graph: Graph, reader: Node, first: int, count: int) -> Float32Array:
    """(count,): the greatest weight of each input channel, as a part of its row's greatest.

    Zero where each channel's weights have a scale of their own, so that factors cost nothing.
    """
    if structure.is_depthwise(graph, reader):
        return np.zeros(count, np.float32)
    weight = np.abs(graph.constants[reader.inputs[1]])
    rows = weight.max((1, 2, 3), keepdims=True)
    parts = (weight / np.where(rows > 0, rows, 1)).max((0, 2, 3))
    return np.asarray(parts[first : first + count], np.float32)


def _between(graph: Graph) -> dict[str, EqualizationPair]:
    """Where weights take up the factors on both sides."""
    results = {}
    for node in structure.convolutions(graph):
        name = node.output
        reader = graph.sole_consumer(name)
        if reader is not None and reader.op in _PASSED and name not in graph.outputs:
            name = reader.output
        readers = _readers(graph, name, 0) if _is_fixed(graph, node) else ()
        if readers:
            results[name] = EqualizationPair(node, readers)
    return results


def _beside(graph: Graph, node: Node, name: str) -> EqualizationPair | None:
    """Where they do on one: the readers', or else the producer's."""
    shape = graph.shapes.get(name, ())
    if len(shape) != 4 or shape[2:] == (1, 1):
        return None
    consumers = graph.consumers.get(name, ())
    readers = [reader for reader in consumers if reader.op == "Conv" and _takes(graph, reader)]
    if readers:
        return EqualizationPair(None, tuple((reader, 0) for reader in readers))
    if node.op == "Conv" and _is_fixed(graph, node) and consumers and name not in graph.outputs:
        return EqualizationPair(node, ())
    return None


def _takes(graph: Graph, reader: Node) -> bool:
    return _is_fixed(graph, reader) and not structure.is_grouped(graph, reader)


def _readers(graph: Graph, name: str, first: int) -> tuple[tuple[Node, int], ...]:
    """The convolutions that a tensor goes to; none if it goes anywhere else."""
    results: list[tuple[Node, int]] = []
    for node in graph.consumers.get(name, ()):
        more = _behind(graph, node, name, first)
        if not more:
            return ()
        results += more
    return () if name in graph.outputs else tuple(results)


def _behind(graph: Graph, node: Node, name: str, first: int) -> list[tuple[Node, int]]:
    if node.op == "Conv" and _takes(graph, node):
        return [(node, first)]
    if node.op == "MaxPool":
        return list(_readers(graph, node.output, first))
    if node.op != "Concat" or node.get("axis", 1) != 1:
        return []
    results: list[tuple[Node, int]] = []
    before = 0
    for source in node.inputs:
        if source == name:
            results += (behind := _readers(graph, node.output, first + before))
            if not behind:
                return []
        before += graph.shapes[source][1]
    return results


def _is_fixed(graph: Graph, node: Node) -> bool:
    weight = graph.values(node.inputs[1])
    bias = not node.input(2) or graph.values(node.input(2)) is not None
    return weight is not None and weight.ndim == 4 and bias
