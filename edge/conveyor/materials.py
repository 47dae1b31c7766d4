"""What the parts are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Material:
    """What a surface does with light.

    Attributes:
        color: Blue, green, red, from 0 to 255.
        mirror: How much of the lamps it reflects.
        sharp: How many times the highlight is squared: 1 is satin, 4 polished.
    """

    color: tuple[float, float, float]
    mirror: float
    sharp: int


STEEL = Material((148, 150, 150), 0.8, 3)
ZINC = Material((186, 176, 166), 0.6, 2)
YELLOW_ZINC = Material((92, 168, 196), 0.7, 3)
BLACK_OXIDE = Material((42, 40, 40), 0.35, 2)
BRASS = Material((78, 158, 196), 0.8, 3)
COPPER = Material((78, 112, 186), 0.8, 3)
RUST = Material((58, 88, 132), 0.2, 1)
WHITE = Material((205, 214, 216), 0.2, 1)
BLUE = Material((158, 92, 44), 0.25, 2)
RED = Material((48, 50, 164), 0.25, 2)
RUBBER = Material((38, 38, 38), 0.1, 1)
WOOD = Material((96, 140, 178), 0.0, 1)

_METALS = (STEEL, STEEL, STEEL, ZINC, ZINC, BLACK_OXIDE, RUST)
# By class, the likelier ones more than once.
MATERIALS: Mapping[str, tuple[Material, ...]] = MappingProxyType(
    {
        "bolt": (*_METALS, YELLOW_ZINC),
        "screw": (*_METALS, YELLOW_ZINC, YELLOW_ZINC, BRASS),
        "nut": (*_METALS, BRASS, YELLOW_ZINC),
        "washer": (*_METALS, BRASS, COPPER, YELLOW_ZINC),
        "bearing": (STEEL, STEEL, STEEL, ZINC),
        "gear": (STEEL, STEEL, BRASS, WHITE, RUBBER, BLACK_OXIDE, BLUE, RED),
        "bracket": (ZINC, ZINC, STEEL, BLACK_OXIDE, WHITE, YELLOW_ZINC),
        "spring": (STEEL, STEEL, ZINC, BLACK_OXIDE, BRASS),
    }
)
STRAY_MATERIALS = (STEEL, ZINC, RUST, RUBBER, WOOD, WHITE, BLUE, BRASS)
