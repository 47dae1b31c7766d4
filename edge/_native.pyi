from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from edge.types import (
    AnyArray,
    Candidates,
    Color,
    Float32Array,
    Frame,
    Int32Array,
    Layout,
    Letterbox,
    Tensor,
)

MAGNITUDES: int

def letterbox(
    frame: Frame,
    geometry: Letterbox,
    out: AnyArray,
    *,
    layout: Layout = "NCHW",
    color: Color = "RGB",
    mean: Sequence[float] = ...,
    scale: Sequence[float] = ...,
    pad: Sequence[int] = ...,
    target: str | None = None,
) -> None: ...
def decode_rows(
    rows: Tensor,
    *,
    objectness: bool,
    score_threshold: float,
    multi_label: bool = False,
    corners: bool = False,
    target: str | None = None,
) -> Candidates: ...
def decode_boxes(
    scores: Tensor,
    boxes: Tensor,
    *,
    score_threshold: float,
    multi_label: bool = False,
    activation: Literal["none", "sigmoid", "softmax"] = "none",
    background: Literal["first", "last"] | None = None,
    corners: bool = False,
    scale: tuple[float, float] = ...,
    priors: Float32Array | None = None,
    variances: tuple[float, float] = ...,
    limit: int | None = None,
    target: str | None = None,
) -> Candidates: ...
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
    centerness: Sequence[Tensor] | None = None,
    sqrt: bool = False,
    in_pixels: bool = False,
    target: str | None = None,
) -> Candidates: ...
def decode_centers(
    heads: Sequence[Tensor],
    *,
    strides: Sequence[float],
    score_threshold: float,
    multi_label: bool = False,
    logits: bool = False,
    boxes: Sequence[Tensor] | None = None,
    objectness: Sequence[Tensor] | None = None,
    target: str | None = None,
) -> Candidates: ...
def decode_anchors(
    heads: Sequence[Tensor],
    *,
    anchors: Sequence[Sequence[tuple[float, float]]],
    strides: Sequence[float],
    score_threshold: float,
    multi_label: bool = False,
    logits: bool = True,
    objectness: bool = True,
    spreads: Sequence[float] | None = None,
    exponential: bool = False,
    target: str | None = None,
) -> Candidates: ...
def decode_peaks(
    heat: Tensor,
    sizes: Tensor,
    offsets: Tensor | None = None,
    *,
    stride: float,
    score_threshold: float,
    logits: bool = False,
    limit: int | None = 100,
    target: str | None = None,
) -> Candidates: ...
def decode_end2end(
    boxes: Tensor,
    scores: Tensor,
    class_ids: AnyArray,
    *,
    score_threshold: float,
    corners: bool = True,
    scale: tuple[float, float] = ...,
) -> Candidates: ...
def nms(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    *,
    iou_threshold: float = 0.45,
    max_detections: int | None = None,
    top_k: int | None = None,
    class_agnostic: bool = False,
    target: str | None = None,
) -> Int32Array: ...
def soft_nms(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    *,
    decay: Literal["linear", "gaussian"] = "gaussian",
    sigma: float = 0.5,
    iou_threshold: float = 0.3,
    score_threshold: float = 0.001,
    max_detections: int | None = None,
    top_k: int | None = None,
    class_agnostic: bool = False,
) -> tuple[Int32Array, Float32Array]: ...
def merge(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    *,
    iou_threshold: float = 0.55,
    max_detections: int | None = None,
    top_k: int | None = None,
    class_agnostic: bool = False,
) -> Candidates: ...
def value_range(values: Float32Array, *, target: str | None = None) -> tuple[float, float]: ...
def add_magnitudes(values: Float32Array, counts: npt.NDArray[np.int64]) -> None: ...
def targets() -> tuple[str, ...]: ...
def target() -> str: ...
