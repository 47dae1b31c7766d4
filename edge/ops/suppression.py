"""Of boxes that overlap, the best."""

from __future__ import annotations

from edge.ops.extension import native
from edge.types import Float32Array, Int32Array


def nms(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    *,
    iou_threshold: float = 0.45,
    max_detections: int | None = None,
    class_agnostic: bool = False,
    target: str | None = None,
) -> Int32Array:
    """Greedy non-maximum suppression, class by class.

    Args:
        boxes: (N, 4) float32 corners; rows contiguous, any row stride.
        scores: (N,) float32, any stride.
        class_ids: (N,) int32, any stride; boxes of different classes never suppress each other.
        iou_threshold: A box is dropped when its overlap with a better one is greater.
        max_detections: At most this many are returned; None for no limit.
        class_agnostic: Classes do not matter.
        target: SIMD target.

    Returns:
        (K,) int32 indices into `boxes`, best score first, the lower index first among equals.
        Boxes and scores that are not finite are dropped. Boxes without area, or with corners the
        wrong way round, overlap nothing.
    """
    return native.nms(
        boxes, scores, class_ids, iou_threshold, max_detections, class_agnostic, target
    )
