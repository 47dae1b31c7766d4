"""YOLOv10 and YOLO26, and YOLOv8-like exports with suppression inside.

Source: Wang et al. 2024, arXiv:2405.14458, and what the exports emit: "rows6", one output (300, 6)
of x1, y1, x2, y2 in input pixels, score, class; rows that are all zero are padding. "split" is what
the last convolutions give, as YOLOv8's, of a head that finds each object once.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from edge.models.base import Family, Form, ModelSpec, Preprocessing, Recognition, Seen
from edge.models.final import decode_rows6, small_table
from edge.models.yolov6 import decode_split
from edge.types import Candidates, Size, Tensor


def decode_each_class(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "split"; see `edge.models.base.Decode`. As in "rows6", a cell may have many classes."""
    del multi_label
    return decode_split(outputs, spec, score_threshold=score_threshold, multi_label=True)


def _recognise(seen: Seen) -> Recognition | None:
    name = small_table(seen, 6)
    if name is None:
        return None
    boxes = np.abs(seen.outputs[name][:, :4])
    relative = 0 < float(boxes.max(initial=0)) <= 2
    if relative and not seen.chosen:
        return None
    return Recognition(
        "rows6", None, (name,), "a table of 6 columns with boxes in pixels: suppression is inside"
    )


YOLOV10 = Family(
    name="yolov10",
    forms=MappingProxyType(
        {
            "rows6": Form(decode_rows6, suppress=False),
            "split": Form(decode_each_class, suppress=False, outputs=(2,), per_level=True),
        }
    ),
    recognise=_recognise,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Wang et al. 2024, arXiv:2405.14458",
)
