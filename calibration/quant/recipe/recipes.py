"""How much work a calibration takes upon itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from calibration.quant.observers import OBSERVERS


@dataclass(frozen=True, slots=True)
class Recipe:
    """Which steps, and how far each goes.

    Attributes:
        observers: Whose ranges are tried.
        pictures: How many the objective is computed on while searching.
        tensors: How many get their range searched, costliest first.
        floats: Layers may stay float, within the budget.
        learning: Steps of gradient descent on ranges and biases; they need torch.
    """

    observers: tuple[str, ...] = tuple(OBSERVERS)
    pictures: int = 8
    tensors: int = 30
    floats: bool = True
    learning: int = 150


# The last two are what runtimes' own tools do. They are here to be compared with, and as what a
# gate must refuse.
RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "fast": Recipe(pictures=4, tensors=12, learning=0),
        "default": Recipe(),
        "best": Recipe(pictures=16, tensors=60, learning=400),
        "min-max": Recipe(("min-max",), tensors=0, floats=False, learning=0),
        "entropy": Recipe(("entropy",), tensors=0, floats=False, learning=0),
    }
)
