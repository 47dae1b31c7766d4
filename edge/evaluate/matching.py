"""Which detection found which object: greedy, best score first, inside an image and class.

Source: the COCO detection evaluation (Lin et al. 2014, arXiv:1405.0312, and its published
reference code, whose order of ties is kept here to the letter).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.io.datasets.base import Float64Array, Objects
from edge.types import Detections, Int32Array, Mask

Index = npt.NDArray[np.int64]
_PAIRS = 1 << 20  # detection-object pairs whose overlap is computed at once: bounds the memory


@dataclass(frozen=True, slots=True)
class Matches:
    """What became of every detection and every object.

    Detections are in the order of class, image and falling score; objects of class and image.
    A is the number of area ranges, T of IoU thresholds, D of detections, G of objects.

    Attributes:
        images: Number of images.
        classes: Number of classes.
        image: (D,) int32: the image of each detection.
        class_ids: (D,) int32.
        rank: (D,) int32: place among the detections of its image and class; 0 is the best.
        scores: (D,) float64.
        hit: (A, T, D) bool: it found an object.
        ignored: (A, T, D) bool: it counts neither for nor against.
        truth_image: (G,) int32: the image of each object.
        truth_class_ids: (G,) int32.
        truth_ignored: (A, G) bool: it need not be found.
    """

    images: int
    classes: int
    image: Int32Array
    class_ids: Int32Array
    rank: Int32Array
    scores: Float64Array
    hit: Mask
    ignored: Mask
    truth_image: Int32Array
    truth_class_ids: Int32Array
    truth_ignored: Mask


def match(
    truth: Sequence[Objects],
    detections: Sequence[Detections],
    *,
    classes: int,
    iou_thresholds: Sequence[float] | Float64Array,
    area_ranges: Sequence[tuple[float, float]],
    max_detections: int | None,
) -> Matches:
    """Give each detection the object that it overlaps most, once for every threshold and range.

    A detection takes the free object of its class with the highest IoU that reaches the
    threshold (of equals, the last); only where there is none, an ignored object. An object
    outside the area range is ignored, and so is a detection that found nothing and is outside.
    Of a crowd, any number of detections may be a part: its overlap is the share of the
    detection that lies inside.

    Args:
        truth: Per image.
        detections: Per image, of any order; equal scores keep theirs.
        classes: Number of classes.
        iou_thresholds: T of them.
        area_ranges: A of them, lowest and highest area in square pixels, both inside.
        max_detections: Only so many, the best, of an image and class; None: all.

    Raises:
        ValueError: The images differ in number, a class id or a value is out of range.
    """
    if len(truth) != len(detections):
        raise ValueError(f"labels of {len(truth)} images, detections of {len(detections)}")
    images = len(truth)
    objects, truth_image = _all_objects(truth)
    rects, scores, class_ids, image = _all_detections(detections)
    _check(objects.class_ids, classes, "an object")
    _check(class_ids, classes, "a detection")

    order = np.lexsort((truth_image, objects.class_ids))
    truth_rects = objects.rectangles[order]
    crowd = objects.crowd[order]
    truth_group = (objects.class_ids[order].astype(np.int64) * images) + truth_image[order]
    area = objects.areas[order]
    outside = np.stack([(area < low) | (area > high) for low, high in area_ranges])
    truth_ignored = outside | crowd | objects.ignored[order]

    chosen = np.lexsort((-scores, image, class_ids))
    group = class_ids[chosen].astype(np.int64) * images + image[chosen]
    rank = np.arange(len(group)) - np.searchsorted(group, group)
    if max_detections is not None:
        best = rank < max_detections
        chosen, group, rank = chosen[best], group[best], rank[best]
    rects = rects[chosen]
    area = rects[:, 2] * rects[:, 3]
    outside = np.stack([(area < low) | (area > high) for low, high in area_ranges])

    thresholds = np.minimum(np.array(iou_thresholds, np.float64), 1 - 1e-10)
    pairs = _pairs(group, rects, truth_group, truth_rects, crowd, float(thresholds.min()))
    hit = np.zeros((len(area_ranges), len(thresholds), len(group)), np.bool_)
    ignored = np.zeros_like(hit)
    for a in range(len(area_ranges)):
        _assign(pairs, rank, truth_ignored[a], crowd, thresholds, hit[a], ignored[a])
        ignored[a] |= ~hit[a] & outside[a]

    return Matches(
        images,
        classes,
        image[chosen],
        class_ids[chosen],
        rank.astype(np.int32),
        scores[chosen],
        hit,
        ignored,
        truth_image[order],
        objects.class_ids[order],
        truth_ignored,
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Detections and objects of the same image and class that overlap enough: rows (P,)."""

    detection: Index
    truth: Index
    iou: Float64Array


