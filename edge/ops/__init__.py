"""The kernels, as Python sees them: those of the extension, each documented where it is bound.

Arrays are borrowed, never copied: a wrong dtype or an unsupported stride is a TypeError, a wrong
shape or value a ValueError, and both say what was found. Options go by keyword. The GIL is
released. Every kernel gives the same bits on every SIMD target; `target` names one of `targets()`,
and None takes the best.

Where nothing else is said, decoders give `Candidates` in the order of levels, points, classes, and
drop scores and boxes that are not finite. Every head may be a strided view, as long as there is no
gap between the rows of its grid: ncnn's padded channels and transposed (H, W, C) are fine.
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
