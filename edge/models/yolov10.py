"""YOLOv10 and YOLO26, and YOLOv8-like exports with suppression inside.

Source: Wang et al. 2024, arXiv:2405.14458, and what the exports emit: "end2end_6", one output
(300, 6) of x1, y1, x2, y2 in input pixels, score, class; rows that are all zero are padding.
TensorFlow Lite files have it in fractions of the input, "end2end_6-fractions".
"split" is what the last convolutions give, as YOLOv8's, of a head that finds each object once; as
in "end2end_6", a cell may have many classes.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Distances, EndToEnd
from edge.models.shapes import relative, suppressed
from edge.types import Size

_ENOUGH = 20  # rows
END2END_6 = EndToEnd(parts=(("boxes", "score", "class_id"),))


def _recognize(probe: Seen) -> Recognition | None:
    name = suppressed(probe, END2END_6.parts[0])
    if name is None:
        return None
    rows = probe.outputs[name]
    form, unit = ("end2end_6", "pixels")
    if relative(rows[:, :4]):
        if len(rows) < _ENOUGH and not probe.chosen:  # centers and sizes may look so by chance
            return None
        form, unit = ("end2end_6-fractions", "fractions of the input")
    return Recognition(
        form,
        None,
        (name,),
        f"a table of corners of boxes in {unit}, scores and classes: suppression is inside",
    )


YOLOV10 = Family(
    name="yolov10",
    layouts=MappingProxyType(
        {
            "end2end_6": END2END_6,
            "end2end_6-fractions": replace(END2END_6, unit="fractions"),
            "split": Distances(suppress=False, every_class=True),
        }
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Wang et al. 2024, arXiv:2405.14458",
)
