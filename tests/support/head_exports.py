"""Detectors of several families as their exporters write them, small and with random weights.

Three classes, 64x64. What lies behind the last convolutions is the family's own, written from the
papers and from what the exports give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from operator_cases import Builder

CLASSES = 3
SIDE = 64
OVERLAP = 0.4  # of boxes of a class, where they are suppressed inside
SHAPE = (1, 3, SIDE, SIDE)


class Net(Builder):
    """A graph that begins with a body; `at[stride]` are its feature maps."""

    def __init__(self, strides=(8, 16, 32)):
        super().__init__(seed=5)
        self.strides = strides
        x = self.op("Relu", self.conv("images", 3, 8, 3, strides=(8, 8), name="stem"))
        self.at = {8: x}
        for stride in strides[1:]:
            x = self.op("Relu", self.conv(x, 8, 8, 2, strides=(2, 2), name=f"down{stride}"))
            self.at[stride] = x

    def head(self, stride, channels, name):
        return self.conv(self.at[stride], 8, channels, name=f"{name}{stride}")

    def distribution(self, stride, bins, name="boxes"):
        """A head of distributions of which most are low: small boxes."""
        y = self.head(stride, 4 * bins, f"spread_{name}")
        low = -0.7 * np.tile(np.arange(bins, dtype=np.float32), 4).reshape(1, -1, 1, 1)
        return self.op("Add", y, low, name=f"{name}{stride}")

    def flat(self, x, channels, stride):
        """(1, channels, cells)."""
        return self.op("Reshape", x, np.array([1, channels, (SIDE // stride) ** 2]))

    def joined(self, parts, axis, **options):
        return self.op("Concat", *parts, axis=axis, **options)

    def expectation(self, x, bins, stride):
        """(1, 4 * bins, H, W) to (1, 4, cells): the mean of a softmax, as a convolution."""
        cells = (SIDE // stride) ** 2
        x = self.op("Reshape", x, np.array([1, 4, bins, cells]))
        x = self.op("Softmax", self.op("Transpose", x, perm=(0, 2, 1, 3)), axis=1)
        whole = np.arange(bins, dtype=np.float32).reshape(1, bins, 1, 1)
        x = self.op("Conv", x, whole, kernel_shape=(1, 1))
        return self.op("Reshape", x, np.array([1, 4, cells]))

    def corners(self, sides, stride, offset):
        """(1, 4, cells) of distances in cells to corners in pixels."""
        count = SIDE // stride
        y, x = np.mgrid[:count, :count].reshape(2, -1) + offset
        points = np.stack([x, y])[None].astype(np.float32)
        low, high = self.op("Split", sides, np.array([2, 2]), axis=1, outputs=2)
        ends = self.op("Sub", points, low), self.op("Add", points, high)
        return self.op("Mul", self.joined(ends, 1), np.float32(stride))


def yolox() -> bytes:
    net, maps = Net(), []
    for stride in net.strides:
        scores = net.op("Sigmoid", net.head(stride, CLASSES, "classes"))
        boxes = net.head(stride, 4, "boxes")
        objects = net.op("Sigmoid", net.head(stride, 1, "objects"))
        maps.append(net.flat(net.joined([boxes, objects, scores], 1), 5 + CLASSES, stride))
    rows = net.op("Transpose", net.joined(maps, 2), perm=(0, 2, 1), name="output")
    return net.model([rows], SHAPE)


def nanodet(strides) -> bytes:
    net, maps = Net(strides), []
    for stride in net.strides:
        both = net.head(stride, CLASSES + 32, "both")
        scores, sides = net.op("Split", both, np.array([CLASSES, 32]), axis=1, outputs=2)
        both = net.joined([net.op("Sigmoid", scores), sides], 1)
        maps.append(net.flat(both, CLASSES + 32, stride))
    rows = net.op("Transpose", net.joined(maps, 2), perm=(0, 2, 1), name="output")
    return net.model([rows], SHAPE)


def ppyoloe(offset=0.5) -> bytes:
    net, boxes, scores = Net(), [], []
    for stride in net.strides[::-1]:
        sides = net.expectation(net.distribution(stride, 17), 17, stride)
        boxes.append(net.corners(sides, stride, offset))
        logits = net.head(stride, CLASSES, "classes")
        scores.append(net.flat(net.op("Sigmoid", logits), CLASSES, stride))
    rows = net.op("Transpose", net.joined(boxes, 2), perm=(0, 2, 1), name="boxes")
    return net.model([rows, net.joined(scores, 2, name="scores")], SHAPE)


def _planes(net):
    """Corners (1, 4, N) and scores (1, classes, N) as YOLOv8's head and its followers give them."""
    boxes, scores = [], []
    for stride in net.strides:
        sides = net.expectation(net.distribution(stride, 16), 16, stride)
        boxes.append(net.corners(sides, stride, 0.5))
        scores.append(net.flat(net.head(stride, CLASSES, "classes"), CLASSES, stride))
    return net.joined(boxes, 2), net.op("Sigmoid", net.joined(scores, 2))


