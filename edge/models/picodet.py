"""PicoDet: a distance head of four levels, whose scores and boxes are outputs of their own.

Source: Yu et al. 2021, arXiv:2111.00902, and what the exports without post-processing emit:
"split-rows", (H * W, C) class probabilities of all levels, then (H * W, 4 * 8) distributions of all
levels. Points are in the middle of cells. "boxes-scores": decoded, without suppression: corners
(N, 4) in pixels and class probabilities (C, N), as PP-YOLOE's, but of four levels. With suppression
inside nothing tells PicoDet from PP-YOLOE.
"""

from __future__ import annotations

from types import MappingProxyType

from edge.models.arrangements import distance_forms, distance_head, recognition
from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import BoxesScores
from edge.models.shapes import points, probable
from edge.types import Size

STRIDES = (8, 16, 32, 64)
BINS = (8,)


def _recognize(probe: Seen) -> Recognition | None:
    if (decoded := _decoded(probe)) is not None:
        return decoded
    head = distance_head(probe, STRIDES, BINS)
    if head is None or not (head.form.startswith("split") or probe.chosen):  # NanoDet-Plus's
        return None
    return recognition(head, STRIDES)


def _decoded(probe: Seen) -> Recognition | None:
    tables = {name: values for name, values in probe.outputs.items() if values.ndim == 2}
    boxes = [name for name, values in tables.items() if values.shape[1] == 4]
    planes = [name for name in tables if name not in boxes]
    if len(probe.outputs) != 2 or len(boxes) != 1 or len(planes) != 1:
        return None
    count, scores = len(tables[boxes[0]]), tables[planes[0]]
    if count != points(probe.input, STRIDES) or scores.shape[1] != count or not probable(scores):
        return None
    evidence = f"{count} boxes of four levels, and {len(scores)} planes of probabilities"
    return Recognition("boxes-scores", len(scores), (boxes[0], planes[0]), evidence, STRIDES)


PICODET = Family(
    name="picodet",
    layouts=MappingProxyType(
        {
            **distance_forms(),
            "boxes-scores": BoxesScores(
                parts=(("boxes",), ("classes",)), planar=True, corners=True
            ),
        }
    ),
    recognize=_recognize,
    input=Size(320, 320),
    preprocessing=Preprocessing(
        mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
        scale=(1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255)),
        placement="stretch",
    ),
    source="Yu et al. 2021, arXiv:2111.00902",
)
