"""The images that a network is calibrated on, as the detector feeds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.quant.spec import fingerprint
from edge import ops
from edge.errors import CalibrationError
from edge.models.base import ModelSpec, Preprocessing
from edge.types import AnyArray, Float32Array, Frame, Letterbox, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Network inputs as bytes, a quarter of the memory of floats, and where the image is.

    Attributes:
        pixels: (N, 3, H, W) uint8, letterboxed, in the network's order of colors.
        placed: Of each.
        preprocessing: From bytes to what the network reads.
    """

    pixels: UInt8Array
    placed: tuple[Letterbox, ...]
    preprocessing: Preprocessing

    @classmethod
    def of(cls, images: Iterable[UInt8Array], spec: ModelSpec) -> Inputs:
        """Letterbox images; each is read once and let go.

        Args:
            images: (H, W, 3) uint8 BGR or (H, W) gray.
            spec: Of the network.

        Raises:
            CalibrationError: There are none.
            ValueError: One has another shape.
            TypeError: One is not uint8.
        """
        pre, size = spec.preprocessing, spec.input
        pixels, placed = [], []
        for image in images:
            frame = Frame.of(image)
            placed.append(Letterbox.fit(frame.size, size, pre.placement))
            pixels.append(np.empty((3, size.height, size.width), np.uint8))
            ops.letterbox(frame, placed[-1], pixels[-1], color=pre.color, pad=pre.pad)
        if not pixels:
            raise CalibrationError("there are no images to calibrate on")
        return cls(np.stack(pixels), tuple(placed), pre)

    def __len__(self) -> int:
        return len(self.placed)

    def take(self, chosen: Sequence[int]) -> Inputs:
        """Some of them, by number."""
        placed = tuple(self.placed[index] for index in chosen)
        return Inputs(self.pixels[list(chosen)], placed, self.preprocessing)

    def spread(self, count: int) -> list[int]:
        """The numbers of so many of them, evenly over all; of all, where there are fewer."""
        places = np.linspace(0, len(self) - 1, min(count, len(self)))
        results: list[int] = np.unique(places.round().astype(int)).tolist()
        return results

    @property
    def sha256(self) -> str:
        """Of the bytes that the network is fed."""
        return fingerprint.of_arrays([self.pixels])

    def real(self, index: int) -> Float32Array:
        """(1, 3, H, W): what the network reads."""
        pre = self.preprocessing
        mean, scale = (np.array(v, np.float32).reshape(3, 1, 1) for v in (pre.mean, pre.scale))
        values: Float32Array = (self.pixels[index].astype(np.float32) - mean) * scale
        return values[None]

    def image(self, index: int, values: AnyArray) -> AnyArray:
        """The part of a tensor that stems from the image and not from what is around it.

        Args:
            index: Of the input.
            values: (1, C, h, w) of any resolution; anything else is given back as it is.
        """
        if values.ndim != 4 or min(values.shape[2:]) == 1:
            return values
        at = self.placed[index]
        rows = _cells(at.top, at.resized.height, at.input.height, values.shape[2])
        columns = _cells(at.left, at.resized.width, at.input.width, values.shape[3])
        return values[:, :, rows, columns]

    def limits(self) -> tuple[float, float]:
        """The least and greatest value that the network may read."""
        pre = self.preprocessing
        ends = [
            (pixel - mean) * scale
            for mean, scale in zip(pre.mean, pre.scale, strict=True)
            for pixel in (0, 255)
        ]
        return min(ends), max(ends)


def _cells(start: int, length: int, pixels: int, cells: int) -> slice:
    """The cells that lie in a stretch of pixels, at least one."""
    first = round(start * cells / pixels)
    last = round((start + length) * cells / pixels)
    first = min(first, cells - 1)
    return slice(first, max(last, first + 1))
