"""YOLOv6 0.1 to 0.4: anchor-free, three levels (four for the P6 models).

Source: Li et al. 2022, arXiv:2209.02976, and what the official exports emit:
- "rows": one output (N, 5 + C), decoded in the graph: centre x, centre y, width, height in input
  pixels, objectness (exactly 1 from release 0.2 on) and class probabilities;
- "heads": per level (C + 4, H, W): class probabilities, then the distances from the cell's centre
  to the left, top, right and bottom side, in cells;
- "split": the same before the last step: class logits (C, H, W) per level, then (4, H, W) per
  level; larger models have 17 bins of a distribution for each distance;
- "centres": the same of release 0.1: class logits (C, H, W) per level, then x, y, log width, log
  height in cells (4, H, W) per level, then logits of the objectness (1, H, W) per level;
- "final" and "rows7": suppression inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from edge import ops
from edge.models import final
from edge.models.base import Family, Form, ModelSpec, Preprocessing, Recognition, Seen
from edge.models.final import small_table
from edge.models.shapes import (
    STRIDES,
    expect_channels,
    levels,
    probabilities,
    pyramid,
    table,
    unbatched,
)
from edge.types import Candidates, Size, Tensor


def decode_rows(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "rows"; see `edge.models.base.Decode`."""
    rows = unbatched(outputs[0], 2)
    expect_channels("columns", rows.values.shape[-1], 5 + len(spec.labels))
    return ops.decode_rows(
        rows, objectness=True, score_threshold=score_threshold, multi_label=multi_label
    )


def decode_heads(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "heads"; see `edge.models.base.Decode`."""
    heads = [unbatched(output, 3) for output in outputs]
    for head in heads:
        expect_channels("channels", head.values.shape[0], 4 + len(spec.labels))
    return ops.decode_distances(
        heads, strides=spec.strides, score_threshold=score_threshold, multi_label=multi_label
    )


def decode_split(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "split"; see `edge.models.base.Decode`."""
    heads = [unbatched(output, 3) for output in outputs]
    scores, boxes = heads[: len(heads) // 2], heads[len(heads) // 2 :]
    for head in scores:
        expect_channels("channels of class scores", head.values.shape[0], len(spec.labels))
    return ops.decode_distances(
        scores,
        boxes=boxes,
        strides=spec.strides,
        bins=boxes[0].values.shape[0] // 4,
        logits=True,
        score_threshold=score_threshold,
        multi_label=multi_label,
    )


def decode_centres(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "centres"; see `edge.models.base.Decode`."""
    heads = [unbatched(output, 3) for output in outputs]
    count = len(spec.strides)
    for head in heads[:count]:
        expect_channels("channels of class scores", head.values.shape[0], len(spec.labels))
    return ops.decode_centres(
        heads[:count],
        boxes=heads[count : 2 * count],
        objects=heads[2 * count :],
        strides=spec.strides,
        logits=True,
        score_threshold=score_threshold,
        multi_label=multi_label,
    )


def recognise(seen: Seen) -> Recognition | None:
    """Three maps of C + 4 channels, a table with a row for each of their cells, or the end."""
    if {"num_dets", "det_boxes", "det_scores", "det_classes"} == seen.outputs.keys():
        return Recognition(
            "final",
            None,
            ("det_boxes", "det_scores", "det_classes"),
            "outputs det_boxes, det_scores, det_classes: suppression is inside",
        )
    rows7 = small_table(seen, 7)
    if rows7 is not None and (rows7 == "outputs" or seen.chosen):
        return Recognition(
            "rows7", None, (rows7,), "a table of 7 columns called outputs: suppression is inside"
        )
    heads = pyramid(seen, (8, 16, 32))
    if heads is not None and heads.channels > 4 and probabilities(seen, heads.names, -4):
        return Recognition(
            "heads",
            heads.channels - 4,
            heads.names,
            f"three maps of {heads.channels} channels at strides 8, 16, 32",
            (8, 16, 32),
        )
    found = table(seen)
    if found is None or found[1].shape[1] < 6:
        return None
    name, rows = found
    strides = levels(seen.input, len(rows), 1, STRIDES)
    certain = seen.input_name == "image_arrays" or (rows[:, 4] == 1).all()
    if strides is None or not (certain or seen.chosen):
        return None
    return Recognition(
        "rows",
        rows.shape[1] - 5,
        (name,),
        f"a table with a row for each of the {len(rows)} cells at strides "
        f"{', '.join(map(str, strides))}, whose objectness is 1 or whose input is image_arrays",
        strides,
    )


YOLOV6 = Family(
    name="yolov6",
    forms=MappingProxyType(
        {
            "rows": Form(decode_rows),
            "heads": Form(decode_heads, per_level=True),
            "split": Form(decode_split, outputs=(2,), per_level=True),
            "centres": Form(decode_centres, outputs=(3,), per_level=True),
            "final": Form(final.decode_columns, suppress=False, outputs=(3,)),
            "rows7": Form(final.decode_rows7, suppress=False),
        }
    ),
    recognise=recognise,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Li et al. 2022, arXiv:2209.02976",
)
