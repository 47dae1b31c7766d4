"""YOLOv7, and what it shares with YOLOv7-tiny and YOLOv5: three anchors in each cell.

Source: Wang et al. 2022, arXiv:2207.02696, and what the official exports emit:
- "rows": one output (3N, 5 + C), decoded in the graph (`--grid`): centre x, centre y, width,
  height in input pixels, objectness and class probabilities;
- "heads": the raw maps, per level (3, H, W, 5 + C) as exported, or (3 * (5 + C), H, W) as the
  last convolution leaves them;
- "rows7": suppression inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from edge import ops
from edge.models import final
from edge.models.base import Anchors, Family, Form, ModelSpec, Preprocessing, Recognition, Seen
from edge.models.final import small_table
from edge.models.shapes import (
    STRIDES,
    cells,
    columns,
    expect_channels,
    levels,
    probabilities,
    pyramid,
    table,
    unbatched,
)
from edge.types import Candidates, Size, Tensor

ANCHORS: Anchors = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)
P6_ANCHORS: Anchors = (  # of the models with a fourth level, YOLOv5's too
    ((19, 27), (44, 40), (38, 94)),
    ((96, 68), (86, 152), (180, 137)),
    ((140, 301), (303, 264), (238, 542)),
    ((436, 615), (739, 380), (925, 792)),
)


def decode_rows(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "rows"; see `edge.models.base.Decode`.

    The score of a model with a single class is its objectness: it was trained so.
    """
    rows = unbatched(outputs[0], 2)
    expect_channels("columns", rows.values.shape[1], 5 + len(spec.labels))
    alone = len(spec.labels) == 1
    return ops.decode_rows(
        columns(rows, 0, 5) if alone else rows,
        objectness=not alone,
        score_threshold=score_threshold,
        multi_label=multi_label,
    )


def decode_heads(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "heads"; see `edge.models.base.Decode`. For a single class see `decode_rows`."""
    alone = len(spec.labels) == 1
    heads = by_anchor(outputs, spec)
    if alone:
        heads = [replace(head, values=head.values[:, :5]) for head in heads]
    return ops.decode_anchors(
        heads,
        anchors=spec.anchors,
        strides=spec.strides,
        objectness=not alone,
        score_threshold=score_threshold,
        multi_label=multi_label,
    )


def by_anchor(outputs: Sequence[Tensor], spec: ModelSpec) -> list[Tensor]:
    """Raw maps of either layout as (A, 5 + C, H, W) views.

    Raises:
        ModelError: They have another number of channels than the labels call for.
    """
    heads = []
    for output, anchors in zip(outputs, spec.anchors, strict=True):
        if output.values.ndim == 5 or (output.values.ndim == 4 and output.values.shape[0] != 1):
            values = unbatched(output, 4).values.transpose(0, 3, 1, 2)
        else:
            maps = unbatched(output, 3).values
            values = maps.reshape(len(anchors), -1, *maps.shape[1:])
        expect_channels("channels of an anchor", values.shape[1], 5 + len(spec.labels))
        heads.append(replace(output, values=values))
    return heads


def recognise_rows(seen: Seen) -> Recognition | None:
    """A table with three rows for each cell, and 5 + C columns."""
    found = table(seen)
    if found is None or found[1].shape[1] < 6:
        return None
    name, rows = found
    strides = levels(seen.input, len(rows), 3, STRIDES)
    if strides is None:
        return None
    return Recognition(
        "rows",
        rows.shape[1] - 5,
        (name,),
        f"a table with three rows for each of the {len(rows) // 3} cells at strides "
        f"{', '.join(map(str, strides))}",
        strides,
    )


def recognise_heads(seen: Seen, known: Sequence[Anchors]) -> Recognition | None:
    """Raw maps of three anchors, three or four levels of them."""
    for anchors, strides in zip(known, STRIDES, strict=False):
        found = _maps(seen, strides)
        if found is not None:
            names, classes = found
            return Recognition(
                "heads",
                classes,
                names,
                f"raw maps of three anchors and {classes} classes at strides "
                f"{', '.join(map(str, strides))}; the anchors are the family's",
                strides,
                anchors,
            )
    return None


def _maps(seen: Seen, strides: Sequence[int]) -> tuple[tuple[str, ...], int] | None:
    heads = pyramid(seen, strides)
    if heads is not None:  # as the convolution leaves them: logits, of both signs
        classes = heads.channels // 3 - 5
        raw = not probabilities(seen, heads.names, -4)  # those would be YOLOv6's
        return (heads.names, classes) if raw and heads.channels % 3 == 0 < classes else None
    by_size = {v.shape[1:3]: n for n, v in seen.outputs.items() if v.ndim == 4 and len(v) == 3}
    sizes = [cells(seen.input, stride) for stride in strides]
    names = [by_size.get((size.height, size.width)) for size in sizes]
    widths = {values.shape[-1] for values in seen.outputs.values() if values.ndim}
    if len(seen.outputs) != len(strides) or None in names or len(widths) != 1:
        return None
    classes = widths.pop() - 5
    return (tuple(name for name in names if name), classes) if classes > 0 else None


def _recognise(seen: Seen) -> Recognition | None:
    rows7 = small_table(seen, 7)
    if rows7 is not None and (rows7 != "outputs" or seen.chosen):
        return Recognition("rows7", None, (rows7,), "a table of 7 columns: suppression is inside")
    found = recognise_rows(seen)
    if found is not None:
        return found if found.outputs != ("output0",) or seen.chosen else None
    return recognise_heads(seen, (ANCHORS, P6_ANCHORS))


YOLOV7 = Family(
    name="yolov7",
    forms=MappingProxyType(
        {
            "rows": Form(decode_rows),
            "heads": Form(decode_heads, per_level=True, anchored=True),
            "rows7": Form(final.decode_rows7, suppress=False),
        }
    ),
    recognise=_recognise,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Wang et al. 2022, arXiv:2207.02696",
)
