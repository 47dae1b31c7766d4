"""YOLOv10 and YOLO26, and YOLOv8-like exports with suppression inside.

Source: Wang et al. 2024, arXiv:2405.14458, and what the exports emit: "end2end_6", one output
(300, 6) of x1, y1, x2, y2 in input pixels, score, class; rows that are all zero are padding.
"split" is what the last convolutions give, as YOLOv8's, of a head that finds each object once; as
in "end2end_6", a cell may have many classes.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Distances, EndToEnd
from edge.models.shapes import suppressed
from edge.types import Size

END2END_6 = EndToEnd(parts=(("boxes", "score", "class_id"),))


def _recognize(probe: Seen) -> Recognition | None:
    name = suppressed(probe, END2END_6.parts[0])
    if name is None:
        return None
    boxes = np.abs(probe.outputs[name][:, :4])
    relative = 0 < float(boxes.max(initial=0)) <= 2
    if relative and not probe.chosen:
        return None
    return Recognition(
        "end2end_6",
        None,
        (name,),
        "a table of boxes in pixels, scores and classes: suppression is inside",
    )


YOLOV10 = Family(
    name="yolov10",
    layouts=MappingProxyType(
        {
            "end2end_6": END2END_6,
            "split": Distances(suppress=False, every_class=True),
        }
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Wang et al. 2024, arXiv:2405.14458",
)
