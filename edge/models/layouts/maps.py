"""Layouts whose outputs are maps, of a cell of the image in each place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from edge import ops
from edge.errors import ModelError
from edge.models.base import ModelSpec, OutputLayout, Part, Parts, Scoring, Unit
from edge.models.layouts.arguments import APART, TOGETHER, options
from edge.models.shapes import cells, expect_channels, grids, unbatched
from edge.types import AnyArray, Candidates, Size, Tensor

# (C, H, W), (H, W, C), (H * W, C) or (C, H * W)
Arrangement: TypeAlias = Literal["maps", "maps-last", "rows", "planes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances(OutputLayout):
    """Maps: distances from each cell's point to the left, top, right and bottom side.

    Attributes:
        bins: Of the distribution that a distance is the mean of; 1 for the distance itself, None
            for as many as there are channels.
        offset: Of a cell's point from its corner, in cells.
        sqrt: With centerness, the score is the square root of the product.
        arrangement: How outputs lie; tables are of each level, or of all without `per_level`.
    """

    parts: Parts = APART
    score: Literal["probability", "logit"] = "logit"
    unit: Unit = "cells"
    per_level: bool = True
    bins: int | None = None
    offset: float = 0.5
    sqrt: bool = False
    arrangement: Arrangement = "maps"

    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """See `OutputLayout.decode`."""
        maps = _by_part(self, _maps(self, outputs, spec, self.arrangement), spec)
        return ops.decode_distances(
            maps["classes"],
            boxes=maps["boxes"],
            centerness=maps.get("centerness"),
            strides=spec.strides,
            bins=self.bins or maps["boxes"][0].values.shape[0] // 4,
            offset=self.offset,
            logits=self.score == "logit",
            sqrt=self.sqrt,
            in_pixels=self.unit == "pixels",
            **options(self, scoring),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Centers(OutputLayout):
    """Maps: x and y of a center from its cell's corner and the logarithms of width and height.

    Attributes:
        rows: The maps are one table (N, channels) of all levels.
    """

    parts: Parts = (("classes",), ("boxes",), ("objectness",))
    unit: Unit = "cells"
    per_level: bool = True
    rows: bool = False

    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """See `OutputLayout.decode`."""
        lie: Arrangement = "rows" if self.rows else "maps"
        maps = _by_part(self, _maps(self, outputs, spec, lie), spec)
        return ops.decode_centers(
            maps["classes"],
            boxes=maps["boxes"],
            objectness=maps["objectness"],
            strides=spec.strides,
            logits=self.score == "logit",
            **options(self, scoring),
        )


RAW_ROWS = Centers(parts=TOGETHER, rows=True, per_level=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorMaps(OutputLayout):
    """Raw maps of some anchors in each cell: of each level, as `by_anchor` lists the shapes.

    Attributes:
        lone_class: See `Rows`.
        spreads: Per level, over how many cells a center may lie; one for all where it is one.
        exponential: Sizes are e^(w, h) times the anchor, else (2 sigmoid(w, h))^2 times.
    """

    parts: Parts = TOGETHER
    score: Literal["logit"] = "logit"
    unit: Unit = "cells"
    per_level: bool = True
    anchored: bool = True
    lone_class: Literal["product", "objectness"] = "product"
    spreads: tuple[float, ...] = (2.0,)
    exponential: bool = False

    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """See `OutputLayout.decode`."""
        heads = []
        alone = self.lone_class == "objectness" and len(spec.labels) == 1
        for output, stride, anchors in zip(outputs, spec.strides, spec.anchors, strict=True):
            size = cells(spec.input, stride)
            values = by_anchor(output.values, size, len(anchors), 5 + len(spec.labels))
            heads.append(replace(output, values=values[:, :5] if alone else values))
        levels = len(spec.strides)
        return ops.decode_anchors(
            heads,
            anchors=spec.anchors,
            strides=spec.strides,
            objectness=not alone,
            spreads=self.spreads * levels if len(self.spreads) == 1 else self.spreads,
            exponential=self.exponential,
            **options(self, scoring),
        )

    def check(self, spec: ModelSpec) -> None:
        """See `OutputLayout.check`."""
        OutputLayout.check(self, spec)
        if len(self.spreads) not in (1, len(spec.strides)):
            raise ModelError(
                f"{spec.family} {spec.form} has {len(self.spreads)} levels, got {len(spec.strides)}"
            )


def by_anchor(values: AnyArray, size: Size, anchors: int, channels: int) -> AnyArray:
    """A map of a level as a view of (anchors, channels, H, W).

    It may be (A * C, H, W) or (H, W, A * C) with all of an anchor together, (A, H, W, C),
    (H, W, A, C), or (A, H * W, C); with axes of 1 before, which are the batch.

    Raises:
        ModelError: It is none of these.
    """
    height, width = size.height, size.width
    given = values.shape
    while True:
        shape = values.shape
        if shape == (anchors, height, width, channels):
            return np.asarray(values.transpose(0, 3, 1, 2))
        if shape == (height, width, anchors, channels):
            return np.asarray(values.transpose(2, 3, 0, 1))
        if shape == (anchors, height * width, channels):
            return np.asarray(
                values.reshape(anchors, height, width, channels).transpose(0, 3, 1, 2)
            )
        if shape == (anchors * channels, height, width):
            return values.reshape(anchors, channels, height, width)
        if shape == (height, width, anchors * channels):
            return np.asarray(
                values.reshape(height, width, anchors, channels).transpose(2, 3, 0, 1)
            )
        if values.ndim < 3 or shape[0] != 1:
            raise ModelError(
                f"an output has the shape {given}; {anchors} anchors of {channels} channels in "
                f"{height} x {width} cells are wanted"
            )
        values = values[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks(OutputLayout):
    """A heat map whose peaks are centers, sizes and, mostly, offsets, at one stride."""

    parts: Parts = (("classes",), ("sizes",), ("offsets",))
    unit: Unit = "cells"
    per_level: bool = True
    optional: int = 1
    suppress: bool = False
    every_class: bool = True

    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """See `OutputLayout.decode`."""
        heat, sizes, *rest = (unbatched(output, 3) for output in outputs)
        expect_channels("channels of heat", heat.values.shape[0], len(spec.labels))
        return ops.decode_peaks(
            heat,
            sizes,
            rest[0] if rest else None,
            stride=spec.strides[0],
            logits=self.score == "logit",
            score_threshold=scoring.threshold,
        )


def _maps(
    layout: OutputLayout, outputs: Sequence[Tensor], spec: ModelSpec, arrangement: Arrangement
) -> list[Tensor]:
    """The outputs as (channels, H, W), part by part."""
    if arrangement in ("maps", "maps-last"):
        maps = [unbatched(output, 3) for output in outputs]
        if arrangement == "maps":
            return maps
        return [replace(each, values=each.values.transpose(2, 0, 1)) for each in maps]
    tables = [unbatched(output, 2) for output in outputs]
    if arrangement == "planes":
        tables = [replace(table, values=table.values.T) for table in tables]
    if not layout.per_level:
        return [view for table in tables for view in grids(table, spec)]
    maps = []
    for i, table in enumerate(tables):
        size = cells(spec.input, spec.strides[i % len(spec.strides)])
        maps.append(replace(table, values=table.values.T.reshape(-1, size.height, size.width)))
    return maps


def _by_part(
    layout: OutputLayout, maps: Sequence[Tensor], spec: ModelSpec
) -> dict[Part, list[Tensor]]:
    """Views of what maps hold, by part and level.

    Raises:
        ModelError: They have other numbers of channels than the labels call for.
    """
    views: dict[Part, list[Tensor]] = {}
    classes, levels = len(spec.labels), len(spec.strides)
    for i, head in enumerate(maps):
        where = layout.channels(i // levels, count := head.values.shape[0], classes)
        if where is None:
            parts = " and ".join(layout.parts[i // levels])
            raise ModelError(
                f"an output of {parts} has {count} channels, which do not fit {classes} labels"
            )
        for part, at in where.items():
            views.setdefault(part, []).append(replace(head, values=head.values[at]))
    return views
