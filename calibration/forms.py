"""The forms in which the upstream projects' scripts export their networks, as torch modules.

So a file written from one looks to a runtime, and to what recognizes models, like the files that
users bring: the same tensor names, shapes, order of columns and opset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from calibration.nets.config import STRIDES, Config, YOLOv7Tiny
from calibration.nets.network import deploy
from edge.types import Float32Array, Size


@dataclass(frozen=True, slots=True)
class Suppression:
    """What the forms with non-maximum suppression inside do.

    Attributes:
        score_threshold: A candidate's score is greater than this.
        iou_threshold: A box that overlaps a better one by more than this is dropped.
        limit: Boxes kept; in "end2end-ort" for each class.
        class_offset: Pixels between the boxes of two classes, so that only boxes of one class
            suppress each other; 0 for suppression across classes.
    """

    score_threshold: float = 0.25
    iou_threshold: float = 0.45
    limit: int = 100
    class_offset: float = 4096.0


class _NMS(torch.autograd.Function):
    """The operator NonMaxSuppression of ONNX, which torch does not have."""

    @staticmethod
    def forward(
        _ctx: Any, boxes: Tensor, scores: Tensor, limit: int, iou: float, score: float
    ) -> Tensor:
        """Boxes (B, N, 4), scores (B, C, N) to (K, 3) batch, class, box; best first in each."""
        results = []
        for batch, image in enumerate(boxes.numpy()):  # in NumPy, so that no step is traced
            for label, column in enumerate(scores[batch].numpy()):
                kept = _suppress(image, column, limit, iou, score)
                results += [(batch, label, i) for i in kept]
        return torch.tensor(results, dtype=torch.int64).reshape(-1, 3)

    @staticmethod
    def symbolic(graph: Any, boxes: Any, scores: Any, limit: int, iou: float, score: float) -> Any:
        """The operator itself."""

        def constant(value: float, dtype: torch.dtype) -> Any:
            return graph.op("Constant", value_t=torch.tensor([value], dtype=dtype))

        return graph.op(
            "NonMaxSuppression",
            boxes,
            scores,
            constant(limit, torch.int64),
            constant(iou, torch.float32),
            constant(score, torch.float32),
        )


def _suppress(
    boxes: Float32Array, scores: Float32Array, limit: int, iou: float, score: float
) -> list[int]:
    order = np.argsort(-scores, kind="stable")
    lowest = np.minimum(boxes[:, :2], boxes[:, 2:])  # corners may come in any order
    highest = np.maximum(boxes[:, :2], boxes[:, 2:])
    area = (highest - lowest).prod(1)
    kept: list[int] = []
    for i in order[scores[order] > score].tolist():
        if len(kept) == limit:
            break
        low = np.maximum(lowest[kept], lowest[i])
        high = np.minimum(highest[kept], highest[i])
        shared = (high - low).clip(min=0).prod(1)
        if not (shared > iou * (area[kept] + area[i] - shared)).any():
            kept.append(i)
    return kept


def _corners(boxes: Tensor) -> Tensor:
    """Center and size to corners, along the last axis."""
    center, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([center - size / 2, center + size / 2], -1)


def _grid(size: Size, stride: int) -> Tensor:
    """(H*W, 2) float32: x and y of each cell, row by row."""
    rows, columns = size.height // stride, size.width // stride
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.stack([x, y], -1).reshape(-1, 2).float()


class Decoded6(nn.Module):
    """YOLOv6 with boxes decoded: (B, N, 5 + classes) center, size, objectness, classes."""

    def __init__(self, net: nn.Module, size: Size, _: Suppression) -> None:
        super().__init__()
        self.net = net
        grids = [_grid(size, stride) for stride in STRIDES]
        scales = [torch.full((len(g), 1), float(s)) for g, s in zip(grids, STRIDES, strict=True)]
        self.register_buffer("cells", torch.cat(grids))
        self.register_buffer("scales", torch.cat(scales))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, N, 5 + classes)."""
        levels = self.net(images)

        def rows(maps: list[Tensor]) -> Tensor:
            return torch.cat([x.flatten(2) for x in maps], 2).permute(0, 2, 1)

        boxes = rows([level.boxes for level in levels])
        classes = rows([level.classes for level in levels]).sigmoid()
        if self.net.config.layout == 1:
            objectness = rows([level.objectness for level in levels]).sigmoid()
            center, extent = boxes[..., :2] + self.cells, boxes[..., 2:].exp()
        else:
            objectness = torch.ones_like(classes[..., :1])
            low = self.cells + 0.5 - boxes[..., :2]
            high = self.cells + 0.5 + boxes[..., 2:]
            center, extent = (low + high) / 2, high - low
        return torch.cat([center * self.scales, extent * self.scales, objectness, classes], -1)


