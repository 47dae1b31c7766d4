"""The layouts of the smallest detectors: classes that anchors share, scores made of powers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edge import ops
from edge.errors import ModelError
from edge.models.base import ModelSpec, OutputLayout, Parts, Scoring, Unit
from edge.models.layouts.arguments import TOGETHER, options
from edge.models.layouts.maps import Arrangement
from edge.models.shapes import cells, expect_channels, unbatched
from edge.types import Candidates, Float32Array, Size, Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedClasses(OutputLayout):
    """Maps with anchors whose class scores are those of the cell: Yolo-FastestV2's.

    Channels are the boxes of all anchors, then their objectness, then the classes; all of them
    lie between 0 and 1 already, and boxes are made of them as YOLOv5's are.

    Attributes:
        arrangement: How outputs lie.
    """

    parts: Parts = TOGETHER
    score: Literal["probability"] = "probability"
    unit: Unit = "cells"
    per_level: bool = True
    anchored: bool = True
    arrangement: Arrangement = "maps-last"

    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """See `OutputLayout.decode`."""
        heads = []
        for output, stride, anchors in zip(outputs, spec.strides, spec.anchors, strict=True):
            channels = _channels(output, self.arrangement, cells(spec.input, stride))
            count = len(anchors)
            expect_channels("channels", len(channels), 5 * count + len(spec.labels))
            each = [
                np.concatenate(
                    [
                        channels[4 * a : 4 * a + 4],
                        channels[4 * count + a, None],
                        channels[5 * count :],
                    ]
                )
                for a in range(count)
            ]
            heads.append(Tensor(np.stack(each)))
        return ops.decode_anchors(
            heads,
            anchors=spec.anchors,
            strides=spec.strides,
            logits=False,
            **options(self, scoring),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighedCells(OutputLayout):
    """One map: objectness, box and class probabilities of each cell: FastestDet's.

    The score is objectness^0.6 times class^0.4. A center lies the hyperbolic tangents of x and y
    from its cell's corner, in cells; width and height are sigmoids, in fractions of the input.

    Attributes:
        arrangement: How the output lies.
    """

    parts: Parts = (("objectness", "boxes", "classes"),)
    unit: Unit = "fractions"
    per_level: bool = True
    arrangement: Arrangement = "maps"

    def decode(self, outputs: Sequence[Tensor], spec: ModelSpec, scoring: Scoring) -> Candidates:
        """See `OutputLayout.decode`."""
        size = cells(spec.input, spec.strides[0])
        channels = _channels(outputs[0], self.arrangement, size)
        expect_channels("channels", len(channels), 5 + len(spec.labels))
        weight = np.maximum(channels[0], 0) ** np.float32(0.6)
        y, x = np.nonzero(weight > scoring.threshold)  # no class makes a score greater
        raw = channels[:, y, x].T.astype(np.float32)
        scores = np.maximum(raw[:, 5:], 0) ** np.float32(0.4) * weight[y, x, None]
        boxes = np.empty((len(raw), 4), np.float32)
        boxes[:, 0] = (x + np.tanh(raw[:, 1])) / size.width
        boxes[:, 1] = (y + np.tanh(raw[:, 2])) / size.height
        boxes[:, 2:] = 0.5 + 0.5 * np.tanh(raw[:, 3:5] / 2)  # the sigmoid, which overflows nowhere
        return ops.decode_boxes(
            Tensor(np.ascontiguousarray(scores)),
            Tensor(boxes),
            scale=(float(spec.input.width), float(spec.input.height)),
            **options(self, scoring),
        )

    def check(self, spec: ModelSpec) -> None:
        """See `OutputLayout.check`."""
        OutputLayout.check(self, spec)
        if len(spec.strides) != 1:
            raise ModelError(f"{spec.family} {spec.form} has one stride, got {len(spec.strides)}")


def _channels(output: Tensor, arrangement: Arrangement, size: Size) -> Float32Array:
    """An output as (channels, H, W) numbers."""
    values = unbatched(output, 3).real()
    values = values if arrangement == "maps" else values.transpose(2, 0, 1)
    if values.shape[1:] != (size.height, size.width):
        raise ModelError(
            f"an output has the shape {output.values.shape}, {size.height} x {size.width} cells "
            "are wanted"
        )
    return values
