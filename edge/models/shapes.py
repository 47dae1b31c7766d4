"""What the shapes of outputs say about levels and strides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from edge.errors import ModelError
from edge.models.base import Anchors, ModelSpec, Part, Seen
from edge.types import AnyArray, Float32Array, Size, Tensor

_ROUNDED = 0.005  # by so much codes of 8 bits may miss what a column holds
_REACH = 2.0  # of a box in fractions; a cell at the edge may tell of one that lies outside
Strides = tuple[tuple[int, ...], ...]
STRIDES: Strides = ((8, 16, 32), (8, 16, 32, 64))  # three levels, and the larger P6 models' four


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Outputs that are one map per level.

    Attributes:
        names: Of the outputs, finest level first.
        channels: Of every map.
    """

    names: tuple[str, ...]
    channels: int


def cells(input_size: Size, stride: int) -> Size:
    """Size of the map at a stride; a part of a cell counts as one."""
    return Size(-(-input_size.height // stride), -(-input_size.width // stride))


def points(input_size: Size, strides: Sequence[int]) -> int:
    """Number of cells over all levels."""
    maps = [cells(input_size, stride) for stride in strides]
    return sum(size.height * size.width for size in maps)


def pyramid(probe: Seen, strides: Sequence[int]) -> Pyramid | None:
    """The outputs as (channels, H, W) maps at these strides, or None when they are not."""
    sizes = [cells(probe.input, stride) for stride in strides]
    by_size = {v.shape[1:]: name for name, v in probe.outputs.items() if v.ndim == 3}
    names = [by_size.get((size.height, size.width)) for size in sizes]
    channels = {values.shape[0] for values in probe.outputs.values() if values.ndim}
    if len(probe.outputs) != len(strides) or len(channels) != 1 or None in names:
        return None
    return Pyramid(tuple(name for name in names if name is not None), channels.pop())


def table(probe: Seen) -> tuple[str, AnyArray] | None:
    """The one output, when it is a table of rows and columns; else None."""
    if len(probe.outputs) != 1:
        return None
    ((name, values),) = probe.outputs.items()
    return (name, values) if values.ndim == 2 else None


def suppressed(probe: Seen, parts: Sequence[Part], *, corners: bool = True) -> str | None:
    """The name of the one output, when its rows are what a network found that suppresses inside.

    Its columns are looked at, not counted: a table with a row for each cell may have as many.
    """
    only = table(probe)
    if only is None or not holds(only[1], parts, corners=corners):
        return None
    name, rows = only
    scores = rows[:, _places(parts)["score"]]
    cell_by_cell = any(levels(probe.input, len(rows), n, STRIDES) for n in (1, 3))
    return None if cell_by_cell and (np.diff(scores, axis=0) > 0).any() else name


def holds(rows: AnyArray, parts: Sequence[Part], *, corners: bool = True) -> bool:
    """Whether the columns of a table may be these parts of boxes that were found.

    Args:
        rows: (N, columns); what holds for each row holds where there is none.
        parts: In the order of the columns.
        corners: Boxes are x1, y1, x2, y2; otherwise center x, center y, width, height.
    """
    places = _places(parts)
    if rows.ndim != 2 or rows.shape[1] != max(at.stop for at in places.values()):
        return False
    boxes, score = rows[:, places["boxes"]], rows[:, places["score"]]
    sides = boxes[:, 2:] - boxes[:, :2] if corners else boxes[:, 2:]
    right = [
        bool((sides >= 0).all()),
        probable(score),
    ]
    if "class_id" in places:
        class_id = rows[:, places["class_id"]]
        right.append(bool(((class_id == np.rint(class_id)) & (class_id >= -1)).all()))
    if "image" in places:
        right.append(not rows[:, places["image"]].any())
    return all(right)


def _places(parts: Sequence[Part]) -> dict[Part, slice]:
    """The columns of each part."""
    places, start = {}, 0
    for part in parts:
        places[part] = slice(start, start := start + (4 if part == "boxes" else 1))
    return places


def is_one(objectness: AnyArray) -> bool:
    """Whether a column is 1 in every row: written so by an export, not computed."""
    return bool(len(objectness)) and not np.ptp(objectness) and abs(objectness[0] - 1) <= _ROUNDED


def levels(input_size: Size, rows: int, anchors: int, known: Strides) -> tuple[int, ...] | None:
    """The strides whose maps have together so many cells times anchors, or None."""
    for strides in known:
        if anchors * points(input_size, strides) == rows:
            return strides
    return None


def probabilities(probe: Seen, names: Sequence[str], last: int | None) -> bool:
    """Whether the channels up to `last` of these outputs hold probabilities."""
    return all(probable(probe.outputs[name][:last]) for name in names)


def probable(values: AnyArray) -> bool:
    """Whether values may be probabilities: none lies outside 0 to 1, but for rounding."""
    return bool(values.min(initial=0) >= -_ROUNDED and values.max(initial=0) <= 1 + _ROUNDED)


def is_decoded(probe: Seen, rows: AnyArray) -> bool:
    """Whether the centers that rows begin with lie all over the image: raw ones are in a cell."""
    side = min(probe.input.height, probe.input.width)
    return float(np.abs(rows[:, :2]).max(initial=0)) > side / 2


def relative(boxes: AnyArray) -> bool:
    """Whether boxes are in fractions of the input: in pixels, those of all cells reach far more."""
    return 0 < float(np.abs(boxes).max(initial=0)) <= _REACH


def grids(rows: Tensor, spec: ModelSpec) -> list[Tensor]:
    """The (N, channels) rows of a table as one (channels, H, W) view for each level."""
    views, start = [], 0
    for stride in spec.strides:
        size = cells(spec.input, stride)
        end = start + size.height * size.width
        planes = rows.values[start:end].T
        views.append(replace(rows, values=planes.reshape(-1, size.height, size.width)))
        start = end
    if start != len(rows.values):
        raise ModelError(f"an output has {len(rows.values)} rows, the strides call for {start}")
    return views


def columns(output: Tensor, first: int | None, last: int | None) -> Tensor:
    """A view of some of the columns of an (N, columns) output."""
    return replace(output, values=output.values[:, first:last])


def unbatched(output: Tensor, axes: int) -> Tensor:
    """The output with so many axes: without leading axes of 1, which are the batch.

    Raises:
        ModelError: It has another number of axes.
    """
    values = output.values
    while values.ndim > axes and values.shape[0] == 1:
        values = values[0]
    if values.ndim != axes:
        raise ModelError(f"an output has the shape {output.values.shape}, {axes} axes are wanted")
    return replace(output, values=values)


def expect_channels(what: str, value: int, expected: int) -> None:
    """Check that an output has as many columns or channels as the labels call for.

    Raises:
        ModelError: It has not.
    """
    if value != expected:
        raise ModelError(f"an output has {value} {what}; the model's labels call for {expected}")


@lru_cache(maxsize=8)
def prior_boxes(input_size: Size, strides: tuple[int, ...], anchors: Anchors) -> Float32Array:
    """(N, 4) center x, center y, width, height in input pixels, by level, cell, anchor."""
    parts = [np.empty((0, 4), np.float32)]
    for stride, sizes in zip(strides, anchors, strict=True):
        size = cells(input_size, stride)
        y, x = np.mgrid[: size.height, : size.width]
        centers = (np.stack([x, y], axis=-1).reshape(-1, 1, 2) + 0.5) * stride
        wide = np.asarray(sizes, np.float32).reshape(1, -1, 2)
        shape = (len(centers), wide.shape[1])
        boxes = np.empty((*shape, 4), np.float32)
        boxes[..., :2], boxes[..., 2:] = centers, wide
        parts.append(boxes.reshape(-1, 4))
    return np.ascontiguousarray(np.concatenate(parts))
