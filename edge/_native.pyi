from collections.abc import Sequence

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
def decode_distances(
    heads: Sequence[Tensor],
    boxes: Sequence[Tensor] | None,
    strides: Sequence[float],
    bins: int,
    offset: float,
    score_threshold: float,
    multi_label: bool,
    logits: bool,
    target: str | None,
    /,
) -> _Columns: ...
def nms(
    boxes: Float32Array,
    scores: Float32Array,
    class_ids: Int32Array,
    iou_threshold: float,
    max_detections: int | None,
    class_agnostic: bool,
    target: str | None,
    /,
) -> Int32Array: ...
def targets() -> tuple[str, ...]: ...
def target() -> str: ...
