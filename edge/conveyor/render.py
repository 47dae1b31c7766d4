"""The scene, frame by frame."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from edge.conveyor import scene
from edge.conveyor.belt import Belt, weave_belt
from edge.conveyor.camera import Camera, Exposure
from edge.conveyor.chance import Chance, drift
from edge.conveyor.scene import Line, Part
from edge.conveyor.shapes import PARTS
from edge.conveyor.sprite import Outline, Sprite, draw_part, trace_part
from edge.conveyor.truth import GroundTruth, Placed, look
from edge.types import Size, UInt8Array

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LABELS: tuple[str, ...] = tuple(PARTS)
FRAMES_PER_LINE = 600
SEEDS = 1 << 32
SIDES = (64, 2048)


@dataclass(frozen=True, slots=True)
class _Moment:
    """Where a frame is in the scene.

    Attributes:
        line: What it shows.
        time: Frames since the line came into view.
        left: Pixels from the start of the belt to the left edge of the view.
    """

    line: Line
    time: int
    left: int


class Conveyor:
    """Parts on moving belts, as a camera sees them, with the truth about every frame.

    After 600 frames (20 s) the view goes on to the next line: another belt, light, speed and
    direction. Frame k of a seed and size has the same bits on every machine, whichever frames
    were asked for before; in order is fastest. Use one from one thread at a time.

    Args:
        seed: Which scene, from 0 to 2**32 - 1.
        size: Of the frames, 64 to 2048 on each side. The longer side always shows the same length
            of belt, so another size of the same shape is the same scene in more or fewer pixels.

    Raises:
        ValueError: Seed or size are out of range.
    """

    labels = LABELS

    def __init__(self, seed: int, size: Size) -> None:
        if not 0 <= seed < SEEDS:
            raise ValueError(f"a seed is from 0 to {SEEDS - 1}, got {seed}")
        low, high = SIDES
        if not (low <= size.height <= high and low <= size.width <= high):
            raise ValueError(f"a view is {low} to {high} pixels on each side, got {size}")
        self.seed = seed
        self.size = size
        self._unit = max(size.height, size.width) / scene.SPAN
        self._lines = _Recent[int, Line](2, lambda number: scene.set_up(seed, number))
        self._settings = _Recent(2, self._set_up)
        self._slots = _Recent(64, self._lay)
        self._outlines = _Recent(64, self._trace)
        self._sprites = _Recent(64, self._draw)

    def render(self, index: int) -> tuple[UInt8Array, GroundTruth]:
        """Frame `index`, counted from 0: a new (H, W, 3) BGR image, and what is in it.

        Raises:
            ValueError: The index is negative.
        """
        moment = self._find(index)
        line, left = moment.line, moment.left
        belt, camera = self._settings[line]
        exposure = self._expose(moment)
        start = left % belt.loop
        canvas = belt.pixels[:, 3 * start : 3 * (start + self.size.width)].copy()
        things = []
        for part in self._parts(moment):
            sprite = self._sprites[line, part]
            thing = self._put(part, sprite.outline, left)
            _lay_over(canvas, sprite, thing.top - sprite.margin, thing.left - sprite.margin)
            things.append(thing)
        canvas = camera.soften(canvas, exposure)
        rows = len(belt.top)
        if rows:
            canvas[:rows], canvas[-rows:] = belt.top, belt.bottom
        return camera.expose(canvas, exposure), look(things, self.size, rows, self._unit)

    def truth(self, index: int) -> GroundTruth:
        """What `render` says is in frame `index`, without the image.

        Raises:
            ValueError: The index is negative.
        """
        moment = self._find(index)
        things = [
            self._put(part, self._outlines[part], moment.left) for part in self._parts(moment)
        ]
        return look(things, self.size, self._rail(moment.line), self._unit)

    def _find(self, index: int) -> _Moment:
        if index < 0:
            raise ValueError(f"frames are counted from 0, got {index}")
        number, time = divmod(index, FRAMES_PER_LINE)
        line = self._lines[number]
        return _Moment(line, time, int((line.offset - line.speed * time) * self._unit // 1))

    def _rail(self, line: Line) -> int:
        return round(line.rail * self.size.height)

    def _parts(self, moment: _Moment) -> list[Part]:
        """Those near the view, lowest first."""
        start = moment.left / self._unit - scene.REACH
        end = (moment.left + self.size.width) / self._unit + scene.REACH
        slots = range(int(start // scene.SLOT), int(end // scene.SLOT) + 1)
        return [part for slot in slots for part in self._slots[moment.line, slot]]

    def _put(self, part: Part, outline: Outline, left: int) -> Placed:
        row = int(part.across * self.size.height)
        column = int(part.along * self._unit // 1) - left
        return Placed(part.class_id, outline, row - outline.row, column - outline.column)

    def _set_up(self, line: Line) -> tuple[Belt, Camera]:
        belt = weave_belt(Chance(*line.name, 4), self.size, self._unit, self._rail(line))
        return belt, Camera(Chance(*line.name, 5), self.size, self._unit)

    def _lay(self, place: tuple[Line, int]) -> list[Part]:
        return scene.lay_parts(*place, self.size.height / self._unit)

    def _trace(self, part: Part) -> Outline:
        return trace_part(part.shape, part.length * self._unit, part.turn, Chance(*part.name))

    def _draw(self, place: tuple[Line, Part]) -> Sprite:
        line, part = place
        length, chance = part.length * self._unit, Chance(*part.name)
        return draw_part(part.shape, part.material, length, part.turn, line.light, chance)

    def _expose(self, moment: _Moment) -> Exposure:
        line, time = moment.line, moment.time
        slow, fast, lens, shutter = (
            drift((*line.name, 6, i), time / period) for i, period in enumerate((150, 20, 120, 90))
        )
        lamp = min(max(line.lamp * (1 + 0.3 * slow + 0.06 * fast), 0.4), 1.4)
        strength, waves, beat = line.flicker
        height = self.size.height
        phase = np.arange(height, dtype=np.float32) * np.float32(waves / height)
        phase = phase + np.float32(time * beat % 1)
        phase = phase - np.floor(phase)
        wave = 8 * phase * (1 - phase) - 1  # near enough to a sine, and the same everywhere
        gain = np.float32(128 * lamp) * (1 + np.float32(strength) * wave)
        smear = abs(line.speed) * line.shutter * (1 + 0.4 * shutter) * self._unit
        blur = (3.2 * line.focus - 1.4 + 0.9 * lens) * min(1, self._unit)
        return Exposure(
            smear=max(1, round(smear)),
            defocus=max(0, round(blur)),
            gain=gain.astype(np.uint16),
            noise=line.noise,
            chance=Chance(*line.name, 7, time),
        )


def _lay_over(canvas: UInt8Array, sprite: Sprite, row: int, column: int) -> None:
    """Draw a sprite whose corner is at (row, column), where it is on the canvas."""
    height, width = canvas.shape
    tall, wide = sprite.cover.shape
    top, bottom = max(row, 0), min(row + tall, height)
    left, right = max(3 * column, 0), min(3 * column + wide, width)
    if top >= bottom or left >= right:
        return
    inside = (slice(top - row, bottom - row), slice(left - 3 * column, right - 3 * column))
    below = canvas[top:bottom, left:right]
    taken = np.multiply(below, sprite.cover[inside], dtype=np.uint16)
    taken >>= 8
    below -= taken.astype(np.uint8)
    below += sprite.color[inside]


class _Recent(Generic[K, V]):
    """What was made for the last keys that were asked for."""

    def __init__(self, size: int, make: Callable[[K], V]) -> None:
        self._size = size
        self._make = make
        self._kept: OrderedDict[K, V] = OrderedDict()

    def __getitem__(self, key: K) -> V:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        value = self._kept[key] = self._make(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value
