"""Layouts whose outputs are boxes one below another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from edge import ops
from edge.errors import ModelError
from edge.models.base import ModelSpec, OutputLayout, Part, Parts, Score, Scoring
from edge.models.layouts.arguments import APART, TOGETHER, options, pixels_per
from edge.models.shapes import columns, expect_channels, prior_boxes, unbatched
from edge.types import Candidates, Tensor

_ACTIVATIONS: Mapping[Score, Literal["none", "sigmoid", "softmax"]] = MappingProxyType(
    {"probability": "none", "logit": "sigmoid", "softmax": "softmax"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(OutputLayout):
    """One table: a row for each box, its four numbers and its probabilities.

    With objectness, there is no limit.

    Attributes:
        planar: A column for each box instead.
        corners: Boxes are x1, y1, x2, y2; otherwise center x, center y, width, height.
        lone_class: What scores a box where there is one class only: "objectness" alone, when it
            was trained so, or its "product" with the class's.
        limit: Only so many of the best.
    """

    parts: Parts = TOGETHER
    planar: bool = False
    corners: bool = False
    lone_class: Literal["product", "objectness"] = "product"
    limit: int | None = None

    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """See `OutputLayout.decode`."""
        rows = unbatched(outputs[0], 2)
        if self.planar:
            rows = replace(rows, values=rows.values.T)
        first = 5 if "objectness" in self.parts[0] else 4
        expect_channels("columns", rows.values.shape[1], first + len(spec.labels))
        if first == 5 and not (self.lone_class == "objectness" and len(spec.labels) == 1):
            candidates = ops.decode_rows(
                rows, objectness=True, corners=self.corners, **options(self, scoring)
            )
            if self.unit == "pixels":
                return candidates
            scale = np.array(pixels_per(self.unit, spec) * 2, np.float32)
            return replace(candidates, boxes=candidates.boxes * scale)
        return ops.decode_boxes(
            columns(rows, 4, 4 + len(spec.labels)),
            columns(rows, 0, 4),
            corners=self.corners,
            scale=pixels_per(self.unit, spec),
            limit=self.limit,
            **options(self, scoring),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxesScores(OutputLayout):
    """Boxes and class scores as two tables.

    With anchors, boxes are offsets from the prior boxes that strides and anchors give.

    Attributes:
        planar: Scores are (C, N) instead of (N, C).
        corners: Boxes are x1, y1, x2, y2; otherwise center x, center y, width, height.
        background: Which column of the scores is no class, where one is.
        limit: Only so many of the best.
    """

    parts: Parts = APART
    planar: bool = False
    corners: bool = False
    background: Literal["first", "last"] | None = None
    limit: int | None = None

    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """See `OutputLayout.decode`."""
        tensors = {
            part: unbatched(output, 2) for (part,), output in zip(self.parts, outputs, strict=True)
        }
        scores, boxes = tensors["classes"], tensors["boxes"]
        if self.planar:
            scores = replace(scores, values=scores.values.T)
        count = len(spec.labels) + (self.background is not None)
        expect_channels("columns of scores", scores.values.shape[1], count)
        priors = None
        if self.anchored:
            priors = prior_boxes(spec.input, spec.strides, spec.anchors)
            if len(priors) != len(boxes.values):
                raise ModelError(
                    f"an output has {len(boxes.values)} boxes, strides and anchors give "
                    f"{len(priors)}"
                )
        return ops.decode_boxes(
            scores,
            boxes,
            activation=_ACTIVATIONS[self.score],
            background=self.background,
            corners=self.corners,
            scale=pixels_per(self.unit, spec),
            priors=priors,
            limit=self.limit,
            **options(self, scoring),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EndToEnd(OutputLayout):
    """The last word of a network with suppression inside: one table, or three. Padding is left out.

    Attributes:
        corners: Boxes are x1, y1, x2, y2; otherwise center x, center y, width, height.
        vertical_first: Of each pair of numbers of a box, y comes before x.
    """

    suppress: bool = False
    corners: bool = True
    vertical_first: bool = False

    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """See `OutputLayout.decode`."""
        tensors: dict[Part, Tensor] = {}
        for index, (parts, output) in enumerate(zip(self.parts, outputs, strict=False)):
            if len(parts) == 1:
                tensors[parts[0]] = unbatched(output, 2 if parts == ("boxes",) else 1)
                continue
            table = unbatched(output, 2)
            where = self.channels(index, table.values.shape[1], 0)
            if where is None or where["boxes"].stop - where["boxes"].start != 4:
                held = ", ".join(parts)
                raise ModelError(f"an output has {table.values.shape[1]} columns, not {held}")
            for part, at in where.items():
                values = table.values[:, at if part == "boxes" else at.start]
                tensors[part] = replace(table, values=values)
        boxes = tensors["boxes"]
        if self.vertical_first:
            boxes = replace(boxes, values=np.ascontiguousarray(boxes.values[:, [1, 0, 3, 2]]))
        candidates = ops.decode_end2end(
            boxes,
            tensors["score"],
            tensors["class_id"].values,
            score_threshold=scoring.threshold,
            corners=self.corners,
            scale=pixels_per(self.unit, spec),
        )
        highest = int(candidates.class_ids.max(initial=0))
        if highest >= len(spec.labels):
            raise ModelError(
                f"a box of class {highest} was found, and there are {len(spec.labels)} labels: "
                "name as many as the model has classes (edge convert --labels)"
            )
        return candidates
