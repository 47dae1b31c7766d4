"""An ncnn network at another input size than the one that it was written for.

Converters write the sizes of maps into Reshape as numbers. Which of them are the height and the
width of a map is followed from the image on; those are replaced. Constants of the size of a map
cannot be followed so: such a network has one size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from types import MappingProxyType

from edge.errors import ModelError
from edge.formats.ncnn import Layer, Network, blob_shapes
from edge.formats.ncnn_params import Shape
from edge.formats.ncnn_shapes import PERMUTATIONS, SHAPES

_SIZES = (2, 11, 1, 0)  # keys of Reshape, slowest axis first: channels, depth, height, width


@dataclass(frozen=True, slots=True)
class _Map:
    """A blob that is one map, and where its cells are.

    Attributes:
        shape: Of the blob.
        first: The axis of the height, or of the cells.
        last: The axis of the width; the same where there is one axis of all cells.
        cells: Height and width.
    """

    shape: Shape
    first: int
    last: int
    cells: tuple[int, int]


def resized(network: Network, inputs: Mapping[str, Shape]) -> Network:
    """The network with every Reshape as it has to be for inputs of a size.

    Args:
        network: Any; it comes back as it is where nothing depends on the size.
        inputs: Shape (c, h, w) of each input blob.
    """
    shapes: dict[str, Shape] = dict(inputs)
    maps = {blob: _image(shape) for blob, shape in inputs.items()}
    layers = list(network.layers)
    for index, layer in enumerate(layers):
        if not layer.inputs or not all(blob in shapes for blob in layer.inputs):
            continue
        sources = [maps[blob] for blob in layer.inputs if blob in maps]
        followed = sources if len(sources) == len(layer.inputs) else []
        if layer.type == "Reshape" and len(followed) == 1:
            layers[index] = layer = _fitted(layer, followed[0])
        rule = SHAPES.get(layer.type)
        try:
            read = [shapes[blob] for blob in layer.inputs]
            written = (rule(layer.params, read, len(layer.outputs)) if rule else None) or ()
        except ValueError:  # said by whoever checks the network
            continue
        for blob, shape in zip(layer.outputs, written, strict=False):
            shapes[blob] = shape
            if followed and (kept := _behind(layer, followed, shape)) is not None:
                maps[blob] = kept
    same = all(old is new for old, new in zip(network.layers, layers, strict=True))
    return network if same else Network(tuple(layers))


def fixed(network: Network, inputs: Mapping[str, Shape]) -> bool:
    """Whether a network, which runs on inputs of these shapes, runs on those of no other size.

    Another shape of as many cells may seem to fit, though constants belong to the other; so one of
    four times as many is tried.
    """
    larger = {blob: (c, 2 * h, 2 * w) for blob, (c, h, w) in inputs.items()}
    try:
        blob_shapes(resized(network, larger), larger)
    except ModelError:
        return True
    return False


def _image(shape: Shape) -> _Map:
    return _Map(shape, 1, 2, (shape[-2], shape[-1]))


def _behind(layer: Layer, sources: Sequence[_Map], shape: Shape) -> _Map | None:
    """What a layer makes of maps; None where its output is not one map any more."""
    source = sources[0]
    if layer.type == "Reshape":
        at = _places(shape, source)
        return (
            None
            if at is None or _in_a_row(shape[at[0] : at[1]])
            else _Map(shape, at[0], at[1] - 1, source.cells)
        )
    if layer.type == "Permute":
        order = PERMUTATIONS[len(source.shape)][layer.whole(0)]
        first, last = order.index(source.first), order.index(source.last)
        turned = last - first != source.last - source.first
        return None if turned else _Map(shape, first, last, source.cells)
    image = all(each.first == 1 and each.last == 2 and len(each.shape) == 3 for each in sources)
    if image and len(shape) == 3:
        return _image(shape)  # of other channels, or another size
    return replace(source, shape=shape) if shape == source.shape else None


def _fitted(layer: Layer, source: _Map) -> Layer:
    """A Reshape that keeps the cells of the map that it reads."""
    keys = [key for key in _SIZES if key in layer.params]
    sizes = [layer.whole(key) for key in keys]
    at = _places(sizes, source) if min(sizes) > 0 else None
    if at is None:
        return layer
    old = sizes[at[0] : at[1]]
    cells: tuple[int, ...] = source.cells
    if len(old) == 1:
        cells = (prod(cells),)
    elif _in_a_row(old):
        cells = (1, prod(cells)) if old[0] == 1 else (prod(cells), 1)
    new = [*sizes[: at[0]], *cells, *sizes[at[1] :]]
    if new == sizes:
        return layer
    params = {**layer.params, **dict(zip(keys, new, strict=True))}
    return replace(layer, params=MappingProxyType(params))


def _in_a_row(cells: Sequence[int]) -> bool:
    """Whether two axes hold all cells in one of them."""
    return len(cells) == 2 and 1 in cells


def _places(sizes: Sequence[int], source: _Map) -> tuple[int, int] | None:
    """From which axis to which the cells are where a map is given these sizes."""
    before, behind = prod(source.shape[: source.first]), prod(source.shape[source.last + 1 :])
    for count in (2, 1):
        for first in range(len(sizes) - count + 1):
            last = first + count
            if prod(sizes[:first]) == before and prod(sizes[last:]) == behind:
                return first, last
    return None
