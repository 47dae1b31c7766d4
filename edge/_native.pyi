from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge.types import AnyArray, Float32Array, Int32Array, Tensor, UInt8Array

_Columns = tuple[Float32Array, Float32Array, Int32Array]

def letterbox(
    planes: tuple[UInt8Array, ...],
    pixel_format: str,
    image_size: tuple[int, int],
    input_size: tuple[int, int],
    place: tuple[int, int, int, int],
    out: AnyArray,
    interleaved: bool,
    rgb: bool,
    mean: Sequence[float],
    scale: Sequence[float],
    pad: Sequence[int],
    target: str | None,
    /,
) -> None: ...
def decode_rows(
    rows: Tensor,
    objectness: bool,
    corners: bool,
    score_threshold: float,
    multi_label: bool,
    target: str | None,
    /,
) -> _Columns: ...
def decode_boxes(
    scores: Tensor,
    boxes: Tensor,
    score_threshold: float,
    multi_label: bool,
    activation: str,
    background: str | None,
    corners: bool,
    scale: tuple[float, float],
    priors: Float32Array | None,
    variances: tuple[float, float],
    most: int | None,
    target: str | None,
    /,
) -> _Columns: ...
def decode_distances(
    heads: Sequence[Tensor],
    boxes: Sequence[Tensor] | None,
    centreness: Sequence[Tensor] | None,
    strides: Sequence[float],
    bins: int,
    offset: float,
    in_pixels: bool,
    score_threshold: float,
    multi_label: bool,
    logits: bool,
    root: bool,
    target: str | None,
    /,
) -> _Columns: ...
def decode_centres(
    heads: Sequence[Tensor],
    boxes: Sequence[Tensor] | None,
    objects: Sequence[Tensor] | None,
    strides: Sequence[float],
    score_threshold: float,
    multi_label: bool,
    logits: bool,
    objectness: bool,
    target: str | None,
    /,
) -> _Columns: ...
def decode_anchors(
    heads: Sequence[Tensor],
    anchors: Sequence[Sequence[tuple[float, float]]],
    strides: Sequence[float],
    score_threshold: float,
    multi_label: bool,
    logits: bool,
    objectness: bool,
    target: str | None,
    /,
) -> _Columns: ...
def decode_peaks(
    heat: Tensor,
    sizes: Tensor,
    offsets: Tensor | None,
    stride: float,
    score_threshold: float,
    logits: bool,
    most: int | None,
    target: str | None,
    /,
) -> _Columns: ...
def decode_final(
    boxes: Tensor,
    scores: Tensor,
    class_ids: AnyArray,
    score_threshold: float,
    corners: bool,
    scale: tuple[float, float],
    /,
) -> _Columns: ...
def nms(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    iou_threshold: float,
    max_detections: int | None,
    top_k: int | None,
    class_agnostic: bool,
    centre_distance: bool,
    target: str | None,
    /,
) -> Int32Array: ...
def soften(
    matrix: bool,
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    decay: str,
    sigma: float,
    iou_threshold: float,
    score_threshold: float,
    max_detections: int | None,
    top_k: int | None,
    class_agnostic: bool,
    /,
) -> tuple[Int32Array, Float32Array]: ...
def merge(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    iou_threshold: float,
    max_detections: int | None,
    top_k: int | None,
    class_agnostic: bool,
    /,
) -> _Columns: ...
def value_range(values: Float32Array, target: str | None, /) -> tuple[float, float]: ...
def add_histogram(
    values: Float32Array, low: float, high: float, counts: npt.NDArray[np.int64], /
) -> None: ...
def add_magnitudes(values: Float32Array, counts: npt.NDArray[np.int64], /) -> None: ...
def targets() -> tuple[str, ...]: ...
def target() -> str: ...
