"""Cross-layer equalisation: a tensor's channels brought nearer to one reach, without any effect.

What gives a tensor is divided by a factor for each channel, and what reads it is multiplied.
Between the two lie only operators that a positive factor passes through: Relu, LeakyRelu, pooling
of the greatest, concatenation. In float nothing changes but the rounding of sums; in INT8, where a
tensor has one step for all channels, small channels get more codes, at the cost of the weights
behind.

Source: Nagel et al. 2019, arXiv:1906.04721; Xiao et al. 2023, arXiv:2211.10438, eq. 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from calibration.graph import Graph, Node
from calibration.quant import structure
from calibration.quant.inputs import Inputs
from calibration.quant.session import Session
from edge.errors import CalibrationError
from edge.types import AnyArray, Float32Array

_PASSED = ("Relu", "LeakyRelu")
_LEAST = 1e-3  # of the greatest reach: what is silent on the pictures is not blown up
_MOST = 16.0  # times more codes for a channel, at most


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Where a tensor comes from and goes to.

    Attributes:
        maker: The convolution that gives it.
        readers: The convolutions that it goes to, and the first of their input channels that it
            is.
    """

    maker: Node
    readers: tuple[tuple[Node, int], ...]


def sites(graph: Graph) -> dict[str, Site]:
    """The tensors that can be equalised, in the graph's order."""
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


def equalised(graph: Graph, factors: Mapping[str, Float32Array]) -> Graph:
    """The network with other weights that computes the same.

    Args:
        graph: Prepared.
        factors: By tensor, (C,) positive: what its channels are divided by.

    Raises:
        CalibrationError: A tensor cannot be equalised, or has another number of channels.
    """
    able = sites(graph)
    changed: dict[tuple[str, int], AnyArray] = {}  # by node and input
    for tensor, factor in factors.items():
        if tensor not in able:
            raise CalibrationError(
                f"the spec equalises {tensor!r}, which does not go from a convolution to "
                "convolutions alone"
            )
        channels = graph.shapes[tensor][1]
        if factor.shape != (channels,):
            raise CalibrationError(
                f"the spec has {factor.size} factors for {tensor!r}, which has {channels} channels"
            )
        maker = able[tensor].maker
        _scale(graph, changed, maker, 1, np.s_[:], (1 / factor).reshape(-1, 1, 1, 1))
        if maker.input(2):
            _scale(graph, changed, maker, 2, np.s_[:], 1 / factor)
        for reader, first in able[tensor].readers:
            part = slice(first, first + channels)
            if structure.is_depthwise(graph, reader):
                _scale(graph, changed, reader, 1, np.s_[part], factor.reshape(-1, 1, 1, 1))
            else:
                _scale(graph, changed, reader, 1, np.s_[:, part], factor.reshape(1, -1, 1, 1))
    return _changed(graph, changed)


def balance(graph: Graph, inputs: Inputs) -> dict[str, Float32Array]:
    """Factors that share the burden evenly between tensors and the weights that read them.

    Args:
        graph: Prepared.
        inputs: Pictures to see the reach of channels on.
    """
    able = sites(graph)
    reaches = _reaches(graph, inputs, list(able))
    found = {}
    for tensor, site in able.items():
        reach = reaches[tensor]
        most = float(reach.max(initial=0))
        weight = np.stack([_share(graph, *each, len(reach)) for each in site.readers]).max(0)
        if most <= 0:
            continue
        factor = np.maximum(reach, _LEAST * most)
        if weight.any():
            factor = np.sqrt(factor / np.maximum(weight, _LEAST * weight.max()))
        factor *= (reach / factor).max() / most  # the reach of the whole tensor stays
        found[tensor] = factor.clip(1 / _MOST, None).astype(np.float32)
    return found


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
    if node.op == "Conv" and _is_fixed(graph, node) and not structure.is_grouped(graph, node):
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


def _share(graph: Graph, reader: Node, first: int, count: int) -> Float32Array:
    """(count,): the greatest weight of each input channel, as a part of its row's greatest."""
    if structure.is_depthwise(graph, reader):
        return np.zeros(count, np.float32)  # each channel's weights have their own step
    weight = np.abs(graph.constants[reader.inputs[1]])
    rows = weight.max((1, 2, 3), keepdims=True)
    parts = (weight / np.where(rows > 0, rows, 1)).max((0, 2, 3))
    return np.asarray(parts[first : first + count], np.float32)


def _reaches(graph: Graph, inputs: Inputs, names: list[str]) -> dict[str, Float32Array]:
    """(C,) by tensor: the greatest magnitude of each channel, inside the pictures."""
    found = {name: np.zeros(graph.shapes[name][1], np.float32) for name in names}
    if not names:
        return found
    session = Session(graph.rebuilt(outputs=names))
    for index in range(len(inputs)):
        for name, values in zip(names, session(inputs.real(index)), strict=True):
            most = np.abs(inputs.picture(index, values)).max((0, 2, 3))
            found[name] = np.maximum(found[name], most)
    return found


def _scale(
    graph: Graph,
    changed: dict[tuple[str, int], AnyArray],
    node: Node,
    place: int,
    part: Any,
    factor: AnyArray,
) -> None:
    values = changed.setdefault((node.name, place), graph.constants[node.inputs[place]].copy())
    values[part] *= factor


def _changed(graph: Graph, changed: Mapping[tuple[str, int], AnyArray]) -> Graph:
    """The graph with other constants; one that several nodes read is not changed for all."""
    constants: dict[str, AnyArray] = {}
    nodes = []
    for node in graph.nodes:
        inputs = list(node.inputs)
        for place in (1, 2):
            if (node.name, place) in changed:
                inputs[place] = f"{inputs[place]}/{node.name}/equalised"
                constants[inputs[place]] = changed[node.name, place]
        nodes.append(replace(node, inputs=tuple(inputs)))
    return graph.rebuilt(nodes=nodes, constants=constants)
