"""YOLOX: anchor-free, with objectness; images as they are, at the top left.

Source: Ge et al. 2021, arXiv:2107.08430, and what the official exports emit, one output
(N, 5 + C) with probabilities: "raw-rows" with x, y, log width, log height in cells (the default);
"rows" decoded to input pixels. "centers" is what the last convolutions give, as in YOLOv6 0.1.
"""

from __future__ import annotations

from types import MappingProxyType

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Centers, Rows
from edge.models.layouts.maps import RAW_ROWS
from edge.models.shapes import STRIDES, is_decoded, is_one, levels, probable, table
from edge.types import Size


def _recognize(probe: Seen) -> Recognition | None:
    """A table with a row for each cell whose objectness is not 1 throughout."""
    only = table(probe)
    if only is None or only[1].shape[1] < 6:
        return None
    name, rows = only
    strides = levels(probe.input, len(rows), 1, STRIDES[:1])
    scores = rows[:, 4:]
    names = {probe.input_name, *probe.signs}
    other = "image_arrays" in names or is_one(scores[:, 0]) or not probable(scores)
    if strides is None or (other and not probe.chosen):
        return None
    decoded = is_decoded(probe, rows)
    return Recognition(
        "rows" if decoded else "raw-rows",
        rows.shape[1] - 5,
        (name,),
        f"a table with a row for each of the {len(rows)} cells at strides "
        f"{', '.join(map(str, strides))}; boxes in " + ("pixels" if decoded else "cells"),
        strides,
    )


YOLOX = Family(
    name="yolox",
    layouts=MappingProxyType(
        {
            "rows": Rows(),
            "raw-rows": RAW_ROWS,
            "centers": Centers(score="logit"),
        }
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing("BGR", scale=(1.0, 1.0, 1.0), placement="top-left"),
    source="Ge et al. 2021, arXiv:2107.08430",
)
