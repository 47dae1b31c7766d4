"""Random numbers that are the same bits on every machine: counters, hashed by SplitMix64.

Everything here is integer arithmetic, or one IEEE operation per step (+ - * / and square root round
alike everywhere). No transcendental function of a C library is called, no NumPy generator, and no
sum whose order NumPy may choose; the rest of this package keeps to that too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edge.types import Float32Array, UInt8Array

T = TypeVar("T")

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


class Chance:
    """A stream of random numbers that a name, some integers, decides.

    Source: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators".
    """

    __slots__ = ("_state",)

    def __init__(self, *name: int) -> None:
        state = 0
        for number in name:
            state = _mix((state + _GOLDEN + number) & _MASK)
        self._state = state

    def word(self) -> int:
        """64 random bits."""
        self._state = (self._state + _GOLDEN) & _MASK
        return _mix(self._state)

    def uniform(self, low: float, high: float) -> float:
        """A number from `low` up to but without `high`."""
        return low + (high - low) * ((self.word() >> 11) * 2.0**-53)

    def below(self, count: int) -> int:
        """A whole number from 0 to count - 1."""
        return (self.word() * count) >> 64

    def happens(self, probability: float) -> bool:
        """True as often as that."""
        return self.uniform(0, 1) < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        """The next `count` words, as `word` would give them."""
        steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
        z = steps + np.array(self._state, np.uint64)
        self._state = (self._state + count * _GOLDEN) & _MASK
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        result: npt.NDArray[np.uint64] = z ^ (z >> np.uint64(31))
        return result

    def octets(self, count: int) -> UInt8Array:
        """(count,) uint8, every value as likely."""
        return self.words(-(-count // 8)).astype("<u8").view(np.uint8)[:count]


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def drift(name: tuple[int, ...], time: float) -> float:
    """Smooth noise in [-1, 1] over time: a random value at every whole `time`, eased between."""
    start = int(time // 1)
    t = time - start
    t = t * t * (3 - 2 * t)
    return (1 - t) * Chance(*name, start).uniform(-1, 1) + t * Chance(*name, start + 1).uniform(
        -1, 1
    )


def clouds(chance: Chance, height: int, width: int, cell: tuple[float, float]) -> Float32Array:
    """Smooth noise in [-1, 1], (height, width), whose right edge continues on its left.

    Args:
        chance: Decides it.
        height: Rows.
        width: Columns.
        cell: Rows and columns from one random value to the next.
    """
    rows = max(1, round(height / cell[0]))
    columns = max(1, round(width / cell[1]))
    grid = chance.octets((rows + 1) * columns).reshape(rows + 1, columns).astype(np.float32)
    grid = grid / np.float32(127.5) - np.float32(1)
    top, down = _ease(height, rows)
    left, across = _ease(width, columns)
    lines = grid[:, left] * (1 - across) + grid[:, (left + 1) % columns] * across
    mixed: Float32Array = lines[top] * (1 - down[:, None]) + lines[top + 1] * down[:, None]
    return mixed


def _ease(length: int, cells: int) -> tuple[npt.NDArray[np.int64], Float32Array]:
    place = np.arange(length, dtype=np.int64) * cells
    t = (place % length).astype(np.float32) / np.float32(length)
    return place // length, t * t * (3 - 2 * t)


def unit_vector(turn: float) -> tuple[float, float]:
    """Cosine and sine of an angle in turns, by series: a C library's differ in the last bit."""
    turn = turn % 1.0
    quarter = int(turn * 4)
    x = (turn - quarter * 0.25) * 6.283185307179586
    cosine = sine = 1.0
    for n in range(18, 0, -2):
        cosine = 1 - cosine * x * x / (n * (n - 1))
        sine = 1 - sine * x * x / (n * (n + 1))
    c, s = cosine, x * sine
    return ((c, s), (-s, c), (-c, -s), (s, -c))[quarter % 4]


def turns(y: Float32Array, x: Float32Array) -> Float32Array:
    """The angle of each point in turns, in [0, 1), to about 1e-4.

    Source: Abramowitz and Stegun 1964, 4.4.47.
    """
    ax, ay = np.abs(x), np.abs(y)
    t = np.minimum(ax, ay) / np.maximum(np.maximum(ax, ay), np.float32(1e-12))
    s = t * t
    angle = t * (0.9998660 + s * (-0.3302995 + s * (0.1801410 + s * (-0.0851330 + s * 0.0208351))))
    angle = angle * 0.15915494
    angle = np.where(ay > ax, 0.25 - angle, angle)
    angle = np.where(x < 0, 0.5 - angle, angle)
    angle = np.where(y < 0, 1 - angle, angle)
    result: Float32Array = angle.astype(np.float32)
    return result
