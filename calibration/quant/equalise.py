"""Equalisation: a step of its own for each channel of a tensor, without any effect in float.

INT8 has one step for all channels of a tensor, so that what one channel needs is lost on another.
Here what gives a tensor is divided by a factor for each channel, and what reads it multiplied, so
that a common step is another one for each channel. Where convolutions give and read it, and only
what a positive factor passes through lies between (Relu, LeakyRelu, pooling of the greatest,
concatenation), their weights take the factors up. Elsewhere one side has an operator of its own
that multiplies: in front of the convolutions that read it, or behind the one that gives it.

Source: Nagel et al. 2019, arXiv:1906.04721; Xiao et al. 2023, arXiv:2211.10438, eq. 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calibration.graph import Graph, Node
from calibration.quant import structure
from calibration.quant.plan import Plan
from calibration.quant.policy import policy
from calibration.quant.spec import QuantSpec
from edge.errors import CalibrationError
from edge.types import AnyArray, Float32Array

_PASSED = ("Relu", "LeakyRelu")


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """The convolutions whose weights take up the factors of a tensor, on one side at least.

    Attributes:
        maker: The one that gives it; None where another operator does, so that one is put in
            front of the readers.
        readers: Those that it goes to, and the first of their input channels that it is; none
            where it goes elsewhere, so that an operator is put behind the maker.
    """

    maker: Node | None
    readers: tuple[tuple[Node, int], ...]


def levelled(tensor: str) -> str:
    """The name of a tensor whose channels have one step, where one is added to have that."""
    return f"{tensor}/levelled"


def sites(graph: Graph) -> dict[str, Site]:
    """The tensors that can be equalised, in the graph's order."""
    between = _between(graph)
    found = {}
    for node in graph.nodes:
        for name in node.outputs:
            site = between.get(name) or _beside(graph, node, name)
            if site is not None:
                found[name] = site
    return found


def equalised(graph: Graph, factors: Mapping[str, Float32Array]) -> Graph:
    """The network that computes the same, with tensors that suit one step.

    Args:
        graph: Prepared.
        factors: By tensor, (C,) positive: what its channels are divided by.

    Raises:
        CalibrationError: A tensor cannot be equalised, or has another number of channels.
    """
    able = sites(graph)
    change = _Change(graph)
    for tensor, factor in factors.items():
        if tensor not in able:
            raise CalibrationError(
                f"the spec equalises {tensor!r}, which no convolution gives or reads that could "
                "take up factors"
            )
        channels = graph.shapes[tensor][1]
        if factor.shape != (channels,):
            raise CalibrationError(
                f"the spec has {factor.size} factors for {tensor!r}, which has {channels} channels"
            )
        site, inverse = able[tensor], np.reciprocal(factor)
        if site.maker is None:
            change.multiply(tensor, inverse, {node.name for node, _ in site.readers})
        elif not site.readers:
            change.multiply(tensor, factor, None)
        if site.maker is not None:
            change.scale_outputs(site.maker, inverse)
        for reader, first in site.readers:
            change.scale_inputs(reader, first, factor)
    return change.graph()


def at(graph: Graph, spec: QuantSpec, target: str) -> Graph:
    """The network as the spec equalises it for a runtime.

    Raises:
        CalibrationError: As `equalised`.
        UnsupportedModelError: The target is unknown.
    """
    return equalised(graph, spec.scheme(policy(target).scheme).equalisation)


def settled(graph: Graph, plan: Plan) -> Graph:
    """The network without multiplications beside convolutions that are float in a plan.

    Args:
        graph: Equalised.
        plan: Of it; remains one of what is given.
    """
    change = _Change(graph)
    for node in graph.nodes:
        factor = multiplier(graph, node)
        if factor is None:
            continue
        source, maker = node.inputs[0], graph.producers.get(node.inputs[0])
        for reader in graph.consumers.get(node.output, ()):
            if reader.op == "Conv" and reader.name not in plan.layers and _takes(graph, reader):
                change.scale_inputs(reader, 0, factor)
                change.read(reader, source)
        if (
            maker is not None
            and maker.op == "Conv"
            and maker.name not in plan.layers
            and _is_fixed(graph, maker)
            and graph.sole_consumer(source) is node
        ):
            change.scale_outputs(maker, factor)
            change.drop(node)
    return change.graph()


def multiplier(graph: Graph, node: Node) -> Float32Array | None:
    """(C,): what a node multiplies the channels of a picture by, if it does nothing else."""
    if node.op != "Mul" or node.inputs[0] in graph.constants:
        return None
    values, channels = graph.values(node.inputs[1]), graph.shapes[node.output][1:2]
    if values is None or values.shape != (1, *channels, 1, 1) or not (values > 0).all():
        return None
    return np.asarray(values.reshape(-1), np.float32)


def share(graph: Graph, reader: Node, first: int, count: int) -> Float32Array:
    """(count,): the greatest weight of each input channel, as a part of its row's greatest.

    Zero where each channel's weights have a step of their own, so that factors cost nothing.
    """
    if structure.is_depthwise(graph, reader):
        return np.zeros(count, np.float32)
    weight = np.abs(graph.constants[reader.inputs[1]])
    rows = weight.max((1, 2, 3), keepdims=True)
    parts = (weight / np.where(rows > 0, rows, 1)).max((0, 2, 3))
    return np.asarray(parts[first : first + count], np.float32)


def _between(graph: Graph) -> dict[str, Site]:
    """Where weights take up the factors on both sides."""
    found = {}
    for node in structure.convolutions(graph):
        name = node.output
        reader = graph.sole_consumer(name)
        if reader is not None and reader.op in _PASSED and name not in graph.outputs:
            name = reader.output
        readers = _readers(graph, name, 0) if _is_fixed(graph, node) else ()
        if readers:
            found[name] = Site(node, readers)
    return found


