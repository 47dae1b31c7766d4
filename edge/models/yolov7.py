"""YOLOv7, and what it shares with YOLOv7-tiny and YOLOv5: three anchors in each cell.

Source: Wang et al. 2022, arXiv:2207.02696, and what the official exports emit:
- "rows": one output (3N, 5 + C), decoded in the graph (`--grid`): center x, center y, width,
  height in input pixels, objectness and class probabilities;
- "rows-fractions": the same with boxes in fractions of the input, as in TensorFlow Lite files;
- "heads": the raw maps, per level (3, H, W, 5 + C) as exported, (3, H * W, 5 + C) as in ncnn's own
  examples, or (3 * (5 + C), H, W) as the last convolution leaves them;
- "end2end_7": suppression inside, as YOLOv6's.
The score of a model with a single class is its objectness: it was trained so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from edge.models.anchor_heads import anchor_head
from edge.models.base import Anchors, Family, Preprocessing, Recognition, Seen
from edge.models.layouts import AnchorMaps, Rows
from edge.models.shapes import STRIDES, levels, probable, relative, suppressed, table
from edge.models.yolov6 import END2END_7
from edge.types import Size

ANCHORS: Anchors = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)
P6_ANCHORS: Anchors = (  # of the models with a fourth level, YOLOv5's too
    ((19, 27), (44, 40), (38, 94)),
    ((96, 68), (86, 152), (180, 137)),
    ((140, 301), (303, 264), (238, 542)),
    ((436, 615), (739, 380), (925, 792)),
)


def recognize_rows(probe: Seen) -> Recognition | None:
    """A table with three rows for each cell, and 5 + C columns."""
    only = table(probe)
    if only is None or only[1].shape[1] < 6:
        return None
    name, rows = only
    strides = levels(probe.input, len(rows), 3, STRIDES)
    if strides is None or not (probe.chosen or probable(rows[:, 4:])):
        return None
    form, unit = ("rows", "pixels")
    if relative(rows[:, :4]):
        form, unit = ("rows-fractions", "fractions of the input")
    return Recognition(
        form,
        rows.shape[1] - 5,
        (name,),
        f"a table with three rows for each of the {len(rows) // 3} cells at strides "
        f"{', '.join(map(str, strides))}; boxes in {unit}",
        strides,
    )


def recognize_heads(probe: Seen, name: str, known: Sequence[Anchors]) -> Recognition | None:
    """Raw maps of three anchors, three or four levels of them.

    Where the first layers can be seen, they may tell the family: YOLOv5 alone begins with the
    quarters of the image or with a convolution of 6x6, and YOLOv7-tiny alone with a leaky ReLU.
    """
    own = name
    if probe.signs & {"focus", "six"}:
        own = "yolov5"
    elif "leaky" in probe.signs:
        own = "yolov7-tiny"
    if (own != name or probe.ending) and not probe.chosen:  # a detection layer is YOLOv3's
        return None
    for anchors, strides in zip(known, STRIDES, strict=False):
        head = anchor_head(probe, strides)
        if head is not None:
            return Recognition(
                "heads",
                head.classes,
                head.outputs,
                f"raw maps of three anchors and {head.classes} classes at strides "
                f"{', '.join(map(str, strides))}",
                strides,
                anchors,
            )
    return None


def recognize_end(probe: Seen) -> Recognition | None:
    """A table of what was kept, with suppression inside."""
    rows7 = suppressed(probe, END2END_7.parts[0])
    if rows7 is None or (rows7 == "outputs" and not probe.chosen):  # those would be YOLOv6's
        return None
    evidence = "a table of images, boxes, classes and scores: suppression is inside"
    return Recognition("end2end_7", None, (rows7,), evidence)


def _recognize(probe: Seen) -> Recognition | None:
    end = recognize_end(probe)
    if end is not None:
        return end
    rows = recognize_rows(probe)
    if rows is not None:
        other = rows.outputs == ("output0",) or rows.form != "rows"  # YOLOv5's exporter's
        return None if other and not probe.chosen else rows
    return recognize_heads(probe, "yolov7", (ANCHORS, P6_ANCHORS))


ROWS = Rows(lone_class="objectness")
YOLOV7 = Family(
    name="yolov7",
    layouts=MappingProxyType(
        {
            "rows": ROWS,
            "rows-fractions": replace(ROWS, unit="fractions"),
            "heads": AnchorMaps(lone_class="objectness"),
            "end2end_7": END2END_7,
        }
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Wang et al. 2022, arXiv:2207.02696",
)
