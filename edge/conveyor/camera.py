"""What the camera makes of the scene: blur, light, noise; per frame in integers only.

Pixels are as cameras give them, gamma-encoded, which is near the square root of the light. So the
noise of single photons, the square root of their number, is here as strong at every level; that of
reading the sensor fades the brighter it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge.conveyor.chance import Chance, clouds
from edge.types import Size, UInt8Array

UInt16Array = npt.NDArray[np.uint16]
Int8Array = npt.NDArray[np.int8]

_BANK = 1 << 18
_STRIP = 32  # rows that stay in a CPU's cache through all the steps


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one frame is taken.

    Attributes:
        smear: Columns that things move while the shutter is open.
        defocus: How many times the image is softened by 1 2 1.
        gain: (H,) uint16, of each row; 128 leaves values as they are. Up to 256.
        noise: Of photons and of reading, the second added in black: standard deviations in 1/32
            level, together at most 255.
        chance: Decides the noise.
    """

    smear: int
    defocus: int
    gain: UInt16Array
    noise: tuple[int, int]
    chance: Chance


class Camera:
    """A lens and a sensor.

    Args:
        chance: Decides lamps and noise.
        size: Of the image.
        unit: Pixels per scene unit.
    """

    def __init__(self, chance: Chance, size: Size, unit: float) -> None:
        self._size = size
        self._reach = max(1, round(unit))
        self._light = _light(chance, size)
        self._bank = _bell(chance, _BANK + _STRIP * 3 * size.width)

    def soften(self, canvas: UInt8Array, exposure: Exposure) -> UInt8Array:
        """The canvas after motion blur and defocus; both repeat its edge pixels outside."""
        if exposure.smear > 1:
            canvas = _smear(canvas, exposure.smear)
        for _ in range(exposure.defocus):
            canvas = _three(canvas, self._reach)
        return canvas

    def expose(self, canvas: UInt8Array, exposure: Exposure) -> UInt8Array:
        """The image, (H, W, 3), of a canvas (H, 3W): lamps, vignette, flicker and noise."""
        image = np.empty_like(canvas)
        photons, reading = exposure.noise
        for top in range(0, self._size.height, _STRIP):
            rows = slice(top, min(top + _STRIP, self._size.height))
            light = self._light[rows] * exposure.gain[rows, None]
            light >>= 8
            light *= canvas[rows]
            light >>= 7
            np.minimum(light, 255, out=light)
            value = light.view(np.int16)
            start = exposure.chance.below(_BANK)
            noise = self._bank[start : start + value.size].reshape(value.shape)
            strength = 255 - value
            strength *= reading
            strength >>= 8
            strength += photons
            strength *= noise
            strength += 1 << 9
            strength >>= 10
            value += strength
            np.clip(value, 0, 255, out=value)
            image[rows] = value
        return image.reshape(self._size.height, self._size.width, 3)


def _smear(canvas: UInt8Array, length: int) -> UInt8Array:
    rows, width = canvas.shape
    left = (length - 1) // 2
    padded = np.empty((rows, width + 3 * (length - 1)), np.uint16)
    padded[:, 3 * left : 3 * left + width] = canvas
    for i in range(left):
        padded[:, 3 * i : 3 * i + 3] = canvas[:, :3]
    for i in range(length - 1 - left):
        end = 3 * left + width + 3 * i
        padded[:, end : end + 3] = canvas[:, -3:]
    total = padded[:, :width] + np.uint16(length // 2)
    for i in range(1, length):
        total += padded[:, 3 * i : 3 * i + width]
    total //= np.uint16(length)
    smeared: UInt8Array = total.astype(np.uint8)
    return smeared


def _three(canvas: UInt8Array, radius: int) -> UInt8Array:
    """Weights 1 2 1 down and across, `radius` pixels apart, in one rounding."""
    rows = np.pad(canvas, ((radius, radius), (0, 0)), "edge").astype(np.uint16)
    down = rows[: -2 * radius] + rows[2 * radius :]
    down += rows[radius:-radius]
    down += rows[radius:-radius]
    both = down + down
    step = 3 * radius
    both[:, step:] += down[:, :-step]
    both[:, :-step] += down[:, step:]
    both[:, :step] += down[:, :step]
    both[:, -step:] += down[:, -step:]
    both += np.uint16(8)
    both >>= 4
    return both.astype(np.uint8)


def _light(chance: Chance, size: Size) -> UInt16Array:
    """(H, 3W), up to 255: vignette, uneven lamps and their color."""
    height, width = size.height, size.width
    y = (2 * np.arange(height, dtype=np.float32) + 1 - height) / np.float32(width)
    x = (2 * np.arange(width, dtype=np.float32) + 1 - width) / np.float32(width)
    away = (y * y)[:, None] + x * x
    vignette = 1 - np.float32(chance.uniform(0.05, 0.3)) * away
    lamps = clouds(chance, height, width, (height * 0.7, width * 0.45))
    lit = vignette * (1 + lamps * np.float32(chance.uniform(0.03, 0.14)))
    lit = lit / lit.max()
    warm = chance.uniform(-0.1, 0.1)
    green = chance.uniform(-0.03, 0.03)
    tint = np.array([1 - warm, 1 + green, 1 + warm], np.float32)
    tint = tint / tint.max()
    light: UInt16Array = (lit[..., None] * tint * np.float32(255) + np.float32(0.5)).astype(
        np.uint16
    )
    return light.reshape(height, -1)


def _bell(chance: Chance, count: int) -> Int8Array:
    """(count,) int8 close to a normal distribution of standard deviation 32.

    As sensors with color filters give it, neighbors of one color share half of it.
    """
    total = np.zeros(count + 3, np.int32)
    for _ in range(4):
        total += chance.octets(count + 3)
    total -= 510  # four uniform octets: standard deviation 148, so of the sum of two 209
    shared = total[3:] + total[:-3]
    bell: Int8Array = np.clip(shared * 32 // 209, -127, 127).astype(np.int8)
    return bell