class Heads6(nn.Module):
    """YOLOv6 with each level for itself: (B, classes + 4, H, W), probabilities then distances."""

    def __init__(self, net: nn.Module, _size: Size, _: Suppression) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) to three levels."""
        levels = self.net(images)
        return tuple(torch.cat([level.classes.sigmoid(), level.boxes], 1) for level in levels)


class Raw7(nn.Module):
    """YOLOv7 as its head gives it: (B, anchors, H, W, 5 + classes) logits for each level."""

    def __init__(self, net: nn.Module, _size: Size, _: Suppression) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, 3, H, W) to three levels."""
        return tuple(self.net(images))


class Grid7(nn.Module):
    """YOLOv7 with boxes decoded: (B, N, 5 + classes) center, size, objectness, classes."""

    def __init__(self, net: nn.Module, size: Size, _: Suppression) -> None:
        super().__init__()
        self.net = net
        for i, stride in enumerate(STRIDES):
            cells = _grid(size, stride).view(1, 1, size.height // stride, size.width // stride, 2)
            self.register_buffer(f"cells{i}", cells)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, N, 5 + classes)."""
        rows = []
        for i, (level, stride) in enumerate(zip(self.net(images), STRIDES, strict=True)):
            x = level.sigmoid()
            center = (x[..., :2] * 2 - 0.5 + self.get_buffer(f"cells{i}")) * stride
            extent = (x[..., 2:4] * 2) ** 2 * self.net.model[-1].anchor_grid[i]
            rows.append(torch.cat([center, extent, x[..., 4:]], -1).flatten(1, 3))
        return torch.cat(rows, 1)


class BestClass(nn.Module):
    """Suppression with the best class of each box: (K, 7).

    Columns: batch, x1, y1, x2, y2, class, score.
    """

    def __init__(self, decoded: nn.Module, suppression: Suppression) -> None:
        super().__init__()
        self.decoded = decoded
        self.suppression = suppression

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to (K, 7)."""
        rows = self.decoded(images)
        boxes, objectness, classes = _corners(rows[..., :4]), rows[..., 4:5], rows[..., 5:]
        if classes.shape[2] == 1 and isinstance(self.decoded, Grid7):
            classes = torch.ones_like(classes)  # one class: YOLOv7 scores by objectness alone
        score, label = (classes * objectness).max(2, keepdim=True)
        label = label.float()
        rule = self.suppression
        chosen = _NMS.apply(
            boxes + label * rule.class_offset,
            score.permute(0, 2, 1),
            rule.limit,
            rule.iou_threshold,
            rule.score_threshold,
        )
        batch, box = chosen[:, 0], chosen[:, 2]
        result = torch.cat([boxes, label, score], 2).flatten(0, 1)
        picked = result.index_select(0, batch * boxes.shape[1] + box)
        return torch.cat([batch.unsqueeze(1).float(), picked], 1)


