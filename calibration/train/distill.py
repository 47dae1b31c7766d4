"""What a student learns from a teacher beside the labels.

A network may be the teacher of its own successor (self-distillation), or of a smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from calibration.nets.yolov6 import Level

CHANNEL_WEIGHT = 10.0


def channel_wise(teacher: Sequence[Tensor], student: Sequence[Tensor], tau: float = 1.0) -> Tensor:
    """How differently two networks distribute each channel over the image; 0 when alike.

    Blind to a constant on a channel: use it together with `head`.

    Args:
        teacher: (B, C, H, W) features of some levels.
        student: The same levels, of the same shapes.
        tau: Temperature.

    Source: Shu et al. 2021, arXiv:2011.13256, eq. 4; the mean over the levels is taken.
    """
    total = student[0].new_zeros((), dtype=torch.float32)
    for theirs, ours in zip(teacher, student, strict=True):
        batch, channels = ours.shape[:2]
        expected = log_softmax(theirs.float().flatten(2) / tau, -1)
        log_student = log_softmax(ours.float().flatten(2) / tau, -1)
        total = (
            total + tau**2 / (batch * channels) * (expected.exp() * (expected - log_student)).sum()
        )
    return total / len(student)


def head(
    teacher: Sequence[Level] | Sequence[Tensor], student: Sequence[Level] | Sequence[Tensor]
) -> Tensor:
    """How differently two heads speak: entropy to the teacher's probabilities, L1 of its boxes.

    Both are weighted so that what the teacher is sure of counts, and divided by how much that is.

    Args:
        teacher: Levels of a YOLOv6 or of a YOLOv7.
        student: Levels of the same kind and shapes.
    """
    entropy, distance, sure = [], [], []
    for theirs, ours in zip(teacher, student, strict=True):
        if isinstance(theirs, Level) and isinstance(ours, Level):
            expected = theirs.classes.float().sigmoid()
            weight = expected.amax(1, keepdim=True)
            entropy.append(_divergence(ours.classes, expected).sum())
            apart = (ours.boxes.float() - theirs.boxes.float()).abs()
        else:
            expected = theirs[..., 4:].float().sigmoid()
            weight = expected[..., :1]
            parts = _divergence(ours[..., 4:], expected)
            entropy.append(parts[..., 0].sum() + (parts[..., 1:] * weight).sum())
            apart = (ours[..., :4].float().sigmoid() - theirs[..., :4].float().sigmoid()).abs()
        distance.append((apart * weight).sum())
        sure.append(weight.sum())
    return (torch.stack(entropy).sum() + torch.stack(distance).sum()) / torch.stack(
        sure
    ).sum().clamp(min=1)


def _divergence(logits: Tensor, expected: Tensor) -> Tensor:
    """Cross entropy less the teacher's own: 0 when alike."""
    own = torch.special.entr(expected) + torch.special.entr(1 - expected)
    return binary_cross_entropy_with_logits(logits.float(), expected, reduction="none") - own