def _pairs(
    group: Index,
    rects: Float64Array,
    truth_group: Index,
    truth_rects: Float64Array,
    crowd: Mask,
    threshold: float,
) -> _Pairs:
    first = np.searchsorted(truth_group, group, "left")
    count = np.searchsorted(truth_group, group, "right") - first
    kept = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for start, stop in _chunks(count):
        many = count[start:stop]
        detection = np.repeat(np.arange(start, stop), many)
        within = np.arange(len(detection)) - np.repeat(np.cumsum(many) - many, many)
        truth = first[detection] + within
        iou = _overlap(rects[detection], truth_rects[truth], crowd[truth])
        enough = iou >= threshold
        kept.append((detection[enough], truth[enough], iou[enough]))
    detections, truths, ious = (np.concatenate(column) for column in zip(*kept, strict=True))
    return _Pairs(detections, truths, ious)


def _chunks(count: Index) -> Iterator[tuple[int, int]]:
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS, "right")))
        yield start, stop
        start = stop


def _overlap(result: Float64Array, truth: Float64Array, crowd: Mask) -> Float64Array:
    """IoU of rows of rectangles; with a crowd, the share of the detection inside it."""
    start = np.maximum(result[:, :2], truth[:, :2])
    shared = np.minimum(result[:, :2] + result[:, 2:], truth[:, :2] + truth[:, 2:]) - start
    touching = (shared > 0).all(axis=1)
    inter = np.where(touching, shared[:, 0] * shared[:, 1], 0.0)
    area = result[:, 2] * result[:, 3]
    union = np.where(crowd, area, area + truth[:, 2] * truth[:, 3] - inter)
    return np.divide(inter, union, out=np.zeros_like(inter), where=touching)


def _assign(
    pairs: _Pairs,
    rank: Index,
    truth_ignored: Mask,
    crowd: Mask,
    thresholds: Float64Array,
    hit: Mask,
    ignored: Mask,
) -> None:
    """Fill `hit` and `ignored`, both (T, D), for one area range.

    A round takes the detections of one rank in every image and class at once. They do not
    compete, as no two of them are in the same image and class.
    """
    # Best partner of a detection first: counted objects, then overlap, then the last.
    order = np.lexsort(
        (-pairs.truth, -pairs.iou, truth_ignored[pairs.truth], pairs.detection,
         rank[pairs.detection])
    )  # fmt: skip
    detection, truth, iou = pairs.detection[order], pairs.truth[order], pairs.iou[order]
    taken = np.zeros((len(truth_ignored), len(thresholds)), np.bool_)
    ranks = rank[detection]
    rounds = np.r_[np.searchsorted(ranks, np.unique(ranks)), len(ranks)]
    for start, stop in itertools.pairwise(rounds):
        round_, partner = detection[start:stop], truth[start:stop]
        free = ~taken[partner] | crowd[partner, None]
        free &= iou[start:stop, None] >= thresholds
        heads = np.flatnonzero(np.r_[True, round_[1:] != round_[:-1]])
        place = np.where(free, np.arange(stop - start)[:, None], stop - start)
        best = np.minimum.reduceat(place, heads, axis=0)  # (detections, T)
        row, t = np.nonzero(best < stop - start)
        who, what = round_[heads][row], partner[best[row, t]]
        hit[t, who] = True
        ignored[t, who] = truth_ignored[what]
        taken[what, t] = True


def _all_objects(truth: Sequence[Objects]) -> tuple[Objects, Int32Array]:
    rects = np.concatenate([np.zeros((0, 4)), *(t.rectangles for t in truth)])
    ids = np.concatenate([np.zeros(0, np.int32), *(t.class_ids for t in truth)])
    areas = np.concatenate([np.zeros(0), *(t.areas for t in truth)])
    crowd = np.concatenate([np.zeros(0, np.bool_), *(t.crowd for t in truth)])
    ignored = np.concatenate([np.zeros(0, np.bool_), *(t.ignored for t in truth)])
    counts = [len(t) for t in truth]
    return Objects(rects, ids, areas, crowd, ignored), _image_of(counts)


def _all_detections(
    detections: Sequence[Detections],
) -> tuple[Float64Array, Float64Array, Int32Array, Int32Array]:
    boxes = np.concatenate([np.zeros((0, 4)), *(f.boxes for f in detections)])
    scores = np.concatenate([np.zeros(0), *(f.scores for f in detections)])
    ids = np.concatenate([np.zeros(0, np.int32), *(f.class_ids for f in detections)])
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ValueError("a detection has a box or a score that is not a finite number")
    rects = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
    return rects, scores, ids, _image_of([len(f) for f in detections])


def _image_of(counts: Sequence[int]) -> Int32Array:
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def _check(class_ids: Int32Array, classes: int, what: str) -> None:
    if len(class_ids) and not 0 <= int(class_ids.min()) <= int(class_ids.max()) < classes:
        span = f"{class_ids.min()} to {class_ids.max()}"
        raise ValueError(f"class ids of {what} are 0 to {classes - 1}, got {span}")
