"""What the counts of `add_magnitudes` say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def magnitude_percentile(counts: npt.NDArray[np.int64], percent: float) -> float:
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
        raise ValueError(f"percent must be 0 to 100, got {percent}")
    finite = np.cumsum(counts[:0x7F80])
    if finite[-1] == 0:
        return 0.0
    rank = max(1, int(np.ceil(finite[-1] * percent / 100)))
    place = int(np.searchsorted(finite, rank))
    upper = np.array([place << 16 | 0xFFFF], np.uint32).view(np.float32)
    return float(upper[0]) if place else 0.0
