"""PicoDet: a distance head of four levels, whose scores and boxes are outputs of their own.

Source: Yu et al. 2021, arXiv:2111.00902, and what the exports without post-processing emit:
"split-rows", (H * W, C) class probabilities of all levels, then (H * W, 4 * 8) distributions of all
levels. Points are in the middle of cells. With post-processing they look like PP-YOLOE's.
"""

from __future__ import annotations

from edge.models.arrangements import distance_forms, distance_head, recognition
from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.types import Size

STRIDES = (8, 16, 32, 64)
BINS = (8,)


def _recognize(probe: Seen) -> Recognition | None:
    head = distance_head(probe, STRIDES, BINS)
    if head is None or not (head.form.startswith("split") or probe.chosen):  # NanoDet-Plus's
        return None
    return recognition(head, STRIDES)


PICODET = Family(
    name="picodet",
    layouts=distance_forms(),
    recognize=_recognize,
    input=Size(320, 320),
    preprocessing=Preprocessing(
        mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
        scale=(1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255)),
        placement="stretch",
    ),
    source="Yu et al. 2021, arXiv:2111.00902",
)
