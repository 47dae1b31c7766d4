"""A network with other weights, and with multiplications of channels put in or taken out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from calibration.graph import Graph, Node
from calibration.quant.plan import structure
from edge.types import AnyArray, Float32Array


def equalized_name(tensor: str) -> str:
    """The name of a tensor whose channels suit one scale, where one is added for that."""
    return f"{tensor}/scaled"


class Rescaling:
    """Changes that are gathered, and made at once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._values: dict[tuple[str, int], AnyArray] = {}  # by node and input
        self._factors: dict[str, Float32Array] = {}  # of new multiplications, by tensor
        self._before: dict[str, set[str]] = {}  # who reads the product; behind, where none is named
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

    def multiply_before(self, tensor: str, factor: Float32Array, readers: set[str]) -> None:
        """Let some nodes read the product of a tensor's channels and a factor."""
        self._factors[tensor], self._before[tensor] = factor, readers

    def multiply_behind(self, tensor: str, factor: Float32Array) -> None:
        """Let a tensor be the product of what its node gives and a factor."""
        self._factors[tensor] = factor

    def read(self, node: Node, source: str) -> None:
        """Let a convolution read another tensor."""
        self._sources[node.name] = source

    def drop(self, node: Node) -> None:
        """Leave a node out; its input stands for its output."""
        self._dropped[node.output] = node.inputs[0]

    def graph(self) -> Graph:
        """The changed graph; a constant that several nodes read is not changed for all."""
        if not (self._values or self._factors):
            return self._graph
        constants: dict[str, AnyArray] = {}
        nodes: list[Node] = []
        for node in self._graph.nodes:
            if node.output in self._dropped:
                continue
            nodes.append(self._changed(node, constants))
            new = [name for name in node.outputs if name in self._factors]
            nodes += [self._multiplication(name, constants) for name in new]
        return self._graph.rebuilt(nodes=nodes, constants=constants)

    def _multiplication(self, tensor: str, constants: dict[str, AnyArray]) -> Node:
        name = equalized_name(tensor)
        ends = (tensor, name) if tensor in self._before else (name, tensor)
        constants[f"{name}/factors"] = self._factors[tensor].reshape(1, -1, 1, 1)
        return Node("Mul", f"{name}/by", (ends[0], f"{name}/factors"), (ends[1],))

    def _changed(self, node: Node, constants: dict[str, AnyArray]) -> Node:
        inputs = list(node.inputs)
        if node.name in self._sources:
            inputs[0] = self._sources[node.name]
        inputs = [self._dropped.get(name, name) for name in inputs]
        if inputs and node.name in self._before.get(inputs[0], ()):
            inputs[0] = equalized_name(inputs[0])
        for place in (1, 2):
            if (node.name, place) in self._values:
                inputs[place] = f"{inputs[place]}/{node.name}/equalized"
                constants[inputs[place]] = self._values[node.name, place]
        behind = self._factors.keys() - self._before.keys()
        outputs = tuple(equalized_name(name) if name in behind else name for name in node.outputs)
        return replace(node, inputs=tuple(inputs), outputs=outputs)

    def _scale(self, node: Node, place: int, part: Any, factor: AnyArray) -> None:
        own = self._graph.constants[node.inputs[place]]
        self._values.setdefault((node.name, place), own.copy())[part] *= factor
