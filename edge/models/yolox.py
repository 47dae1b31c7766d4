"""YOLOX: anchor-free, with objectness; images as they are, at the top left.

Source: Ge et al. 2021, arXiv:2107.08430, and what the official exports emit, one output
(N, 5 + C) with probabilities: "raw-rows" with x, y, log width, log height in cells (the default);
"rows" decoded to input pixels. "centers" is what the last convolutions give, as in YOLOv6 0.1.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Centers, Rows
from edge.models.shapes import STRIDES, is_one, levels, probable, table
from edge.types import Size


def _recognize(probe: Seen) -> Recognition | None:
    """A table with a row for each cell whose objectness is not 1 throughout."""
    only = table(probe)
    if only is None or only[1].shape[1] < 6:
        return None
    name, rows = only
    strides = levels(probe.input, len(rows), 1, STRIDES[:1])
    scores = rows[:, 4:]
    other = probe.input_name == "image_arrays" or is_one(scores[:, 0]) or not probable(scores)
    if strides is None or (other and not probe.chosen):
        return None
    # Decoded centers lie all over the image, raw ones inside their cells.
    decoded = float(np.abs(rows[:, :2]).max()) > min(probe.input.height, probe.input.width) / 2
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
            "raw-rows": Centers(
                parts=(("boxes", "objectness", "classes"),), rows=True, per_level=False
            ),
            "centers": Centers(score="logit"),
        }
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing("BGR", scale=(1.0, 1.0, 1.0), placement="top-left"),
    source="Ge et al. 2021, arXiv:2107.08430",
)
