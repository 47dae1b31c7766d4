"""The kernels, as Python sees them: those of the extension, each documented where it is bound.

Arrays are borrowed, never copied: a wrong dtype or an unsupported stride is a TypeError, a wrong
shape or value a ValueError, and both say what was found. Options go by keyword. The GIL is
released. Every kernel gives the same bits on every SIMD target; `target` names one of `targets()`,
and None takes the best.

Where nothing else is said, decoders give `Candidates` in the order of levels, points, classes, and
drop scores and boxes that are not finite. Every head may be a strided view, as long as there is no
gap between the rows of its grid: ncnn's padded channels and transposed (H, W, C) are fine.

Example:
    >>> import numpy as np
    >>> from edge import Frame, Letterbox, Size, ops
    >>> from edge.types import Tensor
    >>> frame = Frame.of(np.full((480, 640, 3), 255, np.uint8))
    >>> out = np.empty((1, 3, 320, 320), np.float32)
    >>> ops.letterbox(frame, Letterbox.fit(frame.size, Size(320, 320)), out)
    >>> float(out[0, 0, 160, 160]), round(float(out[0, 0, 0, 0]), 3)  # the image, the padding
    (1.0, 0.447)
    >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 60, 10]], np.float32)
    >>> scores = np.array([0.9, 0.8, 0.7], np.float32)
    >>> ops.nms(boxes, scores, np.zeros(3, np.int32)).tolist()
    [0, 2]
    >>> ops.value_range(np.array([2, -1, np.nan, 0.5], np.float32))
    (-1.0, 2.0)
"""

from edge._native import (
    MAGNITUDES,
    add_magnitudes,
    decode_anchors,
    decode_boxes,
    decode_centers,
    decode_distances,
    decode_end2end,
    decode_peaks,
    decode_rows,
    letterbox,
    merge,
    nms,
    soft_nms,
    target,
    targets,
    value_range,
)
from edge.ops.statistics import magnitude_percentile

__all__ = [
    "MAGNITUDES",
    "add_magnitudes",
    "decode_anchors",
    "decode_boxes",
    "decode_centers",
    "decode_distances",
    "decode_end2end",
    "decode_peaks",
    "decode_rows",
    "letterbox",
    "magnitude_percentile",
    "merge",
    "nms",
    "soft_nms",
    "target",
    "targets",
    "value_range",
]