class EveryClass(nn.Module):
    """Suppression class by class of one image, best score first, and an empty row at the end.

    Gives the number found (1, 1), boxes (1, K + 1, 4), scores (1, K + 1), classes (1, K + 1).
    """

    def __init__(self, decoded: nn.Module, suppression: Suppression) -> None:
        super().__init__()
        self.decoded = decoded
        self.suppression = suppression

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(1, 3, H, W) to the four."""
        rows = self.decoded(images)
        boxes = _corners(rows[..., :4])
        scores = (rows[..., 5:] * rows[..., 4:5]).permute(0, 2, 1)
        rule = self.suppression
        chosen = _NMS.apply(boxes, scores, rule.limit, rule.iou_threshold, rule.score_threshold)
        label, box = chosen[:, 1], chosen[:, 2]
        score = scores.flatten().index_select(0, label * boxes.shape[1] + box)
        score, order = torch.sort(score, descending=True)
        label = label.index_select(0, order)
        corners = boxes[0].index_select(0, box.index_select(0, order))
        return (
            (score > 0).sum().view(1, 1),
            torch.cat([corners, torch.zeros(1, 4)]).unsqueeze(0),
            torch.cat([score, torch.zeros(1)]).unsqueeze(0),
            torch.cat([label, torch.full((1,), -1)]).unsqueeze(0),
        )


Make: TypeAlias = Callable[[nn.Module, Size, Suppression], nn.Module]


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a family's export.

    Attributes:
        module: From a deployed network to one whose outputs these are.
        outputs: Their names; further ones get names from the exporter, as upstream.
        input: Name of the input.
        opset: Of the operators.
        dynamic: Axes whose length depends on the image, by output.
    """

    module: Make
    outputs: tuple[str, ...]
    input: str = "images"
    opset: int = 13
    dynamic: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


_FOUR = ("num_dets", "det_boxes", "det_scores", "det_classes")

# To add a form: the module above, and a row.
YOLOV6_FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "decoded": Form(Decoded6, ("outputs",)),
        "heads": Form(Heads6, ("out0", "out1", "out2"), input="in0"),
        "end2end": Form(
            lambda net, size, rule: BestClass(Decoded6(net, size, rule), rule),
            ("outputs",),
            opset=12,
            dynamic={"outputs": {0: "found"}},
        ),
        "end2end-ort": Form(
            lambda net, size, rule: EveryClass(Decoded6(net, size, rule), rule),
            _FOUR,
            dynamic={name: {1: "found"} for name in _FOUR[1:]},
        ),
    }
)
YOLOV6_1_FORMS: Mapping[str, Form] = MappingProxyType(
    {"decoded": Form(Decoded6, ("outputs",), input="image_arrays", opset=12)}
)
YOLOV7_FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "raw": Form(Raw7, ("output",), opset=12),
        "grid": Form(Grid7, ("output",), opset=12),
        "end2end": Form(
            lambda net, size, rule: BestClass(Grid7(net, size, rule), rule),
            ("output",),
            opset=12,
            dynamic={"output": {0: "found"}},
        ),
    }
)


def forms(config: Config) -> Mapping[str, Form]:
    """The forms in which a network can be exported; the first is the usual one for conversion."""
    if isinstance(config, YOLOv7Tiny):
        return YOLOV7_FORMS
    return YOLOV6_1_FORMS if config.layout == 1 else YOLOV6_FORMS


def module(
    net: nn.Module, form: str, size: Size, suppression: Suppression | None = None
) -> nn.Module:
    """The network in a form, still in torch, deployed.

    Raises:
        ValueError: The network has no such form, or the size is not a multiple of 32.
    """
    table = forms(net.config)
    if form not in table:
        raise ValueError(f"the form is one of {', '.join(table)}, got {form!r}")
    if size.height % STRIDES[-1] or size.width % STRIDES[-1]:
        raise ValueError(f"the input size is a multiple of {STRIDES[-1]}, got {size}")
    deployed = net if net.deployed else deploy(net)
    return table[form].module(deployed, size, suppression or Suppression()).eval()
