"""YOLOv5: YOLOv7's outputs, with anchors of its own.

Source: what the official exports emit; see `edge.models.yolov7`. Unlike there, the score of a
model with a single class is objectness times class score.
"""

from __future__ import annotations

from types import MappingProxyType

from edge.models.base import Anchors, Family, Preprocessing, Recognition, Seen
from edge.models.layouts import AnchorMaps, Rows
from edge.models.yolov7 import P6_ANCHORS, recognize_heads, recognize_rows
from edge.types import Size

ANCHORS: Anchors = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)


def _recognize(probe: Seen) -> Recognition | None:
    rows = recognize_rows(probe)
    if rows is not None:  # older releases call it `output`, as YOLOv7 does
        own = rows.outputs == ("output0",) or rows.form == "rows-fractions"
        return rows if own or probe.chosen else None
    return recognize_heads(probe, "yolov5", (ANCHORS, P6_ANCHORS))


YOLOV5 = Family(
    name="yolov5",
    layouts=MappingProxyType(
        {
            "rows": Rows(),
            "rows-fractions": Rows(unit="fractions"),
            "heads": AnchorMaps(),
        }
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Ultralytics' exports of YOLOv5",
)
