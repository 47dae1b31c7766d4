"""How much work a calibration takes upon itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

CHANNEL_WEIGHT = 10.0  # of the channel-wise term beside those of scores and boxes


@dataclass(frozen=True, slots=True)
class Learning:
    """How far, and on what, gradient descent goes.

    Attributes:
        steps: Of a few images each, some of them mirrored; 0 learns nothing.
        weights: The codes of weights are learned too, not only ranges, scales and biases. With
            few images and steps the heads get nearer, and yet agreement no better.
        crops: An image is a part of itself, enlarged, half the times; the teacher looks again.
        channels: Weight of the channel-wise term of the heads.
        necks: Weight of the same of the features that the heads are computed from.
        heads: Weight of the terms of scores and boxes.
    """

    steps: int = 0
    weights: bool = False
    crops: bool = False
    channels: float = CHANNEL_WEIGHT
    necks: float = 0.0
    heads: float = 1.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which steps, and how far each goes.

    Attributes:
        observers: Whose ranges are tried: keys into `OBSERVERS`; none takes all of them.
        images: How many the objective is computed on while searching.
        tensors: How many get their range searched, costliest first.
        equalize: Tensors are equalized, if that serves.
        float_layers: Layers may stay float, within the budget.
        learning: What is learned at the end; it needs torch.
    """

    observers: tuple[str, ...] = ()
    images: int = 8
    tensors: int = 30
    equalize: bool = True
    float_layers: bool = True
    learning: Learning = Learning(150)


def _plain(observer: str) -> Recipe:
    return Recipe((observer,), tensors=0, equalize=False, float_layers=False, learning=Learning())


# The last two are what runtimes' own tools do. They are here to be compared with, and as what a
# gate must refuse.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "fast": Recipe(images=4, tensors=12, learning=Learning()),
        "default": Recipe(),
        "best": Recipe(images=16, tensors=60, learning=Learning(400, necks=CHANNEL_WEIGHT)),
        "min-max": _plain("min-max"),
        "entropy": _plain("entropy"),
    }
)

# In place of a recipe's own learning: quantization-aware training in full, without labels.
QAT = Learning(1200, weights=True, crops=True, necks=CHANNEL_WEIGHT)
