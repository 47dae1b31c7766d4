"""What is really in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.conveyor.sprite import Outline
from edge.types import Float32Array, Int32Array, Mask, Size

VISIBLE = 0.5
PIXELS = 200


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The parts of a frame, in the order in which they lie, lowest first.

    A pixel belongs to the topmost part or stray thing that covers half of it or more while the
    shutter is half open: before blur, and without shadows. Rails cover too. Every part with a
    pixel is a row; those of which too little is seen to be named are `ignored`: less than half of
    the part's outline, or fewer than 200 pixels of a view of 640 on its longer side (of another,
    as many as fill the same share).

    Attributes:
        boxes: (N, 4) float32, corners x1, y1, x2, y2 in pixels: the smallest box with all pixels
            that belong to the part; x2 and y2 are exclusive edges.
        class_ids: (N,) int32, places in `LABELS`.
        areas: (N,) int32, pixels that belong to the part.
        visibility: (N,) float32 in (0, 1]: those pixels, of the ones that it would have with
            nothing upon it and the view endless.
        ignored: (N,) bool: a detector need not find it, nor is it wrong to.
    """

    boxes: Float32Array
    class_ids: Int32Array
    areas: Int32Array
    visibility: Float32Array
    ignored: Mask

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True, slots=True)
class Placed:
    """A thing in a frame: its class (-1: no part), its outline, and where that starts."""

    class_id: int
    outline: Outline
    top: int
    left: int


def look(things: Sequence[Placed], size: Size, rail: int, unit: float) -> GroundTruth:
    """The truth of a frame.

    Args:
        things: What is in it, lowest first; they may lie outside.
        size: Of the frame.
        rail: Rows that the rails cover at the top and at the bottom.
        unit: Pixels of the frame per scene unit.
    """
    owner = np.full((size.height, size.width), -1, np.int16)
    windows = [_clip(thing, size, rail) for thing in things]
    for place, (thing, (rows, columns)) in enumerate(zip(things, windows, strict=True)):
        inside = (
            slice(rows.start - thing.top, rows.stop - thing.top),
            slice(columns.start - thing.left, columns.stop - thing.left),
        )
        owner[rows, columns][thing.outline.mask[inside]] = place

    boxes, class_ids, areas, visibility = [], [], [], []
    for place, (thing, (rows, columns)) in enumerate(zip(things, windows, strict=True)):
        own = owner[rows, columns] == place
        area = int(np.count_nonzero(own))
        if thing.class_id < 0 or area == 0:
            continue
        y, x = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
        top, left = rows.start, columns.start
        boxes.append((left + x[0], top + y[0], left + x[-1] + 1, top + y[-1] + 1))
        class_ids.append(thing.class_id)
        areas.append(area)
        visibility.append(area / thing.outline.area)
    visible = np.array(visibility, np.float32)
    pixels = np.array(areas, np.int32)
    return GroundTruth(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(class_ids, np.int32),
        pixels,
        visible,
        (visible < np.float32(VISIBLE)) | (pixels < round(PIXELS * unit * unit)),
    )


def _clip(thing: Placed, size: Size, rail: int) -> tuple[slice, slice]:
    """Rows and columns of a frame that may show it; empty where it is outside."""
    tall, wide = thing.outline.mask.shape
    top, left = max(thing.top, rail), max(thing.left, 0)
    bottom, right = min(thing.top + tall, size.height - rail), min(thing.left + wide, size.width)
    if top >= bottom or left >= right:
        return slice(thing.top, thing.top), slice(thing.left, thing.left)
    return slice(top, bottom), slice(left, right)
