"""`Objective` in torch, so that it has gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from calibration.quant.options.recipes import CHANNEL_WEIGHT
from calibration.quant.simulate.heads import Level


def distance(
    student: Sequence[Sequence[Level]],
    teacher: Sequence[Sequence[Level]],
    *,
    channels_weight: float = CHANNEL_WEIGHT,
    heads_weight: float = 1.0,
) -> Tensor:
    """`Objective` for torch: by image and level."""
    channels: list[Tensor] = []
    scores: list[Tensor] = []
    boxes: list[Tensor] = []
    sure: list[Tensor] = []
    for ours, theirs in zip(student, teacher, strict=True):
        for our, their in zip(ours, theirs, strict=True):
            apart = channel_wise(_channels(our), _channels(their))
            channels.append(apart / (len(ours) * len(student)))
            classes = their.classes.sigmoid()
            weight = classes.amax(2, keepdim=True)
            entropy = _divergence(classes, their.classes, our.classes)
            gap = (our.boxes - their.boxes).abs()
            if their.objects is not None and our.objects is not None:
                objects = their.objects.sigmoid()
                weight, entropy = weight * objects, entropy * objects
                scores.append(_divergence(objects, their.objects, our.objects).sum())
            if our.activated:
                gap = (our.boxes.sigmoid() - their.boxes.sigmoid()).abs()
            scores.append(entropy.sum())
            boxes.append((gap * weight).sum() / gap.shape[2])
            sure.append(weight.sum())
    total: Tensor = (sum(scores) + sum(boxes)) / torch.stack(sure).sum().clamp(min=1)
    return channels_weight * sum(channels) + heads_weight * total


def channel_wise(student: Tensor, teacher: Tensor) -> Tensor:
    """How unlike the places are where channels are high, mean over channels.

    Args:
        student: (channels, cells).
        teacher: Likewise.

    Source: Shu et al. 2021, arXiv:2011.13256, eq. 4, with a temperature of 1.
    """
    target, own = (values.log_softmax(-1) for values in (teacher, student))
    return (target.exp() * (target - own)).sum(-1).mean()


def _channels(level: Level) -> Tensor:
    parts = [level.classes, level.boxes, *([] if level.objects is None else [level.objects])]
    return torch.cat([part.reshape(-1, part.shape[-2] * part.shape[-1]) for part in parts])


def _divergence(expected: Tensor, theirs: Tensor, ours: Tensor) -> Tensor:
    own = functional.softplus(theirs)
    return functional.softplus(ours) - own - expected * (ours - theirs)
