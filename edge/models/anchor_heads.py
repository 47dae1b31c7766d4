"""Heads with anchors among outputs: raw maps of some boxes in each cell, however they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from edge.errors import ModelError
from edge.models.arrangements import quiet
from edge.models.base import Seen
from edge.models.coco import LABELS
from edge.models.layouts.maps import by_anchor
from edge.models.shapes import STRIDES, cells, points
from edge.types import AnyArray, Size

_LARGEST = 200  # of raw numbers


@dataclass(frozen=True, slots=True)
class AnchorHead:
    """Raw maps: x, y, width, height, objectness and class scores of each anchor.

    Attributes:
        outputs: Names, finest level first.
        classes: How many.
        strides: Of the levels.
        sure: Values or shapes say so; otherwise 80 classes do, or the user.
        apart: Anchors have an axis of their own, as in exports of YOLOv5 and YOLOv7.
    """

    outputs: tuple[str, ...]
    classes: int
    strides: tuple[int, ...]
    sure: bool
    apart: bool


def anchor_head(probe: Seen, strides: Sequence[int], count: int = 3) -> AnchorHead | None:
    """What head with anchors the outputs are, or None.

    Args:
        probe: What the model shows.
        strides: Of its levels.
        count: Of the anchors of a level.
    """
    sizes = [cells(probe.input, stride) for stride in strides]
    names: dict[int, str] = {}
    widths, exact, parts = set(), [], []
    for name, values in probe.outputs.items():
        for level, size in enumerate(sizes):
            head = _by_anchor(values, size, count)
            if head is not None:
                names[level] = name
                widths.add(head.shape[1])
                exact.append(count in values.shape)  # anchors have an axis of their own
                parts.append(head.reshape(*head.shape[:2], -1))
                break
        else:
            return None
    if len(probe.outputs) != len(sizes) or len(names) != len(sizes) or len(widths) != 1:
        return None
    classes = widths.pop() - 5
    raw = np.concatenate(parts, axis=2)
    apart = all(exact)
    if np.abs(raw).max() > _LARGEST or raw.min() >= 0 or not (probe.chosen or _is_raw(raw)):
        return None
    sure = apart or all(quiet(one[4:5]) and quiet(one[5:]) for one in raw)
    if not (sure or probe.chosen or classes == len(LABELS)):
        return None
    ordered = tuple(names[level] for level in range(len(sizes)))
    return AnchorHead(ordered, classes, tuple(strides), sure, apart)


def _by_anchor(values: AnyArray, size: Size, count: int) -> AnyArray | None:
    """As (anchors, channels, H, W), where a map of this size can be that."""
    for axis in (-1, 0):  # where the channels are, if there are more of them than cells
        width = values.shape[axis] if values.ndim else 0
        channels = width if count in values.shape[:-1] and axis == -1 else width // count
        if channels > 5:
            try:
                return by_anchor(values, size, count, channels)
            except ModelError:
                continue
    return None


def _is_raw(values: AnyArray) -> bool:
    """Whether each anchor's scores are logits: those of YOLOv6's heads are probabilities."""
    return bool((values[:, 5:].min(axis=(1, 2)) < 0).all())


def without_raw_maps(probe: Seen) -> Seen:
    """The same without outputs that hold, undecoded, what a table among them holds decoded.

    Exports that were not told to leave them out have the maps of each level behind the table.
    """
    tables = [name for name, values in probe.outputs.items() if values.ndim == 2]
    others = {n: v for n, v in probe.outputs.items() if n not in tables}
    if len(tables) != 1:
        return probe
    shape = probe.outputs[tables[0]].shape
    for strides in (*STRIDES, (4, 8, 16, 32)):
        sizes = [cells(probe.input, stride) for stride in strides]
        rows = points(probe.input, strides)
        levels = sorted(
            level
            for values in others.values()
            for level, size in enumerate(sizes)
            if (size.height, size.width) in pairwise(values.shape)
        )
        if levels == list(range(len(sizes))) and not {rows, 3 * rows}.isdisjoint(shape):
            table = {tables[0]: probe.outputs[tables[0]]}
            return replace(probe, outputs=table, left_out=tuple(others))
    return probe
