"""The loss of YOLOv7-tiny: its anchors, an assignment in the manner of SimOTA, CIoU.

Source: Wang et al. 2022, arXiv:2207.02696, section 4.2; Ge et al. 2021, arXiv:2107.08430,
section 2.1 (SimOTA).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from calibration.nets.config import STRIDES
from calibration.train.boxes import iou, overlap
from calibration.train.targets import Targets

RATIO = 4.0  # an anchor fits an object when no side differs by this factor or more
NEAREST = 10  # of an object's best overlaps, whose sum says how many candidates it takes
IOU_WEIGHT = 3.0  # of -log IoU against the class's cross entropy, in the cost
BOX_WEIGHT, OBJECT_WEIGHT, CLASS_WEIGHT = 0.05, 1.0, 0.5
BALANCE = (4.0, 1.0, 0.4)  # of objectness at strides 8, 16, 32


class Candidates(NamedTuple):
    """Places where an object may be predicted: K pairs of a place and an object.

    Attributes:
        image: (K,) int64, as the rest.
        target: The object's row in the image.
        level: Of the head.
        anchor: Of the level.
        row: Of the grid.
        column: Of the grid.
    """

    image: Tensor
    target: Tensor
    level: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor

    def take(self, index: Tensor) -> Candidates:
        """Some of the pairs."""
        return Candidates(*(column[index] for column in self))


class Predictions(NamedTuple):
    """What the head says at K places.

    Attributes:
        boxes: (K, 4) corners in pixels of the input.
        objectness: (K,) logits.
        classes: (K, C) logits.
    """

    boxes: Tensor
    objectness: Tensor
    classes: Tensor


def candidates(levels: list[Tensor], anchors: Tensor, targets: Targets) -> Candidates:
    """For each object the anchors of its shape, in the cell of its center and the two nearest.

    Args:
        levels: (B, anchors, H, W, 5 + C) each.
        anchors: (level, anchor, 2) width and height in pixels of the input.
        targets: What is there.
    """
    image, target = targets.real.nonzero(as_tuple=True)
    boxes = targets.boxes[image, target]
    size, center = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) / 2
    results = []
    for level, stride in enumerate(STRIDES):
        rows, columns = levels[level].shape[2:4]
        ratio = size[:, None] / anchors[level]  # (objects, anchors, 2)
        fits = torch.maximum(ratio, 1 / ratio.clamp(min=1e-6)).amax(2) < RATIO
        which, anchor = fits.nonzero(as_tuple=True)
        at = center[which] / stride
        cell = at.floor()
        # From the middle of the cell, one step towards the side on which the center lies.
        step = torch.where(at - cell < 0.5, -1.0, 1.0)
        nothing = torch.zeros_like(step[:, 0])
        for dx, dy in ((nothing, nothing), (step[:, 0], nothing), (nothing, step[:, 1])):
            x, y = (cell[:, 0] + dx).long(), (cell[:, 1] + dy).long()
            inside = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
            chosen = which[inside]
            results.append(
                Candidates(
                    image[chosen],
                    target[chosen],
                    torch.full_like(chosen, level),
                    anchor[inside],
                    y[inside],
                    x[inside],
                )
            )
    return Candidates(*(torch.cat(column) for column in zip(*results, strict=True)))


def predictions(levels: list[Tensor], anchors: Tensor, places: Candidates) -> Predictions:
    """What the head says at some places, in float32."""
    raw = torch.zeros(len(places.image), levels[0].shape[4], device=levels[0].device)
    for i, level in enumerate(levels):
        here = (places.level == i).nonzero().squeeze(1)
        image, _, _, anchor, row, column = places.take(here)
        raw = raw.index_put((here,), level[image, anchor, row, column].float())
    stride = torch.tensor(STRIDES, device=raw.device)[places.level].unsqueeze(1)
    cell = torch.stack([places.column, places.row], 1)
    center = (raw[:, :2].sigmoid() * 2 - 0.5 + cell) * stride
    size = (raw[:, 2:4].sigmoid() * 2).square() * anchors[places.level, places.anchor]
    boxes = torch.cat([center - size / 2, center + size / 2], 1)
    return Predictions(boxes, raw[:, 4], raw[:, 5:])


@torch.no_grad()
def assign(outputs: Predictions, places: Candidates, targets: Targets) -> Tensor:
    """Which of the candidates stand for their object: indices, ascending.

    An object takes its cheapest candidates, as many as its ten best overlaps sum up to and one at
    least; the cost is the class's cross entropy and -3 log IoU. A place that several objects want
    goes to the one that it costs least.
    """
    max_objects = targets.real.shape[1]
    group = places.image * max_objects + places.target  # one for each object
    groups = len(targets.real) * max_objects
    overlaps = iou(targets.boxes[places.image, places.target], outputs.boxes)
    labels = targets.class_ids[places.image, places.target]
    expected = one_hot(labels, outputs.classes.shape[1]).float()
    chance = (outputs.classes.sigmoid() * outputs.objectness.sigmoid().unsqueeze(1)).sqrt()
    chance = chance.clamp(1e-6, 1 - 1e-6)
    entropy = -(expected * chance.log() + (1 - expected) * (1 - chance).log()).sum(1)
    cost = entropy - IOU_WEIGHT * (overlaps + 1e-8).log()

    nearest = overlaps * (_rank(group, -overlaps) < NEAREST)
    sums = torch.zeros(groups, device=cost.device).index_add_(0, group, nearest)
    taken = (_rank(group, cost) < sums.long().clamp(min=1)[group]).nonzero().squeeze(1)
    chosen = places.take(taken)
    place = chosen.image
    for column in (chosen.level, chosen.anchor, chosen.row, chosen.column):
        place = place * (int(column.max()) + 1 if len(column) else 1) + column
    return taken[_rank(place, cost[taken]) == 0]


def _rank(group: Tensor, key: Tensor) -> Tensor:
    """The place of each element among those of its group, by rising key, from 0."""
    order = key.argsort(stable=True)
    order = order[group[order].argsort(stable=True)]
    ordered = group[order]
    index = torch.arange(len(group), device=group.device)
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    first = torch.where(starts, index, 0).cummax(0).values if len(group) else index
    return torch.empty_like(index).scatter_(0, order, index - first)


def loss(levels: list[Tensor], anchors: Tensor, targets: Targets) -> dict[str, Tensor]:
    """The parts of the loss, each weighted: "class", "box" and "object".

    Args:
        levels: (B, anchors, H, W, 5 + C) each, as the head gives them.
        anchors: (level, anchor, 2) in pixels of the input.
        targets: What is there.
    """
    batch, classes = len(targets.real), levels[0].shape[4] - 5
    scale = 3 / len(levels)
    places = candidates(levels, anchors, targets)
    taken = assign(predictions(levels, anchors, places), places, targets)
    places = places.take(taken)
    outputs = predictions(levels, anchors, places)
    near = overlap(outputs.boxes, targets.boxes[places.image, places.target], "ciou")
    labels = one_hot(targets.class_ids[places.image, places.target], classes).float()
    entropy = binary_cross_entropy_with_logits(outputs.classes, labels, reduction="none").mean(1)
    count = max(len(taken), 1)
    parts = {
        "box": BOX_WEIGHT * scale * len(levels) * (1 - near).sum() / count,
        "class": CLASS_WEIGHT * classes / 80 * scale * len(levels) * entropy.sum() / count,
    }
    objectness = levels[0].new_zeros((), dtype=torch.float32)
    for i, (level, weight) in enumerate(zip(levels, BALANCE, strict=True)):
        expected = torch.zeros(level.shape[:4], device=level.device)
        here = places.level == i
        image, _, _, anchor, row, column = places.take(here)
        expected[image, anchor, row, column] = near[here].detach().clamp(min=0)
        objectness = objectness + weight * binary_cross_entropy_with_logits(
            level[..., 4].float(), expected
        )
    side = levels[0].shape[2] * levels[0].shape[3] * STRIDES[0] ** 2 / 640**2
    parts["object"] = OBJECT_WEIGHT * side * scale * objectness
    return {name: part * batch for name, part in parts.items()}
