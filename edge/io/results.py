"""Detections of a whole dataset as one file, in the form that COCO's evaluators read.

Source: cocodataset.org, "Results format", object detection.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.io.sinks.targets import write_whole
from edge.types import Detections


def write_results(
    file: Path, detections: Iterable[tuple[int, Detections]], category_ids: Mapping[int, int]
) -> None:
    """Write a list of {"image_id", "category_id", "bbox": [left, top, width, height], "score"}.

    Numbers are written in full, so that an evaluation of the file gives what an evaluation of the
    detections gives.

    Args:
        file: Replaced as a whole, or left as it was.
        detections: Image id and what was found in that image.
        category_ids: Class id to category id. Classes that are not in it are left out.

    Raises:
        SinkError: The file could not be written.
    """
    rows = [
        {
            "image_id": image_id,
            "category_id": category_ids[class_id],
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        for image_id, each in detections
        for (x1, y1, x2, y2), score, class_id in zip(
            each.boxes.tolist(), each.scores.tolist(), each.class_ids.tolist(), strict=True
        )
        if class_id in category_ids
    ]
    write_whole(file, (json.dumps(rows) + "\n").encode())
