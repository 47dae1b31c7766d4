"""From a network's outputs to candidate boxes.

Where nothing else is said, candidates come in the order of levels, points, classes, and scores and
boxes that are not finite are dropped. Every head may be a strided view, as long as there is no gap
between the rows of its grid: ncnn's padded channels and transposed (H, W, C) are fine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from edge.ops.extension import native
from edge.types import AnyArray, Candidates, Float32Array, Tensor

Activation: TypeAlias = Literal["none", "sigmoid", "softmax"]
Background: TypeAlias = Literal["first", "last"]


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

    Example:
        >>> import numpy as np
        >>> from edge import ops
        >>> from edge.types import Tensor
        >>> rows = Tensor(np.array([[50, 40, 20, 10, 0.1, 0.8]], np.float32))  # two classes
        >>> found = ops.decode_rows(rows, objectness=False, score_threshold=0.5)
        >>> found.boxes.tolist(), found.class_ids.tolist()
        ([[40.0, 35.0, 60.0, 45.0]], [1])
    """
    return Candidates(
        *native.decode_rows(rows, objectness, corners, score_threshold, multi_label, target)
    )


def decode_boxes(
    scores: Tensor,
    boxes: Tensor,
    *,
    score_threshold: float,
    multi_label: bool = False,
    activation: Activation = "none",
    background: Background | None = None,
    corners: bool = False,
    scale: tuple[float, float] = (1.0, 1.0),
    priors: Float32Array | None = None,
    variances: tuple[float, float] = (0.1, 0.2),
    most: int | None = None,
    target: str | None = None,
) -> Candidates:
    """The candidates of boxes and scores that are tensors of their own, on no grid.

    Args:
        scores: (N, C), any strides.
        boxes: (N, 4), any strides: centre x, centre y, width, height.
        score_threshold: A candidate's score is greater than this.
        multi_label: Every class above the threshold, not only the best (the lowest of equals).
        activation: From what `scores` holds to a score.
        background: Which column of `scores` takes part in the softmax but is no class. Class ids
            count the others from 0.
        corners: A box is x1, y1, x2, y2 instead.
        scale: Input pixels per unit of the boxes, horizontally and vertically; the size of the
            input when they are relative to it.
        priors: (N, 4) contiguous centre x, centre y, width, height, in the unit of `scale`, which
            the boxes are offsets from (SSD).
        variances: Of the offsets of centre and size; with `priors` only.
        most: Only so many of the best, best first; for networks that need no suppression.
        target: SIMD target.

    Source: Carion et al. 2020, arXiv:2005.12872; Liu et al. 2016, arXiv:1512.02325, eq. 2.
    """
    return Candidates(
        *native.decode_boxes(
            scores,
            boxes,
            score_threshold,
            multi_label,
            activation,
            background,
            corners,
            scale,
            priors,
            variances,
            most,
            target,
        )
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
    centreness: Sequence[Tensor] | None = None,
    root: bool = False,
    in_pixels: bool = False,
    target: str | None = None,
) -> Candidates:
    """The candidates of anchor-free heads: boxes as distances from each cell's point.

    Args:
        heads: One (C + 4 * bins, H, W) per level: class scores, then distances left, top, right,
            bottom in cells.
        strides: Pixels per cell, one per level.
        score_threshold: A candidate's score is greater than this.
        multi_label: Every class above the threshold, not only the best (the lowest of equals).
        logits: Class scores are logits; otherwise probabilities.
        bins: Above 1, a distance is the mean of a softmax over so many channels (distribution
            focal loss), all of one side together.
        offset: Of a cell's point from its corner, in cells.
        boxes: The distances, (4 * bins, H, W) per level, when they are tensors of their own;
            `heads` then holds the class scores alone.
        centreness: (1, H, W) per level, of the dtype of the class scores, which it multiplies.
            It must itself be above the threshold too (its square, with `root`).
        root: The score is the square root of that product.
        in_pixels: Distances are in pixels of the input.
        target: SIMD target.

    Source: Tian et al. 2019, arXiv:1904.01355, eq. 1; Li et al. 2020, arXiv:2006.04388, eq. 5.
    """
    return Candidates(
        *native.decode_distances(
            heads,
            boxes,
            centreness,
            strides,
            bins,
            offset,
            in_pixels,
            score_threshold,
            multi_label,
            logits,
            root,
            target,
        )
    )


