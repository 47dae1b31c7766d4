"""The loss of YOLOv6: task-aligned assignment, varifocal loss, IoU loss.

Source: Li et al. 2022, arXiv:2209.02976, sections 2.2 and 2.3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from calibration.checkpoints.training_recipe import BoxLoss
from calibration.nets.config import STRIDES
from calibration.nets.yolov6 import Level
from calibration.train.boxes import overlap, pairwise_iou
from calibration.train.targets import Targets

CANDIDATES = 13  # points considered for an object
ALPHA, BETA = 1.0, 6.0  # exponents of score and IoU in the alignment
BOX_WEIGHT = 2.5


class Points(NamedTuple):
    """The head's outputs, level after level and row after row; N points in all.

    Attributes:
        logits: (B, N, C) of the classes.
        boxes: (B, N, 4) corners in pixels of the input.
        centers: (N, 2) x, y of the points, in pixels.
        strides: (N, 1) pixels.
    """

    logits: Tensor
    boxes: Tensor
    centers: Tensor
    strides: Tensor


class Assignment(NamedTuple):
    """What each point is to say.

    Attributes:
        positive: (B, N) bool: whether it stands for an object.
        objects: (B, N) int64: which; 0 for the others.
        scores: (B, N, C): soft class targets, 0 but for the object's class.
    """

    positive: Tensor
    objects: Tensor
    scores: Tensor


def points(levels: list[Level]) -> Points:
    """The levels as one list of points, in float32."""
    logits, boxes, centers, strides = [], [], [], []
    for level, stride in zip(levels, STRIDES, strict=True):
        rows, columns = level.classes.shape[2:]
        device = level.classes.device
        y, x = torch.meshgrid(
            torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij"
        )
        center = (torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride
        sides = level.boxes.float().flatten(2).permute(0, 2, 1) * stride
        boxes.append(torch.cat([center - sides[..., :2], center + sides[..., 2:]], -1))
        logits.append(level.classes.float().flatten(2).permute(0, 2, 1))
        centers.append(center)
        strides.append(torch.full_like(center[:, :1], stride))
    return Points(torch.cat(logits, 1), torch.cat(boxes, 1), torch.cat(centers), torch.cat(strides))


@torch.no_grad()
def assign(result: Points, targets: Targets) -> Assignment:
    """Task-aligned assignment: an object takes the points that score and overlap best.

    Of the points inside its box an object takes the 13 with the greatest alignment, score times
    IoU^6; a point that several objects want goes to the one that it overlaps most. The target
    score is the alignment, scaled so that an object's best point gets the object's best IoU.

    Source: Feng et al. 2021, arXiv:2108.07755, section 3.2.
    """
    batch, count, classes = result.logits.shape
    limit = targets.boxes.shape[1]
    if limit == 0:
        nothing = torch.zeros(batch, count, dtype=torch.bool, device=result.logits.device)
        return Assignment(nothing, nothing.long(), torch.zeros_like(result.logits))
    iou = pairwise_iou(targets.boxes, result.boxes)  # (B, M, N)
    of_class = targets.class_ids.unsqueeze(2).expand(-1, -1, count)
    score = result.logits.sigmoid().permute(0, 2, 1).gather(1, of_class)
    inside = (
        (result.centers > targets.boxes[:, :, None, :2])
        & (result.centers < targets.boxes[:, :, None, 2:])
    ).all(-1) & targets.real.unsqueeze(2)
    alignment = score.pow(ALPHA) * iou.pow(BETA) * inside
    best = alignment.topk(min(CANDIDATES, count), 2).indices
    chosen = torch.zeros_like(inside).scatter_(2, best, True) & inside
    objects = torch.where(chosen, iou, -1.0).argmax(1)  # (B, N)
    positive = chosen.any(1)
    mine = torch.zeros_like(chosen).scatter_(1, objects.unsqueeze(1), True) & chosen
    alignment = alignment * mine
    highest = (iou * mine).amax(2, keepdim=True)
    scaled = alignment / alignment.amax(2, keepdim=True).clamp(min=1e-12) * highest
    value = scaled.gather(1, objects.unsqueeze(1)).squeeze(1) * positive  # (B, N)
    label = targets.class_ids.gather(1, objects)
    scores = torch.zeros(batch, count, classes, device=value.device)
    scores.scatter_(2, label.unsqueeze(2), value.unsqueeze(2))
    return Assignment(positive, objects, scores)


def varifocal(logits: Tensor, targets: Tensor, alpha: float = 0.75, gamma: float = 2.0) -> Tensor:
    """Varifocal loss, summed: positives weigh as much as their target, negatives as their error.

    Source: Zhang et al. 2021, arXiv:2008.13367, eq. 2.
    """
    error = alpha * logits.detach().sigmoid().pow(gamma)
    weight = torch.where(targets > 0, targets, error)
    return (binary_cross_entropy_with_logits(logits, targets, reduction="none") * weight).sum()


def loss(levels: list[Level], targets: Targets, kind: BoxLoss) -> dict[str, Tensor]:
    """The parts of the loss, each weighted: "class" and "box"."""
    result = points(levels)
    assignment = assign(result, targets)
    total = assignment.scores.sum().clamp(min=1)
    parts = {"class": varifocal(result.logits, assignment.scores) / total}
    if assignment.positive.any():
        image, point = assignment.positive.nonzero(as_tuple=True)
        expected = targets.boxes[image, assignment.objects[image, point]]
        weight = assignment.scores[image, point].sum(1)
        stride = result.strides[point]
        apart = 1 - overlap(result.boxes[image, point] / stride, expected / stride, kind)
        parts["box"] = BOX_WEIGHT * (apart * weight).sum() / total
    else:
        parts["box"] = result.boxes.sum() * 0
    return parts
