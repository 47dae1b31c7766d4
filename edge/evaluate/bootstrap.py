"""How sure a difference of two detectors is: the paired bootstrap over images.

Source: Efron 1979; Efron and Tibshirani 1993, "An Introduction to the Bootstrap", ch. 13
(percentile intervals).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge.evaluate.coco import AREA_RANGES, IOU_THRESHOLDS, MAX_DETECTIONS, RECALLS
from edge.evaluate.matching import Matches, match
from edge.io.datasets.base import Float64Array, Objects
from edge.types import Detections, Mask

# Name to (IoU thresholds, size): those of the twelve numbers that are average precisions.
PRECISIONS: Mapping[str, tuple[slice, int]] = {
    "AP": (slice(None), 0),
    "AP50": (slice(0, 1), 0),
    "AP75": (slice(5, 6), 0),
    "APs": (slice(None), 1),
    "APm": (slice(None), 2),
    "APl": (slice(None), 3),
}
_CELLS = 1 << 22  # of a table of resamples and detections: bounds the memory


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of two detectors on the same images; NaN where there is nothing to find.

    Attributes:
        before: Of the first.
        after: Of the second.
        low: End of the 95 % interval of after - before.
        high: The other end.
    """

    before: float
    after: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def differences(
    truth: Sequence[Objects],
    first: Sequence[Detections],
    second: Sequence[Detections],
    *,
    classes: int,
    resamples: int = 1000,
    seed: int = 0,
    by_size: bool = True,
) -> tuple[dict[str, Difference], list[dict[str, Difference]]]:
    """What the second detector gains over the first, and how sure that is.

    Images are drawn with replacement, the same for both: what is hard for both drops out of the
    difference.

    Args:
        truth: What is in each image.
        first: What one detector found, in the same order.
        second: What the other found.
        classes: Number of classes.
        resamples: How many sets of images are drawn.
        seed: Of the draw.
        by_size: Whether APs, APm and APl are wanted, which are three quarters of the work.

    Returns:
        The numbers of `PRECISIONS` over all classes, and for each class.

    Raises:
        ValueError: The images differ in number, a class id or a value is out of range.
    """
    weights = np.vstack([np.ones(len(truth)), _draws(len(truth), resamples, seed)])
    tables = []
    for result in (first, second):
        matches = match(
            truth,
            result,
            classes=classes,
            iou_thresholds=IOU_THRESHOLDS,
            area_ranges=AREA_RANGES if by_size else AREA_RANGES[:1],
            max_detections=MAX_DETECTIONS[-1],
        )
        tables.append(average_precisions(matches, weights))
    overall = _compare(tables[0], tables[1])
    each = [
        _compare(tables[0][:, :, k : k + 1], tables[1][:, :, k : k + 1]) for k in range(classes)
    ]
    return overall, each


def average_precisions(matches: Matches, weights: Float64Array) -> Float64Array:
    """Average precision as `accumulate` gives it, with images that count several times or never.

    Where two detections of one image have equal scores, the copies of the better one come first.

    Args:
        matches: With the thresholds of `edge.evaluate.coco`, and its areas or the first of them.
        weights: (R, images): how often each image counts, in each of R resamples.

    Returns:
        (R, 10, K, areas) float64: resample, IoU threshold, class, size; NaN where there is nothing
        to find.
    """
    classes, sizes = matches.classes, len(matches.ignored)
    precisions = np.full((len(weights), len(IOU_THRESHOLDS), classes, sizes), np.nan)
    bounds = np.searchsorted(matches.class_ids, np.arange(classes + 1))
    truth_bounds = np.searchsorted(matches.truth_class_ids, np.arange(classes + 1))
    for k in range(classes):
        objects = slice(truth_bounds[k], truth_bounds[k + 1])
        here = slice(bounds[k], bounds[k + 1])
        order = np.argsort(-matches.scores[here], kind="stable")
        image = matches.image[here][order]
        hit, counted = matches.hit[:, :, here][..., order], ~matches.ignored[:, :, here][..., order]
        for rows in _parts(len(weights), len(image)):
            weight = weights[rows][:, image]
            for a in range(sizes):
                there = matches.truth_image[objects][~matches.truth_ignored[a, objects]]
                if len(there) == 0:
                    continue
                positives = weights[rows][:, there].sum(axis=1)
                for t in range(len(IOU_THRESHOLDS)):
                    right, wrong = hit[a, t] & counted[a, t], ~hit[a, t] & counted[a, t]
                    precisions[rows, t, k, a] = _average(weight, right, wrong, positives)
    return precisions


def _average(
    weight: Float64Array, right: Mask, wrong: Mask, positives: Float64Array
) -> Float64Array:
    """Mean precision at the 101 recalls, (R,), of detections in falling score with weights (R, D).

    Only a hit reaches a new recall, so precision is needed there alone.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        nothing = np.where(positives > 0, 0.0, np.nan)
        places = np.flatnonzero(right)
        if len(places) == 0:
            return nothing
        hits = np.cumsum(weight[:, places], axis=1)
        false = np.flatnonzero(wrong)
        misses = np.zeros((len(weight), len(false) + 1))
        np.cumsum(weight[:, false], axis=1, out=misses[:, 1:])
        before = misses[:, np.searchsorted(false, places)]
        precise = hits / (before + hits + np.spacing(1))
        best = np.maximum.accumulate(precise[:, ::-1], axis=1)[:, ::-1]
        reached = np.searchsorted(RECALLS, hits / positives[:, None], side="right")
        gained = np.diff(reached, axis=1, prepend=0)
        average: Float64Array = (best * gained).sum(axis=1) / len(RECALLS) + nothing
    return average


def _draws(images: int, resamples: int, seed: int) -> Float64Array:
    """(resamples, images): how often each image is drawn."""
    if images == 0:
        return np.zeros((resamples, 0))
    drawn = np.random.default_rng(seed).integers(0, images, (resamples, images))
    return np.stack([np.bincount(row, minlength=images) for row in drawn]).astype(np.float64)


def _parts(resamples: int, detections: int) -> Iterator[slice]:
    step = max(1, _CELLS // max(1, detections))
    return (slice(start, start + step) for start in range(0, resamples, step))


def _compare(first: Float64Array, second: Float64Array) -> dict[str, Difference]:
    """From tables (1 + R, 10, K, areas), whose first row is of the images as they are."""
    by_name = {}
    for name, (thresholds, size) in PRECISIONS.items():
        if size >= first.shape[3]:
            continue
        before, after = (
            _mean(table[:, thresholds, :, size].reshape(len(table), -1))
            for table in (first, second)
        )
        change = (after - before)[1:]
        change = change[np.isfinite(change)]
        low, high = np.percentile(change, (2.5, 97.5)).tolist() if len(change) else (np.nan,) * 2
        by_name[name] = Difference(float(before[0]), float(after[0]), low, high)
    return by_name


def _mean(values: Float64Array) -> Float64Array:
    """Of each row, over what is defined in it."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        mean: Float64Array = np.where(defined, values, 0).sum(axis=1) / defined.sum(axis=1)
    return mean