def decode_centres(
    heads: Sequence[Tensor],
    *,
    strides: Sequence[float],
    score_threshold: float,
    multi_label: bool = False,
    logits: bool = False,
    objectness: bool = True,
    boxes: Sequence[Tensor] | None = None,
    objects: Sequence[Tensor] | None = None,
    target: str | None = None,
) -> Candidates:
    """The candidates of anchor-free heads: a centre in each cell and the logarithm of a size.

    Args:
        heads: One (5 + C, H, W) per level, or (4 + C, H, W) without objectness: x and y of the
            centre from the cell's corner and the logarithms of width and height, in cells; then
            objectness; then class scores.
        strides: Pixels per cell, one per level.
        score_threshold: A candidate's score is greater than this.
        multi_label: Every class above the threshold, not only the best (the lowest of equals).
        logits: Objectness and class scores are logits; otherwise probabilities.
        objectness: Whether there is one; as in `decode_rows`.
        boxes: Centres and sizes, (4, H, W) per level, when they are tensors of their own; `heads`
            then holds the class scores alone.
        objects: With `boxes`: the objectness, (1, H, W) per level, of the dtype of the class
            scores.
        target: SIMD target.

    Source: Ge et al. 2021, arXiv:2107.08430.
    """
    return Candidates(
        *native.decode_centres(
            heads,
            boxes,
            objects,
            strides,
            score_threshold,
            multi_label,
            logits,
            objectness,
            target,
        )
    )


def decode_anchors(
    heads: Sequence[Tensor],
    *,
    anchors: Sequence[Sequence[tuple[float, float]]],
    strides: Sequence[float],
    score_threshold: float,
    multi_label: bool = False,
    logits: bool = True,
    objectness: bool = True,
    target: str | None = None,
) -> Candidates:
    """The candidates of heads with anchors, as YOLOv5 and YOLOv7 have them.

    Args:
        heads: One per level, (A * (5 + C), H, W) or (A, 5 + C, H, W), all of an anchor together:
            x, y, width, height, objectness, class scores. The transpose of (A, H, W, 5 + C) will
            do as well.
        anchors: Per level A pairs of width and height in pixels.
        strides: Pixels per cell, one per level.
        score_threshold: A candidate's score is greater than this.
        multi_label: Every class above the threshold, not only the best (the lowest of equals).
        logits: The sigmoid of all channels is still to be taken.
        objectness: Whether there is one (else 4 + C channels); as in `decode_rows`.
        target: SIMD target.

    Returns:
        In the order of levels, anchors, cells, classes.

    Source: Wang et al. 2021, arXiv:2011.08036.
    """
    return Candidates(
        *native.decode_anchors(
            heads, anchors, strides, score_threshold, multi_label, logits, objectness, target
        )
    )


def decode_peaks(
    heat: Tensor,
    sizes: Tensor,
    offsets: Tensor | None = None,
    *,
    stride: float,
    score_threshold: float,
    logits: bool = False,
    most: int | None = 100,
    target: str | None = None,
) -> Candidates:
    """The candidates of a heat map: cells that none of their eight neighbours exceeds.

    Args:
        heat: (C, H, W) scores.
        sizes: (2, H, W) width and height, in cells.
        offsets: (2, H, W) x and y of the centre from the cell's corner; None for its middle.
        stride: Pixels per cell.
        score_threshold: A candidate's score is greater than this.
        logits: `heat` holds logits.
        most: Only so many of the best; None for all.
        target: SIMD target.

    Returns:
        Best first; without `most`, in the order of classes, cells.

    Source: Zhou et al. 2019, arXiv:1904.07850, sec. 4.
    """
    return Candidates(
        *native.decode_peaks(heat, sizes, offsets, stride, score_threshold, logits, most, target)
    )


def decode_final(
    boxes: Tensor,
    scores: Tensor,
    class_ids: AnyArray,
    *,
    score_threshold: float,
    corners: bool = True,
    scale: tuple[float, float] = (1.0, 1.0),
) -> Candidates:
    """The candidates of a network that suppresses by itself: padding and weak ones removed.

    Args:
        boxes: (N, 4), any strides.
        scores: (N,), any stride.
        class_ids: (N,) float32, int32 or int64, any stride; rows below 0 are padding.
        score_threshold: A candidate's score is greater than this.
        corners: A box is x1, y1, x2, y2; otherwise centre x, centre y, width, height.
        scale: Input pixels per unit of the boxes, horizontally and vertically.
    """
    return Candidates(
        *native.decode_final(boxes, scores, class_ids, score_threshold, corners, scale)
    )
