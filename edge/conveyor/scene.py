"""What lies where: lines, the stretches of their belts, the parts on these."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge.conveyor.chance import Chance
from edge.conveyor.materials import MATERIALS, STRAY_MATERIALS, Material
from edge.conveyor.shapes import PARTS, STRAYS, Shape
from edge.conveyor.sprite import Light

# Lengths are in scene units: the longer side of the view is 640 of them at any size.
SPAN = 640
SLOT = 80  # belt that is laid with parts at once
STRETCH = 12  # slots that are laid as densely
REACH = 190  # farther from its center a part and its shadow never reach

_NAMES = tuple(PARTS)
# Shortest and longest of each class, at least 24 pixels of a 320 pixel view at the least zoom.
_LENGTHS = {
    "bolt": (100, 150),
    "screw": (100, 150),
    "nut": (56, 92),
    "washer": (54, 92),
    "bearing": (62, 112),
    "gear": (66, 130),
    "bracket": (84, 140),
    "spring": (92, 150),
}
# Parts per slot of a view 480 units high, and how often a stretch is like that.
_DENSITIES = ((0.0, 3), (0.35, 4), (0.8, 6), (1.2, 5), (1.7, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A conveyor line as one camera sees it.

    Attributes:
        name: What its random numbers are named by: the seed, and which line it is.
        zoom: Of the parts.
        speed: Units per frame; negative: from right to left.
        offset: Units of belt that have passed before the first frame.
        rail: Part of the view's height that each of the two rails covers.
        light: Where the lamp is.
        lamp: Brightness of the light; 1 is plain.
        busy: Factor on the number of parts.
        shutter: Part of the time between frames that the shutter is open.
        flicker: Strength, waves per view height and waves per frame.
        noise: As in `Exposure`.
        focus: How far the lens is off, from 0 to 1.
    """

    name: tuple[int, int]
    zoom: float
    speed: float
    offset: float
    rail: float
    light: Light
    lamp: float
    busy: float
    shutter: float
    flicker: tuple[float, float, float]
    noise: tuple[int, int]
    focus: float


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A thing on the belt.

    Attributes:
        name: What its random numbers are named by.
        class_id: Its class; -1: it is none.
        shape: Its form.
        material: What it is made of.
        along: Units from the start of the belt to its center.
        across: Height of its center in the view, from 0 (top) to 1.
        length: Of the form's square, in units.
        turn: Its rotation.
    """

    name: tuple[int, ...]
    class_id: int
    shape: Shape
    material: Material
    along: float
    across: float
    length: float
    turn: float


def set_up(seed: int, number: int) -> Line:
    """A line of a seed."""
    name = (seed, number)
    chance = Chance(*name)
    x, y = chance.uniform(-0.55, 0.55), chance.uniform(-0.55, 0.55)
    return Line(
        name=name,
        zoom=chance.uniform(0.92, 1.2),
        speed=chance.uniform(7, 16) * (1 if chance.happens(0.5) else -1),
        offset=chance.uniform(0, 1e5),
        rail=chance.uniform(0.02, 0.09) if chance.happens(0.7) else 0.0,
        light=Light(x, y, math.sqrt(1 - x * x - y * y)),
        lamp=chance.uniform(0.75, 1.2),
        busy=chance.uniform(0.7, 1.3),
        shutter=chance.uniform(0.08, 0.4),
        flicker=(chance.uniform(0, 0.05), chance.uniform(0.5, 3), chance.uniform(0, 1)),
        noise=(round(chance.uniform(40, 170)), round(chance.uniform(20, 85))),
        focus=chance.uniform(0, 1),
    )


def lay_parts(line: Line, slot: int, height: float) -> list[Part]:
    """The parts of one slot of the belt, lowest first.

    Args:
        line: Where.
        slot: Which: it is the belt from `slot * SLOT` on.
        height: Of the view, in units.
    """
    stretch = Chance(*line.name, 1, slot // STRETCH)
    density = stretch.pick([d for d, weight in _DENSITIES for _ in range(weight)])
    chance = Chance(*line.name, 2, slot)
    expected = density * line.busy * height / 480
    count = int(expected) + chance.happens(expected % 1)
    parts = [_part(line, chance, (*line.name, 3, slot, i), slot) for i in range(count)]
    # Dropped in heaps now and then.
    if density > 1 and parts and chance.happens(0.25):
        first = parts[0]
        along = first.along + chance.uniform(-0.4, 0.4) * first.length
        across = first.across + chance.uniform(-0.4, 0.4) * first.length / height
        parts.append(_part(line, chance, (*line.name, 3, slot, count), slot, (along, across)))
    return parts


def _part(
    line: Line,
    chance: Chance,
    name: tuple[int, ...],
    slot: int,
    place: tuple[float, float] | None = None,
) -> Part:
    along, across = place or (
        (slot + chance.uniform(0, 1)) * SLOT,
        line.rail + chance.uniform(0.02, 0.98) * (1 - 2 * line.rail),
    )
    turn = chance.uniform(0, 1)
    if chance.happens(0.12):
        length = chance.uniform(16, 76) * line.zoom
        shape, material = chance.pick(STRAYS), chance.pick(STRAY_MATERIALS)
        return Part(name, -1, shape, material, along, across, length, turn)
    class_id = chance.below(len(_NAMES))
    label = _NAMES[class_id]
    length = chance.uniform(*_LENGTHS[label]) * line.zoom
    material = chance.pick(MATERIALS[label])
    return Part(name, class_id, PARTS[label], material, along, across, length, turn)
