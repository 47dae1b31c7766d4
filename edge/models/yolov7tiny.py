"""YOLOv7-tiny: YOLOv7's outputs, with the same anchors.

Those are what the released weights were trained with. Trainings from the published configuration
file have YOLOv5's: a raw head shows neither, so the file says it, or the user.

Source: Wang et al. 2022, arXiv:2207.02696, and the anchors in the released checkpoint.
"""

from __future__ import annotations

from dataclasses import replace

from edge.models.base import Recognition, Seen
from edge.models.yolov7 import ANCHORS, YOLOV7, recognize_end, recognize_heads, recognize_rows


def _recognize(probe: Seen) -> Recognition | None:
    """Raw maps. Decoded rows look like YOLOv7's, and mean the same."""
    decoded = recognize_end(probe) or recognize_rows(probe) if probe.chosen else None
    return decoded or recognize_heads(probe, "yolov7-tiny", (ANCHORS,))


YOLOV7_TINY = replace(YOLOV7, name="yolov7-tiny", recognize=_recognize)
