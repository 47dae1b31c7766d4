"""The forms of the parts: how far each point is from the outline, and how high it lies.

A part fills the square from -1 to 1. Outlines are signed distances, negative inside, so that one
formula gives an edge without jaggies at every size and angle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from edge.conveyor.chance import Chance, turns, unit_vector
from edge.types import Float32Array, Mask


@dataclass(frozen=True, slots=True)
class Relief:
    """A part as seen from above; all arrays have the shape of the coordinates.

    Attributes:
        distance: To the outline, negative inside.
        height: Above the belt.
        tone: How bright the material is there; 1 is plain.
    """

    distance: Float32Array
    height: Float32Array
    tone: Float32Array


Shape: TypeAlias = Callable[[Float32Array, Float32Array, Chance], Relief]


def bolt(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A hexagon bolt, lying: a head with facets, a plain shank, a thread up to its blunt end."""
    radius = chance.uniform(0.155, 0.21)
    head, wide = chance.uniform(0.26, 0.34), radius * chance.uniform(1.65, 1.9)
    start, pitch = chance.uniform(-0.55, 0.1), chance.uniform(0.075, 0.1)
    thread = np.where(x > start, _wave(x / pitch + y * (0.25 / radius)), np.float32(1))
    round_ = radius - 0.035 * (1 - thread) - np.maximum(x - 0.92, 0) * 0.7
    shank = np.maximum(np.abs(y) - round_, np.abs(x) - 1)
    cap = _box(x + 1 - head / 2, y, head / 2, wide, 0.03)
    facets = wide * 1.732 - np.maximum(np.abs(y) - wide / 2, 0) * 1.732
    facets = facets - np.maximum(0.05 + np.abs(x + 1 - head / 2) - head / 2, 0)
    inside = x < head - 1
    height = np.where(inside, facets, wide + _cylinder(round_, y) - 0.1)
    tone = np.where(inside, np.float32(1), 0.72 + 0.28 * thread)
    return Relief(np.minimum(cap, shank), height, tone)


