"""The layers of an ncnn network, gathered as a graph is gone through.

A blob of ncnn has no batch axis: it is the tensor without its leading 1. Squeeze-and-excitation
is the exception: after a global pooling (1, C, 1, 1) is a blob of one axis, on which a convolution
is an InnerProduct; it gets its axes back where another operator reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import MappingProxyType

import numpy as np

from calibration.graph import Graph, Node, Shape
from edge.formats.ncnn import Layer, Weight
from edge.formats.ncnn_params import Value
from edge.types import AnyArray


class Writer:
    """Gathers the layers of a graph, one node after another."""

    def __init__(self, graph: Graph, half: bool) -> None:
        """The inputs of a graph, and nothing else yet."""
        self.graph = graph
        self._dtype = np.float16 if half else np.float32
        self._flat: set[str] = set()  # tensors (1, C, 1, 1) that are stored as (C,)
        self._unflat: dict[str, str] = {}
        self._constants: dict[str, str] = {}
        self.layers = [new_layer("Input", name, (), (name,)) for name in graph.inputs]

    def add(
        self,
        kind: str,
        node: Node,
        inputs: tuple[str, ...],
        params: Mapping[int, Value],
        weights: tuple[Weight, ...] = (),
        outputs: tuple[str, ...] | None = None,
        name: str = "",
    ) -> None:
        """Add a layer that gives the outputs of a node."""
        outputs = node.outputs if outputs is None else outputs
        self.layers.append(new_layer(kind, name or node.name, inputs, outputs, params, weights))

    def weight(self, values: AnyArray) -> Weight:
        """A weight in the precision that was asked for."""
        return Weight.tagged(np.ascontiguousarray(values, self._dtype))

    def shape(self, tensor: str) -> Shape:
        """The shape of a tensor in the graph."""
        return self.graph.shapes[tensor]

    def blob(self, tensor: str) -> str:
        """The blob of a tensor, with all its axes."""
        if tensor in self.graph.constants:
            return self.constant(tensor, len(self.shape(tensor)))
        if tensor not in self._flat:
            return tensor
        if tensor not in self._unflat:
            self._unflat[tensor] = f"{tensor}/map"
            channels = self.shape(tensor)[1]
            self.layers.append(
                new_layer(
                    "Reshape",
                    f"{tensor}/map",
                    (tensor,),
                    (f"{tensor}/map",),
                    {0: 1, 1: 1, 2: channels},
                )
            )
        return self._unflat[tensor]

    def constant(self, tensor: str, rank: int, *, whole: bool = False) -> str:
        """The blob of a constant as an operand of tensors that have so many axes.

        Args:
            tensor: In the graph.
            rank: At most four where the first axis is kept.
            whole: Keep the first axis though it be 1: those tensors have no batch axis.
        """
        values = self.graph.constants[tensor]
        values = values.reshape((1,) * (rank - values.ndim) + values.shape)
        key = f"{tensor}/{rank}{'/whole' if whole else ''}"
        if key not in self._constants:
            self._constants[key] = key
            sizes = values.shape if whole else blob_shape(values.shape)
            self.layers.append(
                new_layer(
                    "MemoryData",
                    key,
                    (),
                    (key,),
                    {**size_params(sizes), 21: 0},
                    (self.weight(values),),
                )
            )
        return key

    def is_flat(self, tensor: str) -> bool:
        """Whether a tensor (1, C, 1, 1) is stored as (C,)."""
        return tensor in self._flat

    def set_flat(self, tensor: str) -> None:
        """Say that a tensor (1, C, 1, 1) is stored as (C,)."""
        self._flat.add(tensor)


def new_layer(
    kind: str,
    name: str,
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    params: Mapping[int, Value] = MappingProxyType({}),
    weights: tuple[Weight, ...] = (),
) -> Layer:
    """A layer with these parameters, which are copied."""
    return Layer(kind, name, inputs, outputs, MappingProxyType(dict(params)), weights)


def kept_axes(shape: Shape) -> tuple[int, ...]:
    """The axes that ncnn sees: without the batch axis, at most four, at least one.

    Axes of 1 are given up until the others fit; where they do not, none is left.
    """
    axes = list(range(len(shape)))
    if len(axes) > 1 and shape[0] == 1:
        del axes[0]
    while len(axes) > 4:
        idle = next((axis for axis in axes if shape[axis] == 1), None)
        if idle is None:
            return ()
        axes.remove(idle)
    return tuple(axes)


def blob_shape(shape: Shape) -> Shape:
    """The axes of a blob. A tensor of too many is one long row, for Reshape and Permute to read."""
    kept = kept_axes(shape)
    return tuple(shape[axis] for axis in kept) if kept else (prod(shape),)


def size_params(shape: Shape, keys: tuple[int, int, int, int] = (0, 1, 11, 2)) -> dict[int, Value]:
    """Sizes under the keys of width, height, depth and channels."""
    width, height, depth, channels = keys
    order = {1: (width,), 2: (height, width), 3: (channels, height, width)}
    return dict(zip(order.get(len(shape), (channels, depth, height, width)), shape, strict=True))
