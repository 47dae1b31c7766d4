"""The kernels, as Python sees them: the one module that touches the compiled extension.

Arrays are borrowed, never copied: a wrong dtype or an unsupported stride is a TypeError, a wrong
shape or value a ValueError. The GIL is released. Every kernel gives the same bits on every SIMD
target; `target` names one of `targets()`, and None takes the best.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge import _native
from edge.types import (
    AnyArray,
    Candidates,
    Colour,
    Float32Array,
    Frame,
    Int32Array,
    Layout,
    Letterbox,
    Tensor,
)


def letterbox(
    frame: Frame,
    geometry: Letterbox,
    out: AnyArray,
    *,
    layout: Layout = "NCHW",
    colour: Colour = "RGB",
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    scale: Sequence[float] = (1 / 255, 1 / 255, 1 / 255),
    pad: Sequence[int] = (114, 114, 114),
    target: str | None = None,
) -> None:
    """Resize, pad, convert and normalise a frame into a network input.

    The pixels are those of `cv2.resize(INTER_LINEAR)` and `copyMakeBorder`, bit for bit.

    Args:
        frame: Any pixel format; rows contiguous, any row stride.
        geometry: Where the image goes; for an image of the frame's size.
        out: Overwritten. (3, H, W) or (1, 3, H, W) by "NCHW", rows contiguous; (H, W, 3) or
            (1, H, W, 3) by "NHWC", pixels contiguous. float32 takes (pixel - mean) * scale,
            uint8 the pixel, int8 the pixel minus 128.
        layout: Order of the axes of `out`.
        colour: Order of the channels of `out`.
        mean: Per channel, in the order of `colour`; float32 only.
        scale: Likewise.
        pad: Pixel value around the image, in the order of `colour`.
        target: SIMD target.

    Raises:
        TypeError: An array has another dtype, or gaps inside its rows.
        ValueError: A shape, the placement or the padding does not fit.
    """
    image, input_ = geometry.image, geometry.input
    _native.letterbox(
        frame.planes,
        frame.format,
        (image.height, image.width),
        (input_.height, input_.width),
        (geometry.top, geometry.left, geometry.resized.height, geometry.resized.width),
        out,
        layout == "NHWC",
        colour == "RGB",
        mean,
        scale,
        pad,
        target,
    )


def decode_rows(
    rows: Tensor,
    *,
    objectness: bool,
    score_threshold: float,
    multi_label: bool = False,
    corners: bool = False,
    target: str | None = None,
) -> Candidates:
    """The candidates of a table of boxes, one per row.

    Args:
        rows: (N, 5 + C) with objectness, else (N, 4 + C); any strides, so the transpose of a
            planar (4 + C, N) output will do. A box is centre x, centre y, width, height in
            pixels of the input; then objectness; then class scores, all probabilities.
        objectness: Whether column 4 is one. Then the score is objectness times class score, and
            the objectness itself must be above the threshold too.
        score_threshold: A candidate's score is greater than this.
        multi_label: Every class above the threshold, not only the best (the lowest of equals).
        corners: A box is x1, y1, x2, y2 instead.
        target: SIMD target.

    Returns:
        In the order of rows, then classes. Scores and boxes that are not finite are dropped.
    """
    return Candidates(
        *_native.decode_rows(rows, objectness, corners, score_threshold, multi_label, target)
    )


def decode_distances(
    heads: Sequence[Tensor],
    *,
    strides: Sequence[float],
    score_threshold: float,
    multi_label: bool = False,
    logits: bool = False,
    bins: int = 1,
    offset: float = 0.5,
    boxes: Sequence[Tensor] | None = None,
    target: str | None = None,
) -> Candidates:
    """The candidates of anchor-free heads: boxes as distances from each cell's point.

    Args:
        heads: One (C + 4 * bins, H, W) per level: class scores, then distances left, top, right,
            bottom in cells. Any strides that leave no gap between the rows of the grid: padded
            channels and transposed (H, W, C) are fine.
        strides: Pixels per cell, one per level.
        score_threshold: A candidate's score is greater than this.
        multi_label: Every class above the threshold, not only the best (the lowest of equals).
        logits: Class scores are logits; otherwise probabilities.
        bins: Above 1, a distance is the mean of a softmax over so many channels (distribution
            focal loss), all of one side together.
        offset: Of a cell's point from its corner, in cells.
        boxes: The distances, (4 * bins, H, W) per level, when they are tensors of their own;
            `heads` then holds the class scores alone.
        target: SIMD target.

    Returns:
        In the order of levels, cells, classes. Scores and boxes that are not finite are dropped.

    Source: Tian et al. 2019, arXiv:1904.01355, eq. 1; Li et al. 2020, arXiv:2006.04388, eq. 5.
    """
    return Candidates(
        *_native.decode_distances(
            heads, boxes, strides, bins, offset, score_threshold, multi_label, logits, target
        )
    )


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
    return _native.nms(
        boxes, scores, class_ids, iou_threshold, max_detections, class_agnostic, target
    )


def targets() -> tuple[str, ...]:
    """Names of the SIMD targets that run here, plainest first."""
    return _native.targets()


def target() -> str:
    """Name of the SIMD target in use."""
    return _native.target()
