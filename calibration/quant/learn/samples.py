"""Pictures to learn from, some mirrored, some enlarged, and what the teacher says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from calibration.quant.learn.torch_graph import TorchGraph
from calibration.quant.search.context import Problem
from calibration.quant.simulate.heads import Level, levels

Window = tuple[float, float, float, float]  # top, left, height, width; of the picture's

_BYTES = 256 << 20  # of what the teacher said, that is kept
_LEAST = 0.5  # of a side of the picture: the smallest part that is enlarged


@dataclass(frozen=True, slots=True)
class Lesson:
    """One picture in one guise.

    Attributes:
        index: Of the picture.
        mirrored: Left and right change places.
        window: The part of it that is enlarged to take its place; None for the whole.
    """

    index: int
    mirrored: bool = False
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a network says of one picture, without what is around the picture.

    Attributes:
        levels: Of its head.
        necks: (1, C, h, w) each: features behind them, where the network gives such.
    """

    levels: list[Level]
    necks: list[Tensor]


class Lessons:
    """The pictures of a problem; what the teacher says of whole ones is kept, as memory allows."""

    def __init__(self, problem: Problem, teacher: TorchGraph) -> None:
        self._problem = problem
        self._teacher = teacher
        self._heads = len(problem.graph.outputs)
        self._known: dict[Lesson, Said] = {}
        self._left = _BYTES

    def image(self, lesson: Lesson) -> Tensor:
        """(1, C, H, W): what the network reads."""
        inputs = self._problem.inputs
        image = torch.from_numpy(inputs.real(lesson.index))
        if lesson.window is not None:
            picture: Any = inputs.picture(lesson.index, image)  # a view
            picture.copy_(_enlarged(picture, lesson.window))
        return image.flip(3) if lesson.mirrored else image

    def wanted(self, lesson: Lesson, image: Tensor) -> Said:
        """What the teacher says."""
        known = self._known.get(lesson)
        if known is None:
            with torch.no_grad():
                said = self._teacher(image)
            known = self.inside(said, lesson)
            size = sum(values.nbytes for values in said)
            if lesson.window is None and size <= self._left:  # other windows do not come again
                self._known[lesson] = known
                self._left -= size
        return known

    def inside(self, outputs: Sequence[Tensor], lesson: Lesson) -> Said:
        """What the outputs for one picture say: those of the problem's graph, then necks."""
        inputs, index = self._problem.inputs, lesson.index
        turned = [values.flip(3) if lesson.mirrored else values for values in outputs]
        parts = [inputs.picture(index, values) for values in turned]
        return Said(levels(parts[: self._heads], self._problem.model), parts[self._heads :])


def draw(random: np.random.Generator, index: int, *, crops: bool) -> Lesson:
    """A picture in a guise by chance."""
    mirrored = bool(random.integers(2))
    if not crops or random.integers(2):
        return Lesson(index, mirrored)
    height, width = random.uniform(_LEAST, 1, 2).tolist()
    top, left = (random.uniform(0, 1, 2) * (1 - height, 1 - width)).tolist()
    return Lesson(index, mirrored, (top, left, height, width))


def _enlarged(picture: Tensor, window: Window) -> Tensor:
    height, width = picture.shape[2:]
    top, left = round(window[0] * height), round(window[1] * width)
    bottom, right = (
        max(top + 2, round((window[0] + window[2]) * height)),
        max(left + 2, round((window[1] + window[3]) * width)),
    )
    part = picture[:, :, top:bottom, left:right]
    return functional.interpolate(part, (height, width), mode="bilinear", align_corners=False)
