"""YOLOv6 0.1 to 0.4: anchor-free, three levels (four for the P6 models).

Source: Li et al. 2022, arXiv:2209.02976, and what the official exports emit:
- "rows": one output (N, 5 + C), decoded in the graph: centre x, centre y, width, height in input
  pixels, objectness (exactly 1 from release 0.2 on) and class probabilities;
- "heads": per level (C + 4, H, W): class probabilities, then the distances from the cell's centre
  to the left, top, right and bottom side, in cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from edge import ops
from edge.models.base import Family, Form, ModelSpec, Preprocessing, Recognition
from edge.models.shapes import expect_channels, points, pyramid
from edge.types import Candidates, Size, Tensor

STRIDES = ((8, 16, 32), (8, 16, 32, 64))


def decode_rows(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "rows"; see `edge.models.base.Decode`."""
    (rows,) = outputs
    expect_channels("columns", rows.values.shape[-1], 5 + len(spec.labels))
    return ops.decode_rows(
        rows, objectness=True, score_threshold=score_threshold, multi_label=multi_label
    )


def decode_heads(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
) -> Candidates:
    """Read "heads"; see `edge.models.base.Decode`."""
    for head in outputs:
        expect_channels("channels", head.values.shape[-3], 4 + len(spec.labels))
    return ops.decode_distances(
        outputs, strides=spec.strides, score_threshold=score_threshold, multi_label=multi_label
    )


def recognise(outputs: Mapping[str, tuple[int, ...]], input_size: Size) -> Recognition | None:
    """Three maps of C + 4 channels at strides 8, 16, 32, or one row per cell of such maps."""
    heads = pyramid(outputs, input_size, STRIDES[0])
    if heads is not None and heads.channels > 4:
        return Recognition(
            "heads",
            heads.channels - 4,
            STRIDES[0],
            heads.names,
            f"three maps of {heads.channels} channels at strides 8, 16, 32",
        )
    if len(outputs) == 1:
        ((name, shape),) = outputs.items()
        for strides in STRIDES:
            if len(shape) == 2 and shape[0] == points(input_size, strides) and shape[1] > 5:
                return Recognition(
                    "rows",
                    shape[1] - 5,
                    strides,
                    (name,),
                    f"one output of {shape[0]} rows, one per cell at strides "
                    f"{', '.join(map(str, strides))}, and {shape[1]} columns",
                )
    return None


YOLOV6 = Family(
    name="yolov6",
    forms=MappingProxyType({"rows": Form(decode_rows), "heads": Form(decode_heads)}),
    recognise=recognise,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Li et al. 2022, arXiv:2209.02976",
)
