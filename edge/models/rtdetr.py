"""RT-DETR: a set of boxes with a sigmoid for each class; no suppression.

Source: Zhao et al. 2023, arXiv:2304.08069, and what exports emit:
- "final": labels, boxes and scores of the official export, boxes as corners in pixels;
- "set": logits (N, C) and boxes (N, 4) of centre x, centre y, width, height in fractions;
- "rows": one output (N, 4 + C) of such boxes and class probabilities;
- "rows6": one output (N, 6) of such boxes, score, class;
- "class-first": (N, 6) of class, score, corners in pixels, and a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from edge import ops
from edge.models import detr, final
from edge.models.base import Family, Form, ModelSpec, Preprocessing, Recognition, Seen
from edge.models.shapes import columns, expect_channels, in_pixels, table, unbatched
from edge.types import Candidates, Size, Tensor

MOST = 300


def decode_set(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "set": the best over all boxes and classes; see `edge.models.base.Decode`."""
    del multi_label  # always, as the network was trained
    logits, boxes = (unbatched(output, 2) for output in outputs)
    expect_channels("columns of logits", logits.values.shape[1], len(spec.labels))
    return ops.decode_boxes(
        logits,
        boxes,
        activation="sigmoid",
        scale=in_pixels(spec),
        score_threshold=score_threshold,
        multi_label=True,
        most=MOST,
    )


def decode_rows(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "rows"; see `edge.models.base.Decode`."""
    rows = unbatched(outputs[0], 2)
    expect_channels("columns", rows.values.shape[1], 4 + len(spec.labels))
    return ops.decode_boxes(
        columns(rows, 4, None),
        columns(rows, 0, 4),
        scale=in_pixels(spec),
        score_threshold=score_threshold,
        multi_label=multi_label,
        most=MOST,
    )


def _recognise(seen: Seen) -> Recognition | None:
    if seen.outputs.keys() == {"labels", "boxes", "scores"}:
        names = ("boxes", "scores", "labels")
        return Recognition("final", None, names, "outputs labels, boxes and scores")
    names6 = final.small_table(seen, 6)
    if names6 is not None:
        largest = float(np.abs(seen.outputs[names6][:, :4]).max(initial=0))
        relative = 0 < largest <= 2
        evidence = "a table of 6 columns with boxes in fractions of the input"
        return Recognition("rows6", None, (names6,), evidence) if relative else None
    found = table(seen)
    if found is not None and len(found[1]) == MOST and found[1].shape[1] > 4:
        name, rows = found
        evidence = f"a table of {MOST} rows with boxes in fractions of the input"
        relative = float(np.abs(rows).max()) <= 2
        return Recognition("rows", rows.shape[1] - 4, (name,), evidence) if relative else None
    pair = detr.pair(seen)
    if pair is not None:
        count, width = seen.outputs[pair[0]].shape
        if width not in detr.OFFICIAL and (count == MOST or seen.chosen):
            return Recognition("set", width, pair, f"{count} boxes with {width} logits")
    return None


RTDETR = Family(
    name="rtdetr",
    forms=MappingProxyType(
        {
            "final": Form(final.decode_columns, suppress=False, outputs=(3,)),
            "set": Form(decode_set, suppress=False, outputs=(2,)),
            "rows": Form(decode_rows, suppress=False),
            "rows6": Form(final.decode_centred_rows6, suppress=False),
            "class-first": Form(final.decode_class_first, suppress=False),
        }
    ),
    recognise=_recognise,
    input=Size(640, 640),
    preprocessing=Preprocessing(placement="stretch"),
    source="Zhao et al. 2023, arXiv:2304.08069",
)
