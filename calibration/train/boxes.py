"""Overlap of boxes, in torch: corners x1, y1, x2, y2 along the last axis."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from calibration.checkpoints.training_recipe import BoxLoss

_EPS = 1e-7


def pairwise_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of every pair: (..., M, 4) and (..., N, 4) to (..., M, N)."""
    return iou(first.unsqueeze(-2), second.unsqueeze(-3))


def iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of boxes in pairs: (..., 4) and (..., 4) to (...)."""
    return _shared(first, second)[0]


def overlap(result: Tensor, expected: Tensor, kind: BoxLoss) -> Tensor:
    """IoU less a penalty, from 1 downwards; 1 minus this is the loss.

    Args:
        result: (..., 4).
        expected: Of the same shape, with area.
        kind: Which penalty.

    Returns:
        (...).

    Source: "giou" Rezatofighi et al. 2019, arXiv:1902.09630; "ciou" Zheng et al. 2020,
    arXiv:1911.08287; "siou" Gevorgyan 2022, arXiv:2205.12740.
    """
    common, union = _shared(result, expected)
    low = torch.minimum(result[..., :2], expected[..., :2])
    high = torch.maximum(result[..., 2:], expected[..., 2:])
    hull = (high - low).clamp(min=_EPS)
    if kind == "giou":
        area = hull.prod(-1)
        return common - (area - union) / area
    centers = (expected[..., :2] + expected[..., 2:] - result[..., :2] - result[..., 2:]) / 2
    size, wanted_size = _size(result).clamp(min=_EPS), _size(expected).clamp(min=_EPS)
    if kind == "ciou":
        distance = centers.square().sum(-1) / hull.square().sum(-1)
        angles = torch.atan(wanted_size[..., 0] / wanted_size[..., 1]) - torch.atan(
            size[..., 0] / size[..., 1]
        )
        shape = 4 / math.pi**2 * angles.square()
        with torch.no_grad():
            weight = shape / (1 - common + shape + _EPS)
        return common - distance - weight * shape
    length = (centers.square().sum(-1) + _EPS).sqrt()
    sine = (centers.abs() / length.unsqueeze(-1)).amin(-1).clamp(max=1)
    angle = 2 * sine * (1 - sine.square() + _EPS).sqrt()  # 1 - 2 sin^2(arcsin(sine) - pi / 4)
    falloff = (angle - 2).unsqueeze(-1)
    distance = (1 - (falloff * (centers / hull).square()).exp()).sum(-1)
    change = (size - wanted_size).abs() / torch.maximum(size, wanted_size)
    shape = (1 - (-change).exp()).pow(4).sum(-1)
    return common - (distance + shape) / 2


def _shared(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    union = _size(first).prod(-1) + _size(second).prod(-1) - shared + _EPS
    return shared / union, union


def _size(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
