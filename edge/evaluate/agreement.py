"""How alike two sets of detections are: of a quantized model and its float one, of two runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.evaluate.coco import evaluate
from edge.evaluate.matching import match
from edge.io.datasets.base import Objects
from edge.types import Detections

_OVER_HALF = float(np.nextafter(0.5, 1.0))  # reaching it is having an IoU above .5
_ANY_AREA = (-np.inf, np.inf)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike; 1 is equal, and -1 means that there was nothing to compare.

    Attributes:
        ap: AP at IoU .50 to .95, with what the reference found as the truth.
        ap50: The same at IoU .50.
        recall: Share of what the reference found that was found again.
        precision: Share of what was found that the reference had found.
        expected: Detections of the reference.
        detections: Detections that are compared with them.
        agreed: Pairs.
    """

    ap: float
    ap50: float
    recall: float
    precision: float
    expected: int
    detections: int
    agreed: int


def agreement(
    reference: Sequence[Detections],
    detections: Sequence[Detections],
    *,
    classes: int,
    score_threshold: float = 0.3,
) -> Agreement:
    """Compare what two detectors find in the same images.

    Recall and precision count pairs: one to one, of the same class, IoU above .5, and both scores
    at or above the threshold. AP takes the reference's detections from the threshold up as
    objects and weighs all of `detections` by score: give it the low scores too.

    Args:
        reference: Per image, such as a float model finds.
        detections: Per image, of the model that should agree with it.
        classes: Number of classes.
        score_threshold: A detection below it is none, on either side.

    Raises:
        ValueError: The images differ in number, a class id or a value is out of range.
    """
    truth = [_as_objects(each[each.scores >= score_threshold]) for each in reference]
    kept = [each[each.scores >= score_threshold] for each in detections]
    matches = match(
        truth,
        kept,
        classes=classes,
        iou_thresholds=(_OVER_HALF,),
        area_ranges=(_ANY_AREA,),
        max_detections=None,
    )
    numbers = evaluate(truth, detections, classes=classes).metrics
    expected, there = len(matches.truth_image), len(matches.image)
    agreed = int(np.count_nonzero(matches.hit))
    return Agreement(
        ap=numbers["AP"],
        ap50=numbers["AP50"],
        recall=agreed / expected if expected else -1.0,
        precision=agreed / there if there else -1.0,
        expected=expected,
        detections=there,
        agreed=agreed,
    )


def _as_objects(detections: Detections) -> Objects:
    boxes = detections.boxes.astype(np.float64)
    return Objects.of(np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]), detections.class_ids)
