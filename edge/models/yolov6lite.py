"""YOLOv6Lite: YOLOv6's mobile models, four levels, raw heads.

Source: what the official ncnn files emit: per level (C + 4, H, W), laid out as YOLOv6's "heads".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge.models.base import Family, Form, Preprocessing, Recognition
from edge.models.shapes import pyramid
from edge.models.yolov6 import decode_heads
from edge.types import Size

STRIDES = (8, 16, 32, 64)


def recognise(outputs: Mapping[str, tuple[int, ...]], input_size: Size) -> Recognition | None:
    """Four maps of C + 4 channels at strides 8, 16, 32, 64."""
    heads = pyramid(outputs, input_size, STRIDES)
    if heads is None or heads.channels <= 4:
        return None
    return Recognition(
        "heads",
        heads.channels - 4,
        STRIDES,
        heads.names,
        f"four maps of {heads.channels} channels at strides 8, 16, 32, 64",
    )


YOLOV6LITE = Family(
    name="yolov6lite",
    forms=MappingProxyType({"heads": Form(decode_heads)}),
    recognise=recognise,
    input=Size(320, 320),
    preprocessing=Preprocessing(),
    source="Meituan YOLOv6 0.4, YOLOv6Lite",
)
