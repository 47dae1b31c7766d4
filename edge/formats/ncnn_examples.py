"""The layers of ncnn's own examples that are no plain arithmetic: at the begin and at the end.

`YoloV5Focus` is a layer that the example programs register themselves; here it becomes a
convolution. `Yolov3DetectionOutput` decodes, thresholds and suppresses inside the network, by
numbers that stand in the file; it is cut off, so that it is done outside, by those of the caller.

Source: ncnn's documentation of its operators, and what the runtime computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from edge.errors import ModelError, UnsupportedModelError
from edge.formats.ncnn import Layer, Network, Weight
from edge.formats.ncnn_params import array
from edge.types import Float32Array

FOCUS = "YoloV5Focus"
DETECTION = "Yolov3DetectionOutput"
_QUARTERS = ((0, 0), (1, 0), (0, 1), (1, 1))  # row and column, in the order of the outputs
_OTHER_ENDINGS = {
    "DetectionOutput": "SSD's own detection layer",
    "YoloDetectionOutput": "YOLOv2's detection layer",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """What a detection layer said that was cut off.

    Attributes:
        anchors: By blob that it read, in its order: width and height in input pixels.
        scales: By blob: input pixels per cell, times what centers are spread by.
        classes: Number of classes.
        threshold: Of the scores that it gave.
        overlap: IoU above which it dropped the weaker box.
    """

    anchors: Mapping[str, tuple[tuple[float, float], ...]]
    scales: Mapping[str, float]
    classes: int
    threshold: float
    overlap: float


def signs(network: Network) -> frozenset[str]:
    """What a network shows of its family beside its outputs; see `edge.models.base.Seen`."""
    first = next((layer for layer in network.layers if layer.type == "Convolution"), None)
    result = {"image_arrays"} & {x.name for x in network.layers if x.type == "Input"}
    if first is not None:
        cell = first.whole(0) * first.whole(1) * first.whole(11, first.whole(1))
        focus = cell > 0 and first.whole(6) == 12 * cell
        result.add("focus" if focus else "no focus")
        if first.whole(1) == 6:
            result.add("six")
        if _darknet_like(network, first):
            result.add("leaky")
    return frozenset(result)


def _darknet_like(network: Network, convolution: Layer) -> bool:
    """Whether a convolution ends in a leaky ReLU or Mish, inside it or behind it."""
    if convolution.whole(9):
        return convolution.whole(9) in (2, 5)
    readers = network.consumers().get(convolution.outputs[0], [])
    return any(x.type == "Mish" or (x.type == "ReLU" and x.real(0, 0.0)) for x in readers)


def replace_focus(network: Network) -> Network:
    """Each `YoloV5Focus` as a convolution of two by two cells, which gives the same to the bit."""
    return Network(tuple(_convolution(x) if x.type == FOCUS else x for x in network.layers))


def _convolution(focus: Layer) -> Layer:
    channels = 3
    weights: Float32Array = np.zeros((4 * channels, channels, 2, 2), np.float32)
    for quarter, (row, column) in enumerate(_QUARTERS):
        for channel in range(channels):
            weights[quarter * channels + channel, channel, row, column] = 1
    params = MappingProxyType({0: 4 * channels, 1: 2, 3: 2, 6: weights.size})
    return replace(focus, type="Convolution", params=params, weights=(Weight.tagged(weights),))


def cut_detection(network: Network) -> tuple[Network, Ending | None]:
    """The network without its detection layer, and what that layer said.

    Raises:
        ModelError: Its parameters do not fit what it reads.
        UnsupportedModelError: There are several, or one of another kind.
    """
    for layer in network.layers:
        if layer.type in _OTHER_ENDINGS:
            raise UnsupportedModelError(
                f".param, {layer}: {_OTHER_ENDINGS[layer.type]}, which is not read here; export "
                "the network to ONNX or TensorFlow Lite instead"
            )
    endings = [layer for layer in network.layers if layer.type == DETECTION]
    if not endings:
        return network, None
    if len(endings) > 1:
        raise UnsupportedModelError(f".param: {len(endings)} layers {DETECTION}, one is wanted")
    rest = tuple(layer for layer in network.layers if layer is not endings[0])
    try:
        return Network(rest), _ending(endings[0])
    except ValueError as error:
        raise ModelError(f".param, {endings[0]}: {error}") from error


def _ending(layer: Layer) -> Ending:
    count = layer.whole(1, 5)
    sides = [float(n) for n in array(layer.params, 4)]
    mask, scales = array(layer.params, 5), array(layer.params, 6)
    pairs = list(zip(sides[::2], sides[1::2], strict=len(sides) % 2 == 0))
    if count < 1 or len(mask) != count * len(layer.inputs) or len(scales) != len(layer.inputs):
        raise ValueError(
            f"{len(mask)} places of anchors and {len(scales)} scales for {len(layer.inputs)} maps "
            f"of {count} anchors"
        )
    places = [_place(number) for number in mask]
    if max(places) >= len(pairs) or min(places) < 0 or min(sides) <= 0:
        raise ValueError(f"places {places} do not all lie among {len(pairs)} anchors above 0")
    anchors = {
        blob: tuple(pairs[place] for place in places[i * count : (i + 1) * count])
        for i, blob in enumerate(layer.inputs)
    }
    return Ending(
        MappingProxyType(anchors),
        MappingProxyType(dict(zip(layer.inputs, map(float, scales), strict=True))),
        layer.whole(0, 20),
        layer.real(2, 0.01),
        layer.real(3, 0.45),
    )


def _place(number: float) -> int:
    """A place in the list of anchors; converters write the bits of a float as a whole number."""
    if isinstance(number, int) and number > 255:
        number = float(np.int32(number).view(np.float32))
    return int(number)
