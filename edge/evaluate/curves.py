"""Precision over recall, as a table or as an image."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from edge.evaluate.coco import IOU_THRESHOLDS, RECALLS, Evaluation
from edge.io.datasets.base import Float64Array
from edge.svg import document, text

_SIDE = 440  # pixels of the plot's square
_LEFT, _TOP = 60, 50
_LINES = ((0, "IoU .50", "#4e79a7"), (5, "IoU .75", "#f28e2b"), (None, ".50 to .95", "#333"))


def table(evaluation: Evaluation, labels: Sequence[str]) -> str:
    """CSV: class, iou, recall, precision, score; objects of every size, classes that have any.

    The score is the threshold that gives this point; 0 where no threshold reaches the recall.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["class", "iou", "recall", "precision", "score"])
    for k, label in enumerate(labels):
        precision, scores = evaluation.precision[:, :, k, 0], evaluation.scores[:, :, k, 0]
        if precision[0, 0] < 0:
            continue
        for t, iou in enumerate(IOU_THRESHOLDS):
            for r, recall in enumerate(RECALLS):
                point = f"{precision[t, r]:.6g}", f"{scores[t, r]:.6g}"
                writer.writerow([label, f"{iou:.2f}", f"{recall:.2f}", *point])
    return file.getvalue()


def image(evaluation: Evaluation) -> str:
    """SVG: the mean over classes at three overlaps, and each class at IoU .50 in gray."""
    precision = evaluation.precision[..., 0]
    there = precision[:, :, precision[0, 0] >= 0]
    body = "".join(_line(there[0, :, k], "#bbb", 0.7) for k in range(there.shape[2]))
    for row, (t, name, color) in enumerate(_LINES):
        if there.shape[2]:
            chosen = there if t is None else there[t : t + 1]
            body += _line(chosen.mean(axis=(0, 2)), color, 2.0)
        y = _TOP + 20 + 20 * row
        body += f'<path d="M{_LEFT + 330} {y - 4}h20" stroke="{color}" stroke-width="2"/>'
        body += text(_LEFT + 356, y, name)
    for k in range(0, 11, 2):
        right, down = _LEFT + _SIDE * k // 10, _TOP + _SIDE * (10 - k) // 10
        body += text(right - 10, _TOP + _SIDE + 18, f"{k / 10:.1f}")
        body += text(28, down + 4, f"{k / 10:.1f}")
        body += f'<path d="M{_LEFT} {down}h{_SIDE}M{right} {_TOP}v{_SIDE}" stroke="#eee"/>'
    title = text(_LEFT, 30, "Precision over recall; gray: each class at IoU .50")
    below = text(_LEFT + _SIDE / 2 - 20, _TOP + _SIDE + 38, "recall")
    return document(_LEFT + _SIDE + 30, _TOP + _SIDE + 50, f"{title}{body}{below}")


def _line(precision: Float64Array, color: str, width: float) -> str:
    points = " ".join(
        f"{_LEFT + _SIDE * r:.1f},{_TOP + _SIDE * (1 - p):.1f}"
        for r, p in zip(RECALLS, np.clip(precision, 0, 1), strict=True)
    )
    return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{width}"/>'
