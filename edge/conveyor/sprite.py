"""One part as pixels: lit, with its shadow, ready to be laid over the belt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.conveyor.chance import Chance, clouds, unit_vector
from edge.conveyor.materials import Material
from edge.conveyor.shapes import Relief, Shape
from edge.types import Float32Array, Mask, UInt8Array

BRIGHTEST = 250  # of parts and belt: no sum of the two, rounded, may pass 255


@dataclass(frozen=True, slots=True)
class Light:
    """Where the main lamp is: a unit vector, x to the right, y down, z up to the camera."""

    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True)
class Outline:
    """Where a part is.

    Attributes:
        mask: (h, w) bool: pixels of which the part covers half or more.
        area: Pixels of the mask.
        row: Row of the part's center in the mask.
        column: Column of it.
    """

    mask: Mask
    area: int
    row: int
    column: int


@dataclass(frozen=True, slots=True)
class Sprite:
    """Pixels that cover a part and its shadow.

    What lies below keeps (256 - `cover`) / 256 of itself, and `color` is added.

    Attributes:
        outline: Of the part alone.
        cover: (h, 3w) uint8, of the part and its shadow, once for each channel.
        color: (h, 3w) uint8 BGR, of the part alone.
        margin: Pixels that it is larger than the outline's mask, on each side.
    """

    outline: Outline
    cover: UInt8Array
    color: UInt8Array
    margin: int


def trace_part(shape: Shape, length: float, turn: float, chance: Chance) -> Outline:
    """The outline of the part that `draw_part` draws."""
    return _cut(shape, length, turn, chance)[0]


def draw_part(
    shape: Shape, material: Material, length: float, turn: float, light: Light, chance: Chance
) -> Sprite:
    """The sprite of a part.

    Args:
        shape: Its form.
        material: What it is made of.
        length: Of the form's square, in pixels.
        turn: Its rotation, in turns.
        light: Where the light comes from.
        chance: Decides the rest.
    """
    radius = length / 2
    outline, alpha, relief = _cut(shape, length, turn, chance)
    height = relief.height * np.float32(radius)
    lit = _shade(height, relief.tone, material, radius, light, chance)
    lit = np.minimum(lit, BRIGHTEST) * alpha[..., None]
    # Of elements in an order that NumPy chooses, a maximum is always the same; a sum is not.
    tall = min(float(np.max(height, initial=0, where=outline.mask)), radius * 0.55)
    radiuss = tall / light.z
    margin = int(radiuss * 1.2) + 3
    alpha = np.pad(alpha, margin)
    cover = 1 - (1 - alpha) * (1 - _shadow(alpha, radiuss, light))
    color = np.pad(_octets(lit), ((margin, margin), (margin, margin), (0, 0)))
    return Sprite(
        outline,
        np.repeat(_octets(cover * 255), 3, axis=1),
        color.reshape(len(cover), -1),
        margin,
    )


def _cut(
    shape: Shape, length: float, turn: float, chance: Chance
) -> tuple[Outline, Float32Array, Relief]:
    """The outline, how much of each pixel is covered, and the form, all of one window."""
    radius = length / 2
    half = int(radius * 1.22) + 2  # the farthest corner of any form
    side = np.arange(-half, half + 1, dtype=np.float32) / np.float32(radius)
    cosine, sine = unit_vector(turn)
    across, down = side[None, :], side[:, None]
    relief = shape(
        across * np.float32(cosine) + down * np.float32(sine),
        down * np.float32(cosine) - across * np.float32(sine),
        chance,
    )
    alpha = np.clip(0.5 - relief.distance * np.float32(radius), 0, 1)
    rows, columns = _extent((alpha > 0).any(axis=1)), _extent((alpha > 0).any(axis=0))
    alpha = alpha[rows, columns]
    mask = alpha >= 0.5
    outline = Outline(mask, int(np.count_nonzero(mask)), half - rows.start, half - columns.start)
    cut = (v[rows, columns] for v in (relief.distance, relief.height, relief.tone))
    return outline, alpha, Relief(*cut)


def _extent(used: Mask) -> slice:
    places = np.flatnonzero(used)
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 1)


def _octets(values: Float32Array) -> UInt8Array:
    octets: UInt8Array = np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8)
    return octets


def _shade(
    height: Float32Array,
    tone: Float32Array,
    material: Material,
    radius: float,
    light: Light,
    chance: Chance,
) -> Float32Array:
    """(h, w, 3) colors: what is scattered, what of two soft lamps is mirrored, dirt and grain."""
    rows, columns = height.shape
    uneven = clouds(chance, rows, columns, (radius / 2, radius / 2))
    height = height + uneven * np.float32(radius * 0.025)
    down, across = _slope(height, 0), _slope(height, 1)
    # No part lies quite flat: each mirrors another spot of the lamps.
    across = across + np.float32(chance.uniform(-0.12, 0.12))
    down = down + np.float32(chance.uniform(-0.12, 0.12))
    upright = 1 / np.sqrt(across * across + down * down + 1)
    facing = upright * (light.z - across * light.x - down * light.y)
    # Direction to the lamp of the mirrored view: 2 (n.v)(n.l) - v.l, the camera straight above.
    mirrored = 2 * upright * facing - light.z
    lamp = np.clip(mirrored, 0, 1)
    for _ in range(material.sharp):
        lamp = lamp * lamp
    other = 2 * upright * upright - 1  # a dim lamp around the camera
    other = np.clip(other, 0, 1)
    other = other * other
    scattered = 0.34 + 0.62 * np.maximum(facing, 0)
    grain = _grain(chance, rows, columns)
    lit = tone * (scattered * (1 - 0.45 * material.mirror) + 0.35 * material.mirror * other)
    lit = lit * (1 + grain * 0.05)
    dirt = clouds(chance, rows, columns, (radius / 3, radius / 3))
    dirt = np.maximum(dirt - chance.uniform(0, 0.9), 0)
    lit = lit * (1 - 0.6 * dirt)
    gleam = lamp * tone * np.float32(190 * material.mirror)
    fade = chance.uniform(0.82, 1.15)
    colors = np.empty((rows, columns, 3), np.float32)
    for i, c in enumerate(material.color):
        colors[..., i] = lit * np.float32(c * fade) + gleam * np.float32(0.5 + c / 400)
    return colors


def _grain(chance: Chance, rows: int, columns: int) -> Float32Array:
    octets = chance.octets(rows * columns).reshape(rows, columns).astype(np.float32)
    grain: Float32Array = octets / np.float32(127.5) - 1
    return grain


def _slope(height: Float32Array, axis: int) -> Float32Array:
    """Central differences; walls are cut off, where they would outshine everything."""
    rise = (np.roll(height, -1, axis) - np.roll(height, 1, axis)) * np.float32(0.5)
    slope: Float32Array = np.clip(rise, -2.5, 2.5)
    return slope


def _shadow(alpha: Float32Array, radius: float, light: Light) -> Float32Array:
    """How much light the part keeps from the belt: below it, and away from the lamp."""
    steps = 4
    cast = np.zeros_like(alpha)
    for step in range(1, steps + 1):
        far = radius * step / steps
        dx, dy = round(-light.x * far), round(-light.y * far)
        cast = np.maximum(cast, np.roll(alpha, (dy, dx), (0, 1)))
    soft = max(1, round(radius * 0.3))
    near = _blur(alpha, max(1, round(radius * 0.22)))
    shadow: Float32Array = np.float32(0.5) * _blur(cast, soft) + np.float32(0.3) * near
    return shadow


def _blur(values: Float32Array, radius: int) -> Float32Array:
    """About a Gaussian, from shifted sums: order matters to the last bit, so it is written out."""
    while radius > 0:
        for axis in (0, 1):
            shifted = np.roll(values, radius, axis) + np.roll(values, -radius, axis)
            values = (values + values + shifted) * np.float32(0.25)
        radius //= 2
    return values
