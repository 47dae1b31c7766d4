"""The belt without parts, and the rails beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.conveyor.chance import Chance, clouds
from edge.conveyor.sprite import BRIGHTEST
from edge.types import Float32Array, Size, UInt8Array

# Blue, green, red of rubber, PVC and fabric as belts are sold.
_COLORS = (
    (58, 57, 56),
    (44, 45, 46),
    (76, 78, 78),
    (78, 96, 58),
    (60, 88, 66),
    (128, 96, 62),
    (112, 88, 72),
    (150, 152, 150),
    (120, 140, 146),
    (186, 190, 188),
)
_PATTERNS = ("plain", "fabric", "ribs", "modules")


@dataclass(frozen=True, slots=True)
class Belt:
    """What a line looks like when empty.

    Attributes:
        pixels: (H, 3 * (loop + W)) uint8 BGR: once around the belt, then its first W columns
            again, so that any stretch of W columns is one slice.
        loop: Columns of one turn.
        top: (rows, 3W) uint8, the rail above; it stands still.
        bottom: Likewise, below.
    """

    pixels: UInt8Array
    loop: int
    top: UInt8Array
    bottom: UInt8Array


def weave_belt(chance: Chance, size: Size, unit: float, rail: int) -> Belt:
    """A belt and its rails.

    Args:
        chance: Decides the looks.
        size: Of the view.
        unit: Pixels per scene unit.
        rail: Rows that a rail takes.
    """
    height, width = size.height, size.width
    loop = 2 * width
    color, pattern = chance.pick(_COLORS), chance.pick(_PATTERNS)
    fade = chance.uniform(0.85, 1.2)
    tone = _pattern(chance, pattern, height, loop, unit)
    tone = tone + _wear(chance, height, loop, unit)
    _seam(chance, tone, unit)
    dust = chance.uniform(0.0, 0.2)  # it takes belt colors towards its own
    haze = np.maximum(clouds(chance, height, loop, (90 * unit, 160 * unit)), 0) * np.float32(dust)
    specks = _specks(chance, height, loop, unit)
    pixels = np.empty((height, loop + width, 3), np.uint8)
    for i, (c, d) in enumerate(zip(color, (150, 160, 168), strict=True)):
        shade = tone * np.float32(c * fade)
        shade = shade + (np.float32(d) - shade) * haze + specks
        pixels[:, :loop, i] = np.clip(shade + np.float32(0.5), 0, BRIGHTEST)
    pixels[:, loop:] = pixels[:, :width]
    top, bottom = (_rail(chance, rail, width, unit) for _ in range(2))
    return Belt(pixels.reshape(height, -1), loop, top, bottom[::-1])


def _pattern(chance: Chance, pattern: str, height: int, width: int, unit: float) -> Float32Array:
    """The surface, about 1 everywhere."""
    grain = chance.octets(height * width).reshape(height, width).astype(np.float32)
    tone: Float32Array = np.float32(0.97) + grain * np.float32(0.06 / 255)
    rows, columns = np.arange(height, dtype=np.int64)[:, None], np.arange(width, dtype=np.int64)
    depth = np.float32(chance.uniform(0.04, 0.14))
    if pattern == "fabric":
        step = max(3, round(chance.uniform(5, 9) * unit))
        tone = tone + depth * (_zigzag(rows + columns, step) * _zigzag(rows - columns, step) - 0.25)
    elif pattern == "ribs":
        step = max(3, round(chance.uniform(7, 14) * unit))
        tone = tone + depth * (_zigzag(rows, step) - 0.5)
    elif pattern == "modules":
        count = 2 * max(1, round(width / (chance.uniform(72, 120) * unit)))  # even: they alternate
        place = columns * count
        near = np.minimum(place % width, width - place % width) < max(1.0, 1.3 * unit) * count
        across = (place // width % 2) * round(45 * unit) + rows
        joint = across % max(3, round(90 * unit)) < max(1, round(1.5 * unit))
        tone = tone * np.where(near | joint, np.float32(0.55), np.float32(1))
        row = rows % max(3, round(30 * unit)) < max(1, round(5 * unit))
        tone = tone * np.where(row & ~near, np.float32(1 + depth), np.float32(1))
    return tone


def _wear(chance: Chance, height: int, width: int, unit: float) -> Float32Array:
    """Blotches, long streaks of what rubbed along, and stains, around 0."""
    blotches = clouds(chance, height, width, (60 * unit, 75 * unit)) * np.float32(0.05)
    streaks = clouds(chance, height, width, (2.5 * unit, 260 * unit))
    streaks = streaks * streaks * streaks * np.float32(chance.uniform(0.05, 0.3))
    spread = chance.uniform(14, 60) * unit
    stains = clouds(chance, height, width, (spread, spread * chance.uniform(1, 2.5)))
    stains = stains + np.float32(0.5) * clouds(chance, height, width, (spread / 3, spread / 3))
    edge = chance.uniform(1.2, 4)
    stains = np.clip((stains - np.float32(chance.uniform(0.7, 1.3))) * np.float32(edge), 0, 1)
    worn: Float32Array = blotches + streaks - stains * np.float32(chance.uniform(0.1, 0.45))
    return worn


def _seam(chance: Chance, tone: Float32Array, unit: float) -> None:
    """Where the ends of the belt are joined: slanted, or with fingers; drawn into `tone`."""
    height, width = tone.shape
    rows, columns = np.arange(height, dtype=np.int64)[:, None], np.arange(width, dtype=np.int64)
    start = chance.below(width)
    if chance.happens(0.5):
        shift = rows * round(chance.uniform(-0.5, 0.5) * 256) // 256
    else:
        step = max(4, round(chance.uniform(16, 30) * unit))
        shift = (np.abs(rows % (2 * step) - step) * 2.5).astype(np.int64)
    away = (columns - start - shift) % width
    line = np.minimum(away, width - away)
    tone *= np.where(line < max(1, round(1.6 * unit)), np.float32(0.6), np.float32(1))
    tone *= np.where(away < round(26 * unit), np.float32(1.08), np.float32(1))


def _specks(chance: Chance, height: int, width: int, unit: float) -> Float32Array:
    """Crumbs, bright and dark, of a pixel or a few; in levels."""
    result = np.zeros((height, width), np.float32)
    area = height * width / (unit * unit)
    for _ in range(int(area / 30000 * chance.uniform(0.5, 8))):
        y, x = chance.below(height), chance.below(width)
        tall, wide = (max(1, round(chance.uniform(0.6, 3.5) * unit)) for _ in range(2))
        result[y : y + tall, x : x + wide] += np.float32(chance.uniform(-45, 70))
    return result


def _zigzag(place: np.ndarray[tuple[int, ...], np.dtype[np.int64]], step: int) -> Float32Array:
    """0 at multiples of `step`, 1 halfway, straight between."""
    up = np.abs(2 * (place % step) - step).astype(np.float32)
    wave: Float32Array = 1 - up / np.float32(step)
    return wave


def _rail(chance: Chance, rows: int, width: int, unit: float) -> UInt8Array:
    """A metal profile with a bright edge, brushed, and screws at even distances."""
    if rows < 1:
        return np.zeros((0, 3 * width), np.uint8)
    base = chance.uniform(70, 175)
    tone = np.float32(base) + clouds(chance, rows, width, (1.5, 200 * unit)) * np.float32(12)
    rows_ = np.arange(rows, dtype=np.int64)
    tone[max(0, rows - max(2, round(4 * unit))) :] *= np.float32(0.55)
    tone[max(0, rows - max(3, round(7 * unit))) : max(0, rows - max(2, round(4 * unit)))] += 45
    step = round(chance.uniform(110, 180) * unit)
    radius = rows / 5
    columns = np.arange(width, dtype=np.int64) % step - step // 2
    y, x = np.meshgrid(
        (rows_ - rows // 2).astype(np.float32), columns.astype(np.float32), indexing="ij"
    )
    away = np.sqrt(x * x + y * y) - np.float32(radius)
    tone = np.where(
        away < 0, tone * np.float32(0.72) + (y + x) * np.float32(20 / (radius + 1)), tone
    )
    tinted = tone[..., None] * np.array([1.02, 1.0, 0.97], np.float32)
    pixels: UInt8Array = np.clip(tinted, 0, 255).astype(np.uint8).reshape(rows, -1)
    return pixels
