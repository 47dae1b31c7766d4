"""The numbers of the COCO detection challenge, equal to its reference code's.

With one exception: that code takes an object whose annotation has the id 0 for never found,
because it marks what is not found with a 0. Here it counts like any other.

Source: Lin et al. 2014, arXiv:1405.0312; definitions at cocodataset.org, "Detection Evaluation".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.evaluate.matching import Matches, match
from edge.io.datasets.base import Float64Array, Objects
from edge.types import Detections

IOU_THRESHOLDS: Float64Array = np.linspace(0.5, 0.95, 10)
RECALLS: Float64Array = np.linspace(0.0, 1.0, 101)
# Square pixels; both ends inside, so an object of exactly 32 x 32 is small and medium.
AREA_RANGES = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
MAX_DETECTIONS = (1, 10, 100)

METRICS: tuple[str, ...] = (
    "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Precision and recall; -1 where there is nothing to find.

    K is the number of classes; the 10 IoU thresholds are .50 to .95, the 101 recalls 0 to 1, the
    4 sizes all, small, medium and large, the 3 limits 1, 10 and 100 detections of an image and
    class.

    Attributes:
        precision: (10, 101, K, 4) float64: the best at each recall or a higher one, 100 detections.
        scores: (10, 101, K, 4) float64: the score threshold that gives it; 0 where no threshold
            reaches the recall.
        recall: (10, K, 4, 3) float64.
    """

    precision: Float64Array
    scores: Float64Array
    recall: Float64Array

    @property
    def metrics(self) -> dict[str, float]:
        """The twelve numbers of the challenge, by name, in its order; -1 where undefined."""
        precision, recall = self.precision, self.recall
        return dict(
            zip(
                METRICS,
                (
                    _mean(precision[..., 0]),
                    _mean(precision[0, ..., 0]),
                    _mean(precision[5, ..., 0]),
                    *(_mean(precision[..., size]) for size in (1, 2, 3)),
                    *(_mean(recall[:, :, 0, limit]) for limit in (0, 1, 2)),
                    *(_mean(recall[:, :, size, 2]) for size in (1, 2, 3)),
                ),
                strict=True,
            )
        )

    def of_class(self, class_id: int) -> Evaluation:
        """The evaluation of one class alone."""
        one = slice(class_id, class_id + 1)
        return Evaluation(self.precision[:, :, one], self.scores[:, :, one], self.recall[:, one])


def evaluate(
    truth: Sequence[Objects], detections: Sequence[Detections], *, classes: int
) -> Evaluation:
    """How well detections find what is there.

    Args:
        truth: What is in each image.
        detections: What was found in each, in the same order. Where scores are equal, earlier
            images and earlier detections come first.
        classes: Number of classes.

    Raises:
        ValueError: The images differ in number, a class id or a value is out of range.
    """
    return accumulate(
        match(
            truth,
            detections,
            classes=classes,
            iou_thresholds=IOU_THRESHOLDS,
            area_ranges=AREA_RANGES,
            max_detections=MAX_DETECTIONS[-1],
        )
    )


def accumulate(matches: Matches) -> Evaluation:
    """Precision and recall over all images, from matches with the thresholds of this module."""
    classes, thresholds, sizes = matches.classes, len(IOU_THRESHOLDS), len(AREA_RANGES)
    precision = np.full((thresholds, len(RECALLS), classes, sizes), -1.0)
    scores = np.full_like(precision, -1.0)
    recall = np.full((thresholds, classes, sizes, len(MAX_DETECTIONS)), -1.0)
    bounds = np.searchsorted(matches.class_ids, np.arange(classes + 1))
    truth_bounds = np.searchsorted(matches.truth_class_ids, np.arange(classes + 1))
    for k in range(classes):
        objects = slice(truth_bounds[k], truth_bounds[k + 1])
        here = slice(bounds[k], bounds[k + 1])
        order = np.argsort(-matches.scores[here], kind="stable")
        falling, rank = matches.scores[here][order], matches.rank[here][order]
        for a in range(sizes):
            positives = int(np.count_nonzero(~matches.truth_ignored[a, objects]))
            if positives == 0:
                continue
            hit, counted = matches.hit[a, :, here][:, order], ~matches.ignored[a, :, here][:, order]
            right = hit & counted
            for m, limit in enumerate(MAX_DETECTIONS):
                recall[:, k, a, m] = right[:, rank < limit].sum(axis=1) / positives
            curves = _curve(right, ~hit & counted, falling, positives)
            precision[:, :, k, a], scores[:, :, k, a] = curves
    return Evaluation(precision, scores, recall)


def _curve(
    right: npt.NDArray[np.bool_],
    wrong: npt.NDArray[np.bool_],
    falling: Float64Array,
    positives: int,
) -> tuple[Float64Array, Float64Array]:
    """Precision and score at the 101 recalls, both (T, 101), from (T, D) in falling score."""
    hits = np.cumsum(right, axis=1, dtype=np.float64)
    misses = np.cumsum(wrong, axis=1, dtype=np.float64)
    reached = hits / positives
    precise = hits / (misses + hits + np.spacing(1))
    best = np.maximum.accumulate(precise[:, ::-1], axis=1)[:, ::-1]
    precision = np.zeros((len(right), len(RECALLS)))
    scores = np.zeros_like(precision)
    for t in range(len(right)):
        place = np.searchsorted(reached[t], RECALLS, side="left")
        place = place[place < len(falling)]
        precision[t, : len(place)] = best[t, place]
        scores[t, : len(place)] = falling[place]
    return precision, scores


def _mean(values: Float64Array) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else -1.0