def _beside(graph: Graph, node: Node, name: str) -> Site | None:
    """Where they do on one: the readers', or else the maker's."""
    shape = graph.shapes.get(name, ())
    if len(shape) != 4 or shape[2:] == (1, 1):
        return None
    consumers = graph.consumers.get(name, ())
    readers = [reader for reader in consumers if reader.op == "Conv" and _takes(graph, reader)]
    if readers:
        return Site(None, tuple((reader, 0) for reader in readers))
    if node.op == "Conv" and _is_fixed(graph, node) and consumers and name not in graph.outputs:
        return Site(node, ())
    return None


def _takes(graph: Graph, reader: Node) -> bool:
    return _is_fixed(graph, reader) and not structure.is_grouped(graph, reader)


def _readers(graph: Graph, name: str, first: int) -> tuple[tuple[Node, int], ...]:
    """The convolutions that a tensor goes to; none if it goes anywhere else."""
    found: list[tuple[Node, int]] = []
    for node in graph.consumers.get(name, ()):
        more = _behind(graph, node, name, first)
        if not more:
            return ()
        found += more
    return () if name in graph.outputs else tuple(found)


def _behind(graph: Graph, node: Node, name: str, first: int) -> list[tuple[Node, int]]:
    if node.op == "Conv" and _takes(graph, node):
        return [(node, first)]
    if node.op == "MaxPool":
        return list(_readers(graph, node.output, first))
    if node.op != "Concat" or node.get("axis", 1) != 1:
        return []
    found: list[tuple[Node, int]] = []
    before = 0
    for source in node.inputs:
        if source == name:
            found += (behind := _readers(graph, node.output, first + before))
            if not behind:
                return []
        before += graph.shapes[source][1]
    return found


def _is_fixed(graph: Graph, node: Node) -> bool:
    weight = graph.values(node.inputs[1])
    bias = not node.input(2) or graph.values(node.input(2)) is not None
    return weight is not None and weight.ndim == 4 and bias


class _Change:
    """A graph with other weights, and with multiplications put in or taken out."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._values: dict[tuple[str, int], AnyArray] = {}  # by node and input
        self._new: dict[str, tuple[Node, AnyArray, set[str] | None]] = {}  # by tensor
        self._sources: dict[str, str] = {}  # by node: what it reads now
        self._dropped: dict[str, str] = {}  # what a node gave, and what is there in its place

    def scale_outputs(self, node: Node, factor: Float32Array) -> None:
        """Multiply what a convolution gives."""
        self._scale(node, 1, np.s_[:], factor.reshape(-1, 1, 1, 1))
        if node.input(2):
            self._scale(node, 2, np.s_[:], factor)

    def scale_inputs(self, node: Node, first: int, factor: Float32Array) -> None:
        """Multiply what a convolution reads, from one of its input channels on."""
        part = slice(first, first + len(factor))
        if structure.is_depthwise(self._graph, node):
            self._scale(node, 1, np.s_[part], factor.reshape(-1, 1, 1, 1))
        else:
            self._scale(node, 1, np.s_[:, part], factor.reshape(1, -1, 1, 1))

    def multiply(self, tensor: str, factor: Float32Array, readers: set[str] | None) -> None:
        """Put a multiplication in front of these readers, or behind what gives the tensor."""
        name = levelled(tensor)
        ends = (tensor, name) if readers is not None else (name, tensor)
        node = Node("Mul", f"{name}/by", (ends[0], f"{name}/factors"), (ends[1],))
        self._new[tensor] = (node, factor.reshape(1, -1, 1, 1), readers)

    def read(self, node: Node, source: str) -> None:
        """Let a convolution read another tensor."""
        self._sources[node.name] = source

    def drop(self, node: Node) -> None:
        """Leave a node out; its input stands for its output."""
        self._dropped[node.output] = node.inputs[0]

    def graph(self) -> Graph:
        """The changed graph; a constant that several nodes read is not changed for all."""
        if not (self._values or self._new):
            return self._graph
        constants: dict[str, AnyArray] = {}
        nodes: list[Node] = []
        for node in self._graph.nodes:
            if node.output in self._dropped:
                continue
            changed, behind = self._changed(node, constants), []
            for name in node.outputs:
                if name in self._new:
                    new, factor, readers = self._new[name]
                    constants[new.inputs[1]] = factor
                    behind.append(new)
                    if readers is None:
                        changed = replace(changed, outputs=(levelled(name),))
            nodes += [changed, *behind]
        return self._graph.rebuilt(nodes=nodes, constants=constants)

    def _changed(self, node: Node, constants: dict[str, AnyArray]) -> Node:
        inputs = [self._dropped.get(name, name) for name in node.inputs]
        if node.name in self._sources:
            inputs[0] = self._sources[node.name]
        new = self._new.get(node.inputs[0]) if node.inputs else None
        if new is not None and new[2] is not None and node.name in new[2]:
            inputs[0] = levelled(node.inputs[0])
        for place in (1, 2):
            if (node.name, place) in self._values:
                inputs[place] = f"{inputs[place]}/{node.name}/equalised"
                constants[inputs[place]] = self._values[node.name, place]
        return replace(node, inputs=tuple(inputs))

    def _scale(self, node: Node, place: int, part: Any, factor: AnyArray) -> None:
        own = self._graph.constants[node.inputs[place]]
        self._values.setdefault((node.name, place), own.copy())[part] *= factor
