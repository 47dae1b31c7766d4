"""Networks of YOLOv6's kind, small enough to be converted in a moment; no torch is needed."""

from __future__ import annotations

import numpy as np
from operator_cases import Builder


def detector(deep: int = 0) -> bytes:
    """An ONNX file: two convolutions a level, decoded in the graph; 3 classes, 64x64.

    Args:
        deep: So many convolutions before those, of full size.
    """
    b = Builder(seed=3)
    x, channels = "images", 3
    for index in range(deep):
        x = b.op("Relu", b.conv(x, channels, 32, 3, pads=(1, 1, 1, 1), name=f"deep{index}"))
        channels = 32
    x = b.op("Relu", b.conv(x, channels, 8, 3, strides=(8, 8), name="stem"))
    rows = []
    for stride in (8, 16, 32):
        if stride > 8:
            x = b.op("Relu", b.conv(x, 8, 8, 2, strides=(2, 2), name=f"down{stride}"))
        cells = (64 // stride) ** 2
        scores = b.op("Sigmoid", b.conv(x, 8, 3, name=f"scores{stride}"))
        sides = b.conv(x, 8, 4, name=f"boxes{stride}")
        flat = [
            b.op("Transpose", b.op("Reshape", y, np.array([1, n, cells])), perm=(0, 2, 1))
            for y, n in ((sides, 4), (scores, 3))
        ]
        rows.append(_decoded(b, *flat, stride))
    return b.model([b.op("Concat", *rows, axis=1, name="outputs")], (1, 3, 64, 64))


def _decoded(b, sides, scores, stride):
    side = 64 // stride
    y, x = np.mgrid[:side, :side].reshape(2, -1) + 0.5
    points = np.stack([x, y], -1)[None].astype(np.float32)
    low, high = b.op("Split", sides, np.array([2, 2]), axis=2, outputs=2)
    corners = b.op("Sub", points, low), b.op("Add", points, high)
    center = b.op("Mul", b.op("Add", *corners), np.float32(stride / 2))
    extent = b.op("Mul", b.op("Sub", corners[1], corners[0]), np.float32(stride))
    ones = np.ones((1, side * side, 1), np.float32)
    return b.op("Concat", center, extent, ones, scores, axis=2)


def with_grouped_deconvolution() -> bytes:
    """An ONNX file that TensorFlow Lite cannot take, for its node_up."""
    b = Builder()
    x = b.conv("images", 3, 8, 3, strides=(8, 8))
    weight = b.float_layers(8, 4, 2, 2)
    x = b.op("ConvTranspose", x, weight, group=2, strides=(2, 2), kernel_shape=(2, 2), name="up")
    x = b.conv(x, 8, 8, 2, strides=(2, 2))
    rows = []
    for stride in (8, 16, 32):
        x = b.conv(x, 8, 8, 2, strides=(2, 2)) if stride > 8 else x
        values = b.op("Abs", b.conv(x, 8, 8))
        cells = (64 // stride) ** 2
        rows.append(
            b.op("Transpose", b.op("Reshape", values, np.array([1, 8, cells])), perm=(0, 2, 1))
        )
    return b.model([b.op("Concat", *rows, axis=1, name="outputs")], (1, 3, 64, 64))
