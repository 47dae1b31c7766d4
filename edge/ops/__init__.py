"""The kernels, as Python sees them.

Arrays are borrowed, never copied: a wrong dtype or an unsupported stride is a TypeError, a wrong
shape or value a ValueError. The GIL is released. Every kernel gives the same bits on every SIMD
target; `target` names one of `targets()`, and None takes the best.
"""

from edge.ops.decoding import (
    decode_anchors,
    decode_boxes,
    decode_centres,
    decode_distances,
    decode_final,
    decode_peaks,
    decode_rows,
)
from edge.ops.extension import target, targets
from edge.ops.pixels import letterbox
from edge.ops.statistics import (
    MAGNITUDES,
    add_histogram,
    add_magnitudes,
    magnitude_percentile,
    value_range,
)
from edge.ops.suppression import matrix_nms, merge, nms, soft_nms

__all__ = [
    "MAGNITUDES",
    "add_histogram",
    "add_magnitudes",
    "decode_anchors",
    "decode_boxes",
    "decode_centres",
    "decode_distances",
    "decode_final",
    "decode_peaks",
    "decode_rows",
    "letterbox",
    "magnitude_percentile",
    "matrix_nms",
    "merge",
    "nms",
    "soft_nms",
    "target",
    "targets",
    "value_range",
]
