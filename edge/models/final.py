"""Outputs of exports with suppression inside: the last word of the network, in several layouts.

Every decoder here leaves out the padding; see `edge.models.base.Decode` for the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from edge import ops
from edge.models.base import ModelSpec, Seen
from edge.models.shapes import columns, in_pixels, table, unbatched
from edge.types import Candidates, Tensor

MOST_ROWS = 1000  # what exports keep at most is 300


def decode_rows6(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """One (N, 6): x1, y1, x2, y2 in input pixels, score, class."""
    del spec, multi_label
    rows = unbatched(outputs[0], 2)
    return ops.decode_final(
        columns(rows, 0, 4), _column(rows, 4), rows.values[:, 5], score_threshold=score_threshold
    )


def decode_centred_rows6(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """One (N, 6): centre x, centre y, width, height in fractions of the input, score, class."""
    del multi_label
    rows = unbatched(outputs[0], 2)
    return ops.decode_final(
        columns(rows, 0, 4),
        _column(rows, 4),
        rows.values[:, 5],
        score_threshold=score_threshold,
        corners=False,
        scale=in_pixels(spec),
    )


def decode_rows7(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """One (K, 7): number in the batch, x1, y1, x2, y2 in input pixels, class, score."""
    del spec, multi_label
    rows = unbatched(outputs[0], 2)
    return ops.decode_final(
        columns(rows, 1, 5), _column(rows, 6), rows.values[:, 5], score_threshold=score_threshold
    )


def decode_class_first(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """The first output (K, 6): class, score, x1, y1, x2, y2 in input pixels."""
    del spec, multi_label
    rows = unbatched(outputs[0], 2)
    return ops.decode_final(
        columns(rows, 2, 6), _column(rows, 1), rows.values[:, 0], score_threshold=score_threshold
    )


def decode_columns(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Boxes (N, 4) x1, y1, x2, y2 in input pixels, scores (N,), classes (N,)."""
    del spec, multi_label
    boxes, scores, class_ids = outputs
    return ops.decode_final(
        unbatched(boxes, 2),
        unbatched(scores, 1),
        unbatched(class_ids, 1).values,
        score_threshold=score_threshold,
    )


def small_table(seen: Seen, width: int) -> str | None:
    """The name of the one output, when it is a table of so many columns and few rows."""
    found = table(seen)
    if found is None:
        return None
    name, rows = found
    return name if rows.shape[1] == width and len(rows) <= MOST_ROWS else None


def _column(rows: Tensor, index: int) -> Tensor:
    return replace(rows, values=rows.values[:, index])
