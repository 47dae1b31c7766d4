"""How far a network's heads are from a teacher's, as one number: what calibration makes small.

Three terms, each 0 for equal heads. The channel-wise term compares where in the image a channel
is high; it is blind to a constant on a channel, which shifts every score of a class. So the head
term compares probabilities and boxes themselves, weighted by what the teacher is sure of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.quant.observe.inputs import Inputs
from calibration.quant.options.recipes import CHANNEL_WEIGHT
from calibration.quant.simulate.heads import Level, levels
from edge.models.base import ModelSpec
from edge.types import AnyArray


@dataclass(frozen=True, slots=True)
class Loss:
    """The distance of two heads over some images.

    Attributes:
        channels: The channel-wise term, mean over images, levels and channels.
        scores: Cross entropy to the teacher's probabilities less its own entropy.
        boxes: L1 of what places boxes, mean over that. It and `scores` are sums over all
            images, divided by the sum of the teacher's best probabilities.
    """

    channels: float
    scores: float
    boxes: float

    @property
    def total(self) -> float:
        """The objective."""
        return CHANNEL_WEIGHT * self.channels + self.scores + self.boxes


class Objective:
    """Compares heads with a teacher's on images of which the teacher's outputs are known."""

    def __init__(self, inputs: Inputs, spec: ModelSpec, teacher: Sequence[Sequence[AnyArray]]):
        """Remember the teacher.

        Args:
            inputs: The images: what lies around them does not count.
            spec: Of the network.
            teacher: For each image the outputs of the network that is right.
        """
        self._inputs = inputs
        self._spec = spec
        self._teacher = [_Teacher(self._levels(i, out)) for i, out in enumerate(teacher)]

    def __call__(self, outputs: Sequence[Sequence[AnyArray]]) -> Loss:
        """The distance of the outputs, for each image, from the teacher's."""
        channels, scores, boxes, sure = 0.0, 0.0, 0.0, 0.0
        for index, values in enumerate(outputs):
            teacher = self._teacher[index]
            parts = teacher.compare(self._levels(index, values))
            channels += parts[0]
            scores += parts[1]
            boxes += parts[2]
            sure += teacher.sure
        sure = max(sure, 1.0)
        return Loss(channels / max(len(outputs), 1), scores / sure, boxes / sure)

    def _levels(self, index: int, outputs: Sequence[AnyArray]) -> list[Level]:
        cropped = [self._inputs.image(index, values) for values in outputs]
        return levels(cropped, self._spec)


class _Teacher:
    """What a teacher says of one image, as far as it can be computed once."""

    def __init__(self, outputs: Sequence[Level]) -> None:
        self._outputs = outputs
        self._logs = [_log_softmax(_channels(level)) for level in outputs]
        self._classes = [_sigmoid(level.classes) for level in outputs]
        self._objects = [
            None if level.objects is None else _sigmoid(level.objects) for level in outputs
        ]
        self._weights = []
        for classes, objects in zip(self._classes, self._objects, strict=True):
            best = classes.max(2, keepdims=True)
            self._weights.append(best if objects is None else best * objects)
        self.sure = float(sum(weight.sum(dtype=np.float64) for weight in self._weights))

    def compare(self, student: Sequence[Level]) -> tuple[float, float, float]:
        """The three terms, not yet divided."""
        channels, scores, boxes = 0.0, 0.0, 0.0
        for index, ours in enumerate(student):
            theirs = self._outputs[index]
            target, own = self._logs[index], _log_softmax(_channels(ours))
            kl = (np.exp(target) * (target - own)).sum(-1)
            channels += float(kl.mean(dtype=np.float64)) / len(student)
            entropy = _divergence(self._classes[index], theirs.classes, ours.classes)
            objects = self._objects[index]
            if objects is not None and theirs.objects is not None and ours.objects is not None:
                entropy = entropy * objects
                apart = _divergence(objects, theirs.objects, ours.objects)
                scores += float(apart.sum(dtype=np.float64))
            scores += float(entropy.sum(dtype=np.float64))
            distance = np.abs(ours.boxes - theirs.boxes)
            if ours.activated:
                distance = np.abs(_sigmoid(ours.boxes) - _sigmoid(theirs.boxes))
            share = (distance * self._weights[index]).sum(dtype=np.float64)
            boxes += float(share) / distance.shape[2]
        return channels, scores, boxes


def _channels(level: Level) -> AnyArray:
    """(channels, cells) of all that a level says."""
    parts = [level.classes, level.boxes, *([] if level.objects is None else [level.objects])]
    return np.concatenate([p.reshape(-1, p.shape[-2] * p.shape[-1]) for p in parts])


def _log_softmax(values: AnyArray) -> AnyArray:
    shifted = values - values.max(-1, keepdims=True)
    logs: AnyArray = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return logs


def _sigmoid(values: AnyArray) -> AnyArray:
    probability: AnyArray = 0.5 * (np.tanh(0.5 * values) + 1)
    return probability


def _divergence(expected: AnyArray, theirs: AnyArray, ours: AnyArray) -> AnyArray:
    """Cross entropy of probabilities less what the teacher's own logits give; 0 when alike."""
    # BCE(x, p) = softplus(x) - p x
    apart: AnyArray = _softplus(ours) - _softplus(theirs) - expected * (ours - theirs)
    return apart


def _softplus(values: AnyArray) -> AnyArray:
    smooth: AnyArray = np.maximum(values, 0) + np.log1p(np.exp(-np.abs(values)))
    return smooth