def screw(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A countersunk wood screw, lying: a cone for a head, a coarse thread, a point."""
    radius, wide = chance.uniform(0.085, 0.11), chance.uniform(0.22, 0.27)
    head, point = chance.uniform(0.2, 0.27), chance.uniform(0.25, 0.4)
    start, pitch = chance.uniform(-0.6, -0.1), chance.uniform(0.11, 0.15)
    ridge = np.where(x > start, _wave(x / pitch + y * (0.3 / radius)), np.float32(0))
    taper = np.minimum(np.maximum((1 - x) / point, 0), 1)
    body = (radius + 0.055 * ridge * ridge) * (0.15 + 0.85 * taper)
    cone = wide + (radius - wide) * np.minimum(np.maximum((x + 0.94) / head, 0), 1)
    body = np.where(x < head - 0.94, cone, body)
    outline = np.maximum((np.abs(y) - body) * 0.9, np.abs(x) - 1)
    tone = np.where(x > start, 0.7 + 0.3 * ridge, np.float32(1))
    return Relief(outline, 0.12 + radius + _cylinder(body, y), tone)


def nut(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A hexagon nut, flat: corners chamfered to a circle, the hole countersunk and threaded."""
    hole, thick = chance.uniform(0.46, 0.56), chance.uniform(0.5, 0.75)
    r = _radius(x, y)
    outer = np.maximum(np.abs(y), np.abs(x) * 0.8660254 + np.abs(y) * 0.5) - 0.866
    height = thick - np.maximum(r - 0.84, 0) * 0.9 - np.maximum(hole + 0.08 - r, 0) * 1.1
    return Relief(np.maximum(outer, hole - r), height, _choose(r < hole + 0.05, 0.7, 1))


def washer(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A plain washer: a thin ring, its edges rounded by the punch."""
    hole = chance.uniform(0.42, 0.6)
    r = _radius(x, y)
    outline = np.maximum(r - 1, hole - r)
    return Relief(outline, _bevel(outline, 0.11, 0.07), np.ones_like(r))


def bearing(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A ball bearing: two rings, and between them a shield, a rubber seal or the balls."""
    bore, wall = chance.uniform(0.34, 0.44), chance.uniform(0.13, 0.18)
    inner, outer = bore + wall, 1 - wall
    kind, balls = chance.below(3), 7 + chance.below(4)
    r = _radius(x, y)
    outline = np.maximum(r - 1, bore - r)
    between = np.maximum(inner - r, r - outer)
    race = between < 0
    height = np.where(
        race, np.float32(0.4), 0.42 + _bevel(np.maximum(outline, -between), 0.1, 0.05)
    )
    if kind < 2:
        tone = _choose(race, 0.62 if kind else 0.2, 1)
        return Relief(outline, height, tone)
    middle, size = (inner + outer) / 2, (outer - inner) / 2
    along = (_fraction(turns(y, x) * balls) - 0.5) * (6.2831853 * middle / balls)
    away = along * along + (r - middle) * (r - middle)
    ball = np.sqrt(np.maximum(size * size * 0.9 - away, 0))
    height = np.where(race, 0.2 + ball, height)
    return Relief(outline, height, _choose(race & (ball <= 0), 0.25, 1))


def gear(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A spur gear: teeth, a thinner web that may have windows, a hub with its bore."""
    teeth, depth = 12 + chance.below(13), chance.uniform(0.14, 0.2)
    bore, hub = chance.uniform(0.16, 0.26), chance.uniform(0.36, 0.46)
    windows = chance.pick((0, 0, 4, 5, 6))
    r = _radius(x, y)
    around = turns(y, x)
    tooth = np.clip((_wave(around * teeth) - 0.32) * 3.2, 0, 1)
    outline = np.maximum((r - (1 - depth + depth * tooth)) * 0.8, bore - r)
    keyway = np.minimum(np.minimum(bore + 0.09 - r, 0.08 - np.abs(y)), x)
    outline = np.maximum(outline, keyway)
    web = np.maximum(hub - r, r - (0.9 - depth))
    if windows:
        middle, size = (hub + 0.9 - depth) / 2, (0.9 - depth - hub) / 2 * 0.75
        along = (_fraction(around * windows) - 0.5) * (6.2831853 * middle / windows)
        window = np.sqrt(along * along + (r - middle) * (r - middle)) - size
        outline = np.maximum(outline, -window)
    height = 0.26 + np.minimum(np.maximum(web, -0.03), 0.03) * 3.5
    height = height + _bevel(outline, 0.05, 0.05)
    return Relief(outline, height, _choose(web < 0, 0.88, 1))


def bracket(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A flat corner bracket: two arms of sheet metal, with holes for screws."""
    wide, short = chance.uniform(0.17, 0.23), chance.uniform(0.62, 0.85)
    hole, slot = chance.uniform(0.075, 0.105), chance.pick((0.0, 0.0, 0.1))
    upright = _box(x + 0.85 - wide, y, wide, 0.85, 0.08)
    foot = _box(x + 0.85 - short, y - 0.85 + wide, short, wide, 0.08)
    outline = np.minimum(upright, foot)
    for ox, oy in ((-0.85 + wide, -0.6), (-0.85 + wide, 0.0), (2 * short - 1.1, 0.85 - wide)):
        along = np.maximum(np.abs(y - oy) - (slot if oy <= 0 else 0.0), 0)
        gap = np.sqrt((x - ox) * (x - ox) + along * along) - hole
        outline = np.maximum(outline, -gap)
    return Relief(outline, _bevel(outline, 0.1, 0.06), np.ones_like(x))


def spring(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A compression spring, lying: strands in front, and darker ones behind, slanted against."""
    radius, wire = chance.uniform(0.26, 0.36), chance.uniform(0.045, 0.07)
    pitch = 2 / (6 + chance.below(5))
    v = np.clip(y / radius, -1, 1)
    lean = v * (0.7 + 0.3 * v * v) * 0.25
    ends = np.maximum(np.abs(y) - radius, np.abs(x) - 1)
    arch = np.sqrt(np.maximum(1.02 - v * v, 0)) * radius
    across = np.abs(_fraction(x / pitch - lean) - 0.5) * (pitch * 0.9)
    behind = np.abs(_fraction(x / pitch + lean - 0.5) - 0.5) * (pitch * 0.9)
    front = across < wire
    offset = np.where(front, across, behind)
    round_ = np.sqrt(np.maximum(wire * wire - offset * offset, 0))
    height = radius + np.where(front, arch, -arch) + round_
    outline = np.maximum(np.minimum(across, behind) - wire, ends)
    return Relief(outline, height, _choose(front, 1, 0.5))


def scrap(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """What is on a belt and is no part: a flake of any outline."""
    sides = 3 + chance.below(4)
    outline = np.full_like(x, -1)
    for side in range(sides):
        nx, ny = unit_vector((side + chance.uniform(0, 0.6)) / sides)
        outline = np.maximum(outline, nx * x + ny * y - chance.uniform(0.3, 0.85))
    wavy = _wave(x * chance.uniform(1, 3) + y) * 0.12
    outline = np.maximum(outline + wavy, _radius(x, y) - 0.95)
    return Relief(outline, 0.1 + wavy, np.ones_like(x))


def pin(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A plain dowel: a bolt's shank without head and thread, and no part of the order."""
    radius = chance.uniform(0.12, 0.22)
    return Relief(_box(x, y, 0.95, radius, 0.06), radius + _cylinder(radius, y), np.ones_like(x))


def blank(x: Float32Array, y: Float32Array, chance: Chance) -> Relief:
    """A punched-out disc: a washer without its hole, and no part of the order."""
    outline = _radius(x, y) - 0.95
    return Relief(outline, _bevel(outline, 0.13, chance.uniform(0.05, 0.2)), np.ones_like(x))


# Class id is the place here: the order is part of every model trained on it.
PARTS: Mapping[str, Shape] = MappingProxyType(
    {
        "bolt": bolt,
        "screw": screw,
        "nut": nut,
        "washer": washer,
        "bearing": bearing,
        "gear": gear,
        "bracket": bracket,
        "spring": spring,
    }
)
STRAYS: tuple[Shape, ...] = (scrap, scrap, pin, blank)


def _choose(where: Mask, yes: float, no: float) -> Float32Array:
    chosen: Float32Array = np.where(where, np.float32(yes), np.float32(no))
    return chosen


def _radius(x: Float32Array, y: Float32Array) -> Float32Array:
    r: Float32Array = np.sqrt(x * x + y * y)
    return r


def _fraction(v: Float32Array) -> Float32Array:
    return v - np.floor(v)


def _wave(v: Float32Array) -> Float32Array:
    """0 at whole numbers, 1 halfway, straight between."""
    return 1 - np.abs(_fraction(v) * 2 - 1)


def _cylinder(radius: Float32Array | float, y: Float32Array) -> Float32Array:
    across: Float32Array = np.sqrt(np.maximum(radius * radius - y * y, np.float32(0)))
    return across


def _bevel(distance: Float32Array, height: float, width: float) -> Float32Array:
    t = np.clip(distance * np.float32(-1 / width), 0, 1)
    rounded: Float32Array = np.sqrt(t * (2 - t)) * np.float32(height)
    return rounded


def _box(x: Float32Array, y: Float32Array, half: float, tall: float, round_: float) -> Float32Array:
    qx, qy = np.abs(x) - (half - round_), np.abs(y) - (tall - round_)
    ox, oy = np.maximum(qx, 0), np.maximum(qy, 0)
    result: Float32Array = np.sqrt(ox * ox + oy * oy) + np.minimum(np.maximum(qx, qy), 0) - round_
    return result
