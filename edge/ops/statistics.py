"""What calibration accumulates over gigabytes of activations, at the speed of memory.

Everywhere: `values` is a contiguous float32 array of any shape.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.ops.extension import native
from edge.types import Float32Array

Counts = npt.NDArray[np.int64]

MAGNITUDES = 32768  # bins that `add_magnitudes` counts in


def value_range(values: Float32Array, *, target: str | None = None) -> tuple[float, float]:
    """The least and the greatest of the finite values; (inf, -inf) when there are none.

    Example:
        >>> import numpy as np
        >>> from edge import ops
        >>> ops.value_range(np.array([2, -1, np.nan, 0.5], np.float32))
        (-1.0, 2.0)
    """
    return native.value_range(values, target)


def add_histogram(values: Float32Array, counts: Counts, *, low: float, high: float) -> None:
    """Add to `counts` how many values lie in each of its equal bins of [low, high].

    Args:
        values: Those outside count in the first or last bin, not-a-numbers not at all.
        counts: (bins,) int64, added to in place.
        low: Where the first bin starts.
        high: Where the last bin ends.

    Raises:
        ValueError: Not low < high, or no bins.
    """
    native.add_histogram(values, low, high, counts)


def add_magnitudes(values: Float32Array, counts: Counts) -> None:
    """Add to `counts` how many magnitudes have each upper half of float32's bits.

    Such bins need no range beforehand, so one pass over the data is enough, and they are at most
    1/128 of their value wide.

    Args:
        values: Any; infinities and not-a-numbers have bins of their own.
        counts: (MAGNITUDES,) int64, added to in place.
    """
    native.add_magnitudes(values, counts)


def magnitude_percentile(counts: Counts, percent: float) -> float:
    """The magnitude that `percent` of the finite values counted by `add_magnitudes` do not exceed.

    Args:
        counts: (MAGNITUDES,) int64.
        percent: 0 to 100.

    Returns:
        The upper edge of the bin, so at most 1/128 too high; 0 when nothing was counted.

    Raises:
        ValueError: `percent` is outside 0-100.

    Example:
        >>> import numpy as np
        >>> from edge import ops
        >>> counts = np.zeros(ops.MAGNITUDES, np.int64)
        >>> ops.add_magnitudes(np.arange(101, dtype=np.float32), counts)
        >>> 90 <= ops.magnitude_percentile(counts, 90) <= 90 * (1 + 1 / 128)
        True
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"percent is 0 to 100, got {percent}")
    finite = np.cumsum(counts[:0x7F80])
    if finite[-1] == 0:
        return 0.0
    rank = max(1, int(np.ceil(finite[-1] * percent / 100)))
    place = int(np.searchsorted(finite, rank))
    upper = np.array([place << 16 | 0xFFFF], np.uint32).view(np.float32)
    return float(upper[0]) if place else 0.0
