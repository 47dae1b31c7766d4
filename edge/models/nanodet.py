"""NanoDet-Plus, and NanoDet of the 0.x releases.

Source: what the official exports emit, with class probabilities and a distribution for each
distance to the left, top, right and bottom side, in cells:
- "rows": one output (N, C + 4 * bins);
- "split-rows": (H * W, C) of all levels, then (H * W, 4 * bins) of all levels.
The last convolutions give class logits and distributions: "maps", (C + 4 * bins, H, W)
per level; "split", where they are two, as YOLOv6's.
NanoDet-Plus has four levels and its points at the corners of cells, the older models have three
and their points in the middle.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Distances
from edge.models.shapes import points, table
from edge.types import Size

PLUS_STRIDES = (8, 16, 32, 64)
OLD_STRIDES = (8, 16, 32)
BINS = (8, 11)  # of the small models, and of the larger old ones


def _recognize_rows(probe: Seen, strides: tuple[int, ...]) -> Recognition | None:
    only = table(probe)
    if only is None or len(only[1]) != points(probe.input, strides):
        return None
    name, rows = only
    # Probabilities come first and the distributions' logits last, of both signs.
    for bins in BINS:
        classes = rows.shape[1] - 4 * bins
        if classes < 1 or rows[:, :classes].min() < 0 or rows[:, :classes].max() > 1:
            continue
        if rows[:, classes:].min() < 0 and (bins == BINS[0] or rows[:, classes].min() < 0):
            return Recognition(
                "rows",
                classes,
                (name,),
                f"a table with a row for each of the {len(rows)} cells: {classes} probabilities "
                f"and distributions of {bins} bins",
                strides,
            )
    return None


def _recognize_plus(probe: Seen) -> Recognition | None:
    return _recognize_rows(probe, PLUS_STRIDES)


def _recognize_old(probe: Seen) -> Recognition | None:
    scores = tuple(f"cls_pred_stride_{stride}" for stride in OLD_STRIDES)
    boxes = tuple(f"dis_pred_stride_{stride}" for stride in OLD_STRIDES)
    if probe.outputs.keys() == {*scores, *boxes}:
        classes = probe.outputs[scores[0]].shape[-1]
        names = scores + boxes
        return Recognition("split-rows", classes, names, "outputs named by stride", OLD_STRIDES)
    return _recognize_rows(probe, OLD_STRIDES)


_BGR = Preprocessing(
    "BGR",
    mean=(103.53, 116.28, 123.675),
    scale=(1 / 57.375, 1 / 57.12, 1 / 58.395),
    pad=(0, 0, 0),
)
_MAPS = Distances(parts=(("classes", "boxes"),))
_ROWS = replace(_MAPS, score="probability", rows=True, per_level=False)
NANODET_PLUS = Family(
    name="nanodet-plus",
    layouts=MappingProxyType(
        {
            "rows": replace(_ROWS, offset=0.0),
            "maps": replace(_MAPS, offset=0.0),
        }
    ),
    recognize=_recognize_plus,
    input=Size(320, 320),
    preprocessing=replace(_BGR, placement="stretch"),
    source="NanoDet-Plus 1.0 and its exports",
)
NANODET = Family(
    name="nanodet",
    layouts=MappingProxyType(
        {
            "rows": _ROWS,
            "split-rows": Distances(score="probability", rows=True),
            "maps": _MAPS,
            "split": Distances(),
        }
    ),
    recognize=_recognize_old,
    input=Size(320, 320),
    preprocessing=_BGR,
    source="NanoDet 0.4 and its exports; Li et al. 2020, arXiv:2006.04388",
)
