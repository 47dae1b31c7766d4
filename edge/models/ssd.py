"""SSD: boxes as offsets from prior boxes, of which every cell has its own set.

Source: Liu et al. 2016, arXiv:1512.02325. "priors": scores (N, C + 1), whose first is the
background, as logits, and offsets (N, 4); N counts levels, cells, then the priors of a cell. The
priors are the anchors of the model: their sizes by level, centred in every cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from edge import ops
from edge.errors import ModelError
from edge.models import detr
from edge.models.base import Anchors, Family, Form, ModelSpec, Preprocessing, Recognition, Seen
from edge.models.shapes import cells, expect_channels, unbatched
from edge.types import Candidates, Float32Array, Size, Tensor


def decode(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "priors"; see `edge.models.base.Decode`."""
    logits, offsets = (unbatched(output, 2) for output in outputs)
    expect_channels("columns of scores", logits.values.shape[1], len(spec.labels) + 1)
    priors = prior_boxes(spec.input, spec.strides, spec.anchors)
    if len(priors) != len(offsets.values):
        raise ModelError(
            f"an output has {len(offsets.values)} boxes, strides and anchors give {len(priors)}"
        )
    return ops.decode_boxes(
        logits,
        offsets,
        activation="softmax",
        background="first",
        priors=priors,
        score_threshold=score_threshold,
        multi_label=multi_label,
    )


@lru_cache(maxsize=8)
def prior_boxes(input_size: Size, strides: tuple[int, ...], anchors: Anchors) -> Float32Array:
    """(N, 4) centre x, centre y, width, height in input pixels, by level, cell, anchor."""
    parts = [np.empty((0, 4), np.float32)]
    for stride, sizes in zip(strides, anchors, strict=True):
        size = cells(input_size, stride)
        y, x = np.mgrid[: size.height, : size.width]
        centres = (np.stack([x, y], axis=-1).reshape(-1, 1, 2) + 0.5) * stride
        wide = np.asarray(sizes, np.float32).reshape(1, -1, 2)
        shape = (len(centres), wide.shape[1])
        boxes = np.empty((*shape, 4), np.float32)
        boxes[..., :2], boxes[..., 2:] = centres, wide
        parts.append(boxes.reshape(-1, 4))
    return np.ascontiguousarray(np.concatenate(parts))


def _recognise(seen: Seen) -> Recognition | None:
    """Never by itself: priors cannot be seen. A package says what they are."""
    names = detr.pair(seen)
    if names is None or not seen.chosen:
        return None
    width = seen.outputs[names[0]].shape[1]
    evidence = "scores and offsets; strides and anchors must be given in the package"
    return Recognition("priors", width - 1, names, evidence)


SSD = Family(
    name="ssd",
    forms=MappingProxyType({"priors": Form(decode, outputs=(2,), anchored=True)}),
    recognise=_recognise,
    input=Size(300, 300),
    preprocessing=Preprocessing(
        mean=(127.5, 127.5, 127.5), scale=(1 / 127.5, 1 / 127.5, 1 / 127.5), placement="stretch"
    ),
    source="Liu et al. 2016, arXiv:1512.02325",
)
