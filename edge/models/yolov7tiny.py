"""YOLOv7-tiny: YOLOv7's outputs, with anchors of its own.

Source: Wang et al. 2022, arXiv:2207.02696, and the official configuration's anchors.
"""

from __future__ import annotations

from dataclasses import replace

from edge.models.base import Anchors, Recognition, Seen
from edge.models.yolov7 import YOLOV7, recognize_heads, recognize_rows

ANCHORS: Anchors = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)


def _recognize(probe: Seen) -> Recognition | None:
    """Raw maps. Decoded rows look like YOLOv7's, and mean the same."""
    rows = recognize_rows(probe) if probe.chosen else None
    return rows or recognize_heads(probe, (ANCHORS,))


YOLOV7_TINY = replace(YOLOV7, name="yolov7-tiny", recognize=_recognize)
