"""Which images are worth keeping: not black, not blurred out, and not the same again.

The limits were set on photographs of COCO, blood smears and `test:conveyor`: none of those is
refused, and all of them are once blurred by a Gaussian of 8 pixels or covered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.io import opencv
from edge.io.draw import bgr
from edge.types import Float32Array, Frame

_SIDE = 32  # cells on a side of what images are compared by
_WIDTH = 320  # pixels on the longer side of what detail is measured on
_DARK = 12.0  # levels of 255
_FLAT = 4.0  # levels, standard deviation
_BLURRED = 4.0  # variance of the Laplacian: 17 and more in sharp images, 1 to 4 in blurred ones
_CELLS = 10  # an object that came or went changes at least so many cells
_SAME = 6.0  # levels; noise of a camera gives 1 to 2, another scene 10 and more


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is compared of an image.

    Attributes:
        cells: (32, 32) float32: mean luma of the parts of the image, 0-255.
        mean: Luma of the whole.
        spread: Its standard deviation.
        detail: Variance of the Laplacian, at 320 pixels on the longer side.
    """

    cells: Float32Array
    mean: float
    spread: float
    detail: float


def look(frame: Frame) -> Look:
    """Measure an image.

    Raises:
        NotInstalledError: OpenCV is not installed.
    """
    cv2 = opencv.load("comparing images")
    gray = cv2.cvtColor(bgr(frame), cv2.COLOR_BGR2GRAY)
    ratio = _WIDTH / max(gray.shape)
    size = tuple(max(1, round(side * ratio)) for side in gray.shape[::-1])
    small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    cells = cv2.resize(gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = float(cv2.Laplacian(small, cv2.CV_32F).var())
    return Look(cells, float(small.mean()), float(small.std()), detail)


def fault(shown: Look) -> str | None:
    """Why nothing can be learned from an image: "black", "blank" or "blurred"; None where not."""
    if shown.mean < _DARK and shown.spread < _DARK:
        return "black"
    if shown.spread < _FLAT:
        return "blank"
    return "blurred" if shown.detail < _BLURRED else None


def is_duplicate(one: Look, other: Look) -> bool:
    """Whether two images show the same: noise apart, no object came, went or moved."""
    apart = np.abs(one.cells - other.cells).reshape(-1)
    return bool(np.partition(apart, -_CELLS)[-_CELLS:].mean() < _SAME)
