"""Whether two detectors found the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.types import Detections


@dataclass(frozen=True)
class Alike:
    """What may pass for the same box: of its class, and this near.

    Attributes:
        overlap: Least IoU.
        score: Most that scores differ.
        pixels: Corners no further apart pass too, however thin the box.
    """

    overlap: float = 0.99
    score: float = 0.005
    pixels: float = 0.0


STRICT = Alike()


def apart(
    detections: Detections, expected: Detections, threshold: float, agreement=STRICT
) -> list[str]:
    """What either has without a twin in the other, but for scores near the threshold."""
    return [
        *(f"too much: {each}" for each in _alone(detections, expected, threshold, agreement)),
        *(f"missing: {each}" for each in _alone(expected, detections, threshold, agreement)),
    ]


def _alone(these: Detections, those: Detections, threshold: float, agreement: Alike) -> list[str]:
    lonely = []
    for box, score, label in zip(these.boxes, these.scores, these.class_ids, strict=True):
        low = np.maximum(those.boxes[:, :2], box[:2])
        high = np.minimum(those.boxes[:, 2:], box[2:])
        shared = (high - low).clip(min=0).prod(1)
        areas = (those.boxes[:, 2:] - those.boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
        near = np.abs(those.boxes - box).max(1, initial=0) <= agreement.pixels
        twin = (
            (near | (shared / (areas - shared) >= agreement.overlap))
            & (np.abs(those.scores - score) <= agreement.score)
            & (those.class_ids == label)
        )
        if score > threshold + agreement.score and not twin.any():
            lonely.append(f"class {label} {score:.3f} at {np.round(box, 1)}")
    return lonely
