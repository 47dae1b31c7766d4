"""Of boxes that overlap, the best, or the worse ones weakened, or their mean.

Everywhere: `boxes` is (N, 4) float32 corners, rows contiguous, any row stride; `scores` (N,)
float32 and `class_ids` (N,) int32 of any stride. Boxes and scores that are not finite are dropped.
Boxes without area, or with corners the wrong way round, overlap nothing. Among equal scores the
lower index comes first. Nothing depends on the clock.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from edge.ops.extension import native
from edge.types import Candidates, Float32Array, Int32Array

Decay: TypeAlias = Literal["linear", "gaussian"]


def nms(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    *,
    iou_threshold: float = 0.45,
    max_detections: int | None = None,
    top_k: int | None = None,
    class_agnostic: bool = False,
    centre_distance: bool = False,
    target: str | None = None,
) -> Int32Array:
    """Greedy non-maximum suppression, class by class.

    Args:
        boxes: See the module.
        scores: See the module.
        class_ids: Boxes of different classes never suppress each other.
        iou_threshold: A box is dropped when its overlap with a better one is greater.
        max_detections: At most this many are returned; None for no limit.
        top_k: Only so many of the best are looked at; None for all.
        class_agnostic: Classes do not matter.
        centre_distance: The overlap is IoU less the squared distance of the centres over the
            squared diagonal of what encloses both (DIoU).
        target: SIMD target.

    Returns:
        (K,) int32 indices into `boxes`, best score first.

    Example:
        >>> import numpy as np
        >>> from edge import ops
        >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 60, 10]], np.float32)
        >>> scores = np.array([0.9, 0.8, 0.7], np.float32)
        >>> ops.nms(boxes, scores, np.zeros(3, np.int32)).tolist()
        [0, 2]

    Source: Zheng et al. 2020, arXiv:1911.08287, for the distance.
    """
    return native.nms(
        boxes,
        scores,
        class_ids,
        iou_threshold,
        max_detections,
        top_k,
        class_agnostic,
        centre_distance,
        target,
    )


def soft_nms(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    *,
    decay: Decay = "gaussian",
    sigma: float = 0.5,
    iou_threshold: float = 0.3,
    score_threshold: float = 0.001,
    max_detections: int | None = None,
    top_k: int | None = None,
    class_agnostic: bool = False,
) -> tuple[Int32Array, Float32Array]:
    """Suppression that lowers the scores of overlapped boxes instead of dropping them.

    Args:
        boxes: See the module.
        scores: See the module.
        class_ids: Boxes of different classes never weaken each other.
        decay: "linear": times 1 - IoU where IoU is above the threshold. "gaussian": times
            e^(-IoU^2 / sigma).
        sigma: Of the gaussian.
        iou_threshold: Of the linear decay.
        score_threshold: A box is dropped unless its lowered score is greater.
        max_detections: At most this many are returned; None for no limit.
        top_k: Only so many of the best are looked at; None for all.
        class_agnostic: Classes do not matter.

    Returns:
        (K,) int32 indices into `boxes` and (K,) float32 lowered scores, best first.

    Source: Bodla et al. 2017, arXiv:1704.04503.
    """
    return native.soften(
        False,
        boxes,
        scores,
        class_ids,
        decay,
        sigma,
        iou_threshold,
        score_threshold,
        max_detections,
        top_k,
        class_agnostic,
    )


def matrix_nms(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    *,
    decay: Decay = "gaussian",
    sigma: float = 2.0,
    score_threshold: float = 0.001,
    max_detections: int | None = None,
    top_k: int | None = None,
    class_agnostic: bool = False,
) -> tuple[Int32Array, Float32Array]:
    """Scores lowered all at once, by the overlaps with better boxes that count themselves.

    Args:
        boxes: See the module.
        scores: See the module.
        class_ids: Boxes of different classes never weaken each other.
        decay: 1 - IoU ("linear") or e^(-sigma * IoU^2) ("gaussian"), divided by the same of the
            better box's own greatest overlap.
        sigma: Of the gaussian.
        score_threshold: A box is dropped unless its lowered score is greater.
        max_detections: At most this many are returned; None for no limit.
        top_k: Only so many of the best are looked at; None for all.
        class_agnostic: Classes do not matter.

    Returns:
        (K,) int32 indices into `boxes` and (K,) float32 lowered scores, best first.

    Source: Wang et al. 2020, arXiv:2003.10152, eq. 4 and 5.
    """
    return native.soften(
        True,
        boxes,
        scores,
        class_ids,
        decay,
        sigma,
        0.0,
        score_threshold,
        max_detections,
        top_k,
        class_agnostic,
    )


def merge(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    *,
    iou_threshold: float = 0.55,
    max_detections: int | None = None,
    top_k: int | None = None,
    class_agnostic: bool = False,
) -> Candidates:
    """Overlapping boxes become their mean, weighted by score (weighted boxes fusion).

    Args:
        boxes: See the module.
        scores: Those of 0 or less are dropped.
        class_ids: Boxes of different classes are never merged.
        iou_threshold: A box joins the cluster whose mean it overlaps most, if by more than this.
        max_detections: At most this many are returned; None for no limit.
        top_k: Only so many of the best are looked at; None for all.
        class_agnostic: Classes do not matter; a cluster has that of its best box.

    Returns:
        One box per cluster with the mean of its scores, best first.

    Example:
        >>> import numpy as np
        >>> from edge import ops
        >>> boxes = np.array([[0, 0, 10, 10], [2, 0, 12, 10]], np.float32)
        >>> ops.merge(boxes, np.full(2, 0.5, np.float32), np.zeros(2, np.int32)).boxes.tolist()
        [[1.0, 0.0, 11.0, 10.0]]

    Source: Solovyev et al. 2021, arXiv:1910.13302, sec. 3, for one model.
    """
    return Candidates(
        *native.merge(
            boxes, scores, class_ids, iou_threshold, max_detections, top_k, class_agnostic
        )
    )
