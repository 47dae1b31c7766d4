"""The size of the input that an ncnn network is for, where its file tells one.

Converters write it into the layer Input, or leave it in the layers: a Reshape to so many cells, or
constants for each of them, fit one size only. Most networks take any size, and tell none.
"""

from __future__ import annotations

from contextlib import suppress

from edge.errors import ModelError
from edge.formats.ncnn import Layer, Network, blob_shapes
from edge.formats.ncnn_params import array
from edge.types import Size

_HINTS = 30  # key of the shapes that ncnnoptimize leaves: of each blob axes, width, height, …
_STEP, _SMALLEST, _LARGEST = 32, 64, 1280
_SEVERAL = (320, 416, 448)  # a network that takes all of these takes any size


def input_size(network: Network) -> Size | None:
    """The size that the network is for; None where it is not told, or any will do."""
    inputs = [layer for layer in network.layers if layer.type == "Input"]
    if len(inputs) != 1:
        return None
    return _said(inputs[0]) or _only(network, inputs[0].outputs[0])


def _said(layer: Layer) -> Size | None:
    """Of a layer Input: width, height and channels, or the same after a number of axes."""
    width, height = layer.whole(0), layer.whole(1)
    if min(width, height) < 1:
        with suppress(ValueError):
            hints = array(layer.params, _HINTS)
            if len(hints) >= 4 and hints[0] == 3:
                width, height = int(hints[1]), int(hints[2])
    return Size(height, width) if min(width, height) > 0 else None


def _only(network: Network, blob: str) -> Size | None:
    """The one square that the layers' shapes fit together at."""

    def fits(side: int) -> bool:
        with suppress(ModelError):
            blob_shapes(network, {blob: (3, side, side)})
            return True
        return False

    if all(map(fits, _SEVERAL)):
        return None
    sides = [side for side in range(_SMALLEST, _LARGEST + 1, _STEP) if fits(side)]
    return Size(sides[0], sides[0]) if len(sides) == 1 else None
