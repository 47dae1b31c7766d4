"""The reference evaluator, fed with our values, and sets that are hard to evaluate."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from edge.io.datasets.base import Objects
from edge.types import Detections


@dataclass
class Reference:
    """What pycocotools says; the arrays have the axes of `Evaluation`."""

    precision: np.ndarray
    scores: np.ndarray
    recall: np.ndarray
    metrics: list[float]


def reference(truth: list[Objects], result: list[Detections], classes: int) -> Reference:
    """Evaluate with pycocotools."""
    annotations, results = [], []
    for image, objects in enumerate(truth):
        for k in range(len(objects)):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": int(objects.class_ids[k]),
                    "bbox": objects.rectangles[k].tolist(),
                    # It has no flag of its own for "ignored": an area outside every range is.
                    "area": 1e12 if objects.ignored[k] else float(objects.areas[k]),
                    "iscrowd": int(objects.crowd[k]),
                }
            )
    for image, detections in enumerate(result):
        for k in range(len(detections)):
            x1, y1, x2, y2 = map(float, detections.boxes[k])
            results.append(
                {
                    "id": len(results) + 1,
                    "image_id": image,
                    "category_id": int(detections.class_ids[k]),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "score": float(detections.scores[k]),
                    "iscrowd": 0,
                }
            )
    images = [{"id": i} for i in range(len(truth))]
    return evaluated(images, annotations, results, [{"id": k} for k in range(classes)])


def evaluated(
    images: list[dict], annotations: list[dict], results: list[dict], categories: list[dict]
) -> Reference:
    """Evaluate the content of COCO files with pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for rows in (annotations, results):
            side = COCO()
            side.dataset = {"images": images, "annotations": rows, "categories": categories}
            side.createIndex()
            sides.append(side)
        judge = COCOeval(*sides, "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return Reference(
        judge.eval["precision"][..., 2],
        judge.eval["scores"][..., 2],
        judge.eval["recall"],
        [float(number) for number in judge.stats],
    )


def hard_set(seed: int) -> tuple[list[Objects], list[Detections], int]:
    """A small set with every trap: ties, crowds, ignored objects, empty images, absent classes.

    Returns:
        Truth, detections and number of classes.
    """
    rng = np.random.default_rng(seed)
    images, classes = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    grid = float(rng.choice([1.0, 8.0, 16.0, 0.37]))  # a coarse grid gives equal IoUs
    levels = int(rng.choice([2, 5, 1000]))  # few levels give equal scores
    crowds, ignores = rng.choice([0.0, 0.2, 0.6], 2)
    truth, result = [], []
    for _ in range(images):
        n = int(rng.choice([0, 1, 3, 6]))
        start = rng.integers(0, 6, (n, 2)) * grid
        rects = np.hstack([start, rng.integers(0, 12, (n, 2)) * grid])
        areas = rects[:, 2] * rects[:, 3] * rng.choice([0.5, 1.0], n)
        edge = rng.random(n) < 0.3
        areas[edge] = rng.choice([0.0, 1024.0, 9216.0, 1e10, np.nextafter(1024.0, 0)], edge.sum())
        truth.append(
            Objects.of(
                rects,
                rng.integers(0, max(1, classes - 1), n),  # the last class often has no objects
                areas=areas,
                crowd=rng.random(n) < crowds,
                ignored=rng.random(n) < ignores,
            )
        )
        if rng.random() < 0.5:
            truth[-1], n = with_twins(truth[-1], grid), n + 2
            rects = truth[-1].rectangles
        copies = rng.integers(0, n, int(rng.integers(0, 2 * n + 1))) if n else np.zeros(0, int)
        boxes = rects[copies] + rng.integers(-1, 2, (len(copies), 4)) * grid * rng.integers(0, 2)
        extra = int(rng.choice([0, 2, 5]))
        boxes = np.vstack([boxes, rng.integers(0, 12, (extra, 4)) * grid, BETWEEN * grid])
        boxes[:, 2:] = boxes[:, :2] + np.abs(boxes[:, 2:])
        ids = np.r_[truth[-1].class_ids[copies], rng.integers(0, classes, extra), 0]
        swapped = rng.random(len(ids)) < 0.1
        ids[swapped] = rng.integers(0, classes, int(swapped.sum()))
        scores = rng.integers(0, levels + 1, len(ids)) / levels
        every = detections(boxes, scores, ids)
        result.append(every if rng.random() < 0.9 else every[:0])
    return truth, result, classes


TWINS = np.array([[0, 0, 10, 8], [0, 4, 10, 8]])
BETWEEN = np.array([[0, 0, 10, 12]])  # overlaps both twins by two thirds


def with_twins(objects: Objects, grid: float) -> Objects:
    """Add two objects that one detection overlaps equally: which it takes decides the rest."""
    twins = Objects.of(TWINS * grid, [0, 0])
    return Objects(
        *(
            np.concatenate([getattr(objects, name), getattr(twins, name)])
            for name in ("rectangles", "class_ids", "areas", "crowd", "ignored")
        )
    )


def crowded_set(seed: int) -> tuple[list[Objects], list[Detections], int]:
    """Two images with more than 100 detections of a class, among few objects and a crowd."""
    rng = np.random.default_rng(seed)
    truth, result = [], []
    for _ in range(2):
        rects = np.hstack([rng.integers(0, 40, (4, 2)), rng.integers(20, 60, (4, 2))]).astype(float)
        truth.append(Objects.of(rects, [0, 0, 0, 1], crowd=[False, False, True, False]))
        rows = rng.integers(0, 4, 260)
        boxes = rects[rows] + rng.integers(-6, 7, (260, 4))
        boxes[:, 2:] += boxes[:, :2]
        ids = (rng.random(260) < 0.2).astype(np.int32)
        result.append(detections(boxes, rng.integers(0, 60, 260) / 60, ids))
    return truth, result, 2


def detections(boxes, scores, class_ids) -> Detections:
    """Detections from lists."""
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32),
        np.array(class_ids, np.int32),
    )
