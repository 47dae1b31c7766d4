"""YOLOv6 0.1 to 0.4: anchor-free, three levels (four for the P6 models).

Source: Li et al. 2022, arXiv:2209.02976, and what the official exports emit:
- "rows": one output (N, 5 + C), decoded in the graph: center x, center y, width, height in input
  pixels, objectness (exactly 1 from release 0.2 on) and class probabilities;
- "heads": per level (C + 4, H, W): class probabilities, then the distances from the cell's center
  to the left, top, right and bottom side, in cells;
- "split": the same before the last step: class logits (C, H, W) per level, then (4, H, W) per
  level; larger models have 17 bins of a distribution for each distance;
- "raw-rows": the rows of release 0.1 not decoded, as in ncnn's own examples and YOLOX's exports;
- "centers": the same of release 0.1: class logits (C, H, W) per level, then x, y, log width, log
  height in cells (4, H, W) per level, then logits of the objectness (1, H, W) per level;
- "end2end" and "end2end_7" (image, corners in pixels, class, score): suppression inside.
"""

from __future__ import annotations

from types import MappingProxyType

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Centers, Distances, EndToEnd, Rows
from edge.models.layouts.maps import RAW_ROWS
from edge.models.shapes import (
    STRIDES,
    is_decoded,
    is_one,
    levels,
    probabilities,
    probable,
    pyramid,
    suppressed,
    table,
)
from edge.types import Size

HEADS = Distances(parts=(("classes", "boxes"),), score="probability", bins=1)
END2END = {"num_dets", "det_boxes", "det_scores", "det_classes"}  # names, whatever they hold
END2END_7 = EndToEnd(parts=(("image", "boxes", "class_id", "score"),))


def recognize(probe: Seen) -> Recognition | None:
    """Three maps of C + 4 channels, a table with a row for each of their cells, or the end."""
    if probe.outputs.keys() == END2END:
        return Recognition(
            "end2end",
            None,
            ("det_boxes", "det_scores", "det_classes"),
            "outputs det_boxes, det_scores, det_classes: suppression is inside",
        )
    rows7 = suppressed(probe, END2END_7.parts[0])
    if rows7 is not None and (rows7 == "outputs" or probe.chosen):
        return Recognition(
            "end2end_7",
            None,
            (rows7,),
            "a table of images, boxes, classes and scores called outputs: suppression is inside",
        )
    heads = pyramid(probe, (8, 16, 32))
    if heads is not None and heads.channels > 4 and probabilities(probe, heads.names, -4):
        return Recognition(
            "heads",
            heads.channels - 4,
            heads.names,
            f"three maps of {heads.channels} channels at strides 8, 16, 32",
            (8, 16, 32),
        )
    only = table(probe)
    if only is None or only[1].shape[1] < 6:
        return None
    name, rows = only
    strides = levels(probe.input, len(rows), 1, STRIDES)
    one = is_one(rows[:, 4])
    certain = "image_arrays" in {probe.input_name, *probe.signs} or one
    decoded = one or is_decoded(probe, rows)
    # YOLOX has such raw rows too, and nearly always the focus that this family never has.
    perhaps = not decoded and "no focus" in probe.signs and probable(rows[:, 4:])
    if strides is None or not (certain or perhaps or probe.chosen):
        return None
    return Recognition(
        "rows" if decoded else "raw-rows",
        rows.shape[1] - 5,
        (name,),
        f"a table with a row for each of the {len(rows)} cells at strides "
        f"{', '.join(map(str, strides))}; boxes in " + ("pixels" if decoded else "cells"),
        strides,
    )


YOLOV6 = Family(
    name="yolov6",
    layouts=MappingProxyType(
        {
            "rows": Rows(),
            "heads": HEADS,
            "raw-rows": RAW_ROWS,
            "split": Distances(),
            "centers": Centers(score="logit"),
            "end2end": EndToEnd(parts=(("boxes",), ("score",), ("class_id",))),
            "end2end_7": END2END_7,
        }
    ),
    recognize=recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Li et al. 2022, arXiv:2209.02976",
)
