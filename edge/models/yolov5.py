"""YOLOv5: YOLOv7's outputs, with the anchors of YOLOv7-tiny.

Source: what the official exports emit; see `edge.models.yolov7`. Unlike there, the score of a
model with a single class is objectness times class score.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from edge import ops
from edge.models.base import Family, Form, ModelSpec, Preprocessing, Recognition, Seen
from edge.models.shapes import expect_channels, unbatched
from edge.models.yolov7 import P6_ANCHORS, by_anchor, recognise_heads, recognise_rows
from edge.models.yolov7tiny import ANCHORS
from edge.types import Candidates, Size, Tensor


def decode_rows(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "rows"; see `edge.models.base.Decode`."""
    rows = unbatched(outputs[0], 2)
    expect_channels("columns", rows.values.shape[1], 5 + len(spec.labels))
    return ops.decode_rows(
        rows, objectness=True, score_threshold=score_threshold, multi_label=multi_label
    )


def decode_heads(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "heads"; see `edge.models.base.Decode`."""
    return ops.decode_anchors(
        by_anchor(outputs, spec),
        anchors=spec.anchors,
        strides=spec.strides,
        score_threshold=score_threshold,
        multi_label=multi_label,
    )


def _recognise(seen: Seen) -> Recognition | None:
    rows = recognise_rows(seen)
    if rows is not None:  # older releases call it `output`, as YOLOv7 does
        return rows if rows.outputs == ("output0",) or seen.chosen else None
    return recognise_heads(seen, (ANCHORS, P6_ANCHORS))


YOLOV5 = Family(
    name="yolov5",
    forms=MappingProxyType(
        {"rows": Form(decode_rows), "heads": Form(decode_heads, per_level=True, anchored=True)}
    ),
    recognise=_recognise,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Ultralytics' exports of YOLOv5",
)
