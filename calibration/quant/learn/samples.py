"""Images to learn from, some mirrored, some enlarged, and the teacher's outputs for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calibration.quant.learn.torch_graph import TorchGraph
from calibration.quant.search.context import SearchContext
from calibration.quant.simulate.heads import Level, levels

Window = tuple[float, float, float, float]  # top, left, height, width; of the image's

_BYTES = 256 << 20  # of the teacher's outputs that are kept
_MIN_SIDE = 0.5  # of a side of the image: the smallest part that is enlarged


@dataclass(frozen=True, slots=True)
class TrainingSample:
    """One image in one augmentation.

    Attributes:
        index: Of the image.
        mirrored: Left and right change places.
        window: The part of it that is enlarged to take its place; None for the whole.
    """

    index: int
    mirrored: bool = False
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs of a network for one image, without what is around the image.

    Attributes:
        levels: Of its head.
        necks: (1, C, h, w) each: features behind them, where the network gives such.
    """

    levels: list[Level]
    necks: list[Tensor]


class TrainingSamples:
    """The images of a search; the teacher's outputs for whole ones are kept, as memory allows."""

    def __init__(self, context: SearchContext, teacher: TorchGraph) -> None:
        self._context = context
        self._teacher = teacher
        self._heads = len(context.graph.outputs)
        self._known: dict[TrainingSample, Outputs] = {}
        self._left = _BYTES

    def image(self, sample: TrainingSample) -> Tensor:
        """(1, C, H, W): what the network reads."""
        inputs = self._context.inputs
        image = torch.from_numpy(inputs.real(sample.index))
        if sample.window is not None:
            inner: Any = inputs.image(sample.index, image)  # a view
            inner.copy_(_enlarged(inner, sample.window))
        return image.flip(3) if sample.mirrored else image

    def expected(self, sample: TrainingSample, image: Tensor) -> Outputs:
        """The teacher's outputs."""
        known = self._known.get(sample)
        if known is None:
            with torch.no_grad():
                outputs = self._teacher(image)
            known = self.inside(outputs, sample)
            size = sum(values.nbytes for values in outputs)
            if sample.window is None and size <= self._left:  # other windows do not come again
                self._known[sample] = known
                self._left -= size
        return known

    def inside(self, outputs: Sequence[Tensor], sample: TrainingSample) -> Outputs:
        """What the outputs for one image say: those of the context's graph, then necks."""
        inputs, index = self._context.inputs, sample.index
        turned = [values.flip(3) if sample.mirrored else values for values in outputs]
        parts = [inputs.image(index, values) for values in turned]
        return Outputs(levels(parts[: self._heads], self._context.model), parts[self._heads :])


def draw(random: np.random.Generator, index: int, *, crops: bool) -> TrainingSample:
    """An image in an augmentation drawn by chance."""
    mirrored = bool(random.integers(2))
    if not crops or random.integers(2):
        return TrainingSample(index, mirrored)
    height, width = random.uniform(_MIN_SIDE, 1, 2).tolist()
    top, left = (random.uniform(0, 1, 2) * (1 - height, 1 - width)).tolist()
    return TrainingSample(index, mirrored, (top, left, height, width))


def _enlarged(image: Tensor, window: Window) -> Tensor:
    height, width = image.shape[2:]
    top, left = round(window[0] * height), round(window[1] * width)
    bottom, right = (
        max(top + 2, round((window[0] + window[2]) * height)),
        max(left + 2, round((window[1] + window[3]) * width)),
    )
    part = image[:, :, top:bottom, left:right]
    return functional.interpolate(part, (height, width), mode="bilinear", align_corners=False)
