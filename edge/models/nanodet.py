"""NanoDet-Plus, and NanoDet of the 0.x releases.

Source: what the official exports emit, with class probabilities and a distribution for each
distance to the left, top, right and bottom side, in cells:
- "rows": one output (N, C + 4 * bins);
- "split-rows": (H * W, C) of all levels, then (H * W, 4 * bins) of all levels.
The last convolutions give class logits and distributions: "maps", (C + 4 * bins, H, W)
per level; "split", where they are two, as YOLOv6's. Other converters arrange the same otherwise,
stop before the sigmoid or go on to the mean of the distributions: see `arrangements`.
NanoDet-Plus has four levels and its points at the corners of cells, the older models have three
and their points in the middle. No file tells the points.
"""

from __future__ import annotations

from dataclasses import replace

from edge.models.arrangements import distance_forms, distance_head, recognition
from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.types import Size

PLUS_STRIDES = (8, 16, 32, 64)
OLD_STRIDES = (8, 16, 32)
BINS = (8, 11)  # of the small models, and of the larger old ones


def _recognize_plus(probe: Seen) -> Recognition | None:
    head = distance_head(probe, PLUS_STRIDES, BINS)
    if head is None or (head.form.startswith("split") and not probe.chosen):  # those are PicoDet's
        return None
    return recognition(head, PLUS_STRIDES, note="; points at the corners of cells, as usual")


def _recognize_old(probe: Seen) -> Recognition | None:
    head = distance_head(probe, OLD_STRIDES, (*BINS, 1))
    if head is None or (head.bins == 1 and not head.form.startswith("split-rows")):
        return None
    return recognition(head, OLD_STRIDES, note="; points in the middle of cells, as usual")


_BGR = Preprocessing(
    "BGR",
    mean=(103.53, 116.28, 123.675),
    scale=(1 / 57.375, 1 / 57.12, 1 / 58.395),
    pad=(0, 0, 0),
)
NANODET_PLUS = Family(
    name="nanodet-plus",
    layouts=distance_forms(offset=0.0),
    recognize=_recognize_plus,
    input=Size(320, 320),
    preprocessing=replace(_BGR, placement="stretch"),
    source="NanoDet-Plus 1.0 and its exports",
)
NANODET = Family(
    name="nanodet",
    layouts=distance_forms(),
    recognize=_recognize_old,
    input=Size(320, 320),
    preprocessing=_BGR,
    source="NanoDet 0.4 and its exports; Li et al. 2020, arXiv:2006.04388",
)
