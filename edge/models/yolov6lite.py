"""YOLOv6Lite: YOLOv6's mobile models, four levels, raw heads.

Source: what the official ncnn files emit: per level (C + 4, H, W), laid out as YOLOv6's "heads";
"split" is the same before the last step.
"""

from __future__ import annotations

from types import MappingProxyType

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Distances
from edge.models.shapes import probabilities, pyramid
from edge.models.yolov6 import HEADS
from edge.types import Size

STRIDES = (8, 16, 32, 64)


def recognize(probe: Seen) -> Recognition | None:
    """Four maps of C + 4 channels at strides 8, 16, 32, 64."""
    heads = pyramid(probe, STRIDES)
    if heads is None or heads.channels <= 4 or not probabilities(probe, heads.names, -4):
        return None
    return Recognition(
        "heads",
        heads.channels - 4,
        heads.names,
        f"four maps of {heads.channels} channels at strides 8, 16, 32, 64",
        STRIDES,
    )


YOLOV6LITE = Family(
    name="yolov6lite",
    layouts=MappingProxyType(
        {
            "heads": HEADS,
            "split": Distances(),
        }
    ),
    recognize=recognize,
    input=Size(320, 320),
    preprocessing=Preprocessing(),
    source="Meituan YOLOv6 0.4, YOLOv6Lite",
)