def yolov10() -> bytes:
    """The best cells by their best class, then the best of their cells and classes."""
    net = Net()
    limit = sum((SIDE // stride) ** 2 for stride in net.strides)
    boxes, scores = (net.op("Transpose", part, perm=(0, 2, 1)) for part in _planes(net))
    best = net.op("ReduceMax", scores, axes=[2], keepdims=0)
    _, cells = net.op("TopK", best, np.array([limit]), axis=1, outputs=2)
    cells = net.op("Unsqueeze", cells, np.array([2]))
    boxes = net.op("GatherElements", boxes, net.op("Tile", cells, np.array([1, 1, 4])), axis=1)
    each = np.array([1, 1, CLASSES])
    scores = net.op("GatherElements", scores, net.op("Tile", cells, each), axis=1)
    flat = net.op("Reshape", scores, np.array([1, -1]))
    values, index = net.op("TopK", flat, np.array([3 * limit]), axis=1, outputs=2)
    cell = net.op("Unsqueeze", net.op("Div", index, np.array(CLASSES)), np.array([2]))
    label = net.op("Cast", net.op("Mod", index, np.array(CLASSES)), to=1)
    boxes = net.op("GatherElements", boxes, net.op("Tile", cell, np.array([1, 1, 4])), axis=1)
    columns = [net.op("Unsqueeze", column, np.array([2])) for column in (values, label)]
    return net.model([net.joined([boxes, *columns], 2, name="output0")], SHAPE)


def suppressed() -> bytes:
    """YOLOv8 with suppression inside: rows like YOLOv10's, of which nobody else may make more."""
    net = Net()
    planes, scores = _planes(net)
    boxes = net.op("Transpose", planes, perm=(0, 2, 1))
    limits = np.array([100]), np.array([OVERLAP], np.float32), np.array([0.05], np.float32)
    chosen = net.op("NonMaxSuppression", boxes, scores, *limits)
    _, label, cell = net.op("Split", chosen, np.array([1, 1, 1]), axis=1, outputs=3)
    picked = net.op("GatherND", net.op("Squeeze", boxes, np.array([0])), cell)
    where = net.joined([label, cell], 1)
    values = net.op("GatherND", net.op("Squeeze", scores, np.array([0])), where)
    columns = [net.op("Unsqueeze", values, np.array([1])), net.op("Cast", label, to=1)]
    return net.model([net.joined([picked, *columns], 1, name="output0")], SHAPE)


# Family, and the form after the cut, to the file.
EXPORTS: Mapping[tuple[str, str], Callable[[], bytes]] = MappingProxyType(
    {
        ("yolox", "centers"): yolox,
        ("nanodet-plus", "maps"): lambda: nanodet((8, 16, 32, 64)),
        ("nanodet", "maps"): lambda: nanodet((8, 16, 32)),
        ("ppyoloe", "split"): ppyoloe,
        ("ppyoloe+", "split"): ppyoloe,
        ("yolov10", "split"): yolov10,
    }
)
