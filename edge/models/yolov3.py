"""YOLOv3 and YOLOv4, and their small models: raw maps of three anchors in each cell.

Source: Redmon and Farhadi 2018, arXiv:1804.02767, sec. 2.1; Bochkovskiy et al. 2020,
arXiv:2004.10934, sec. 3.4; and the configuration files of darknet, whose anchors these are.
"heads", per level (3 * (5 + C), H, W) or with the channels last: x and y of the center and the
logarithms of width and height over the anchor's, objectness, class logits. Small models have two
levels. In YOLOv4 a center may lie a little outside its cell: see `AnchorMaps.spreads`; "heads-two"
are the two levels of YOLOv4-tiny.

No raw map tells these from those of YOLOv5 and YOLOv7, so they are to be named, unless a file of
ncnn ends with a detection layer that is of YOLOv3's kind and holds the anchors.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from edge.errors import UnsupportedModelError
from edge.models.anchor_heads import anchor_head
from edge.models.base import Anchors, Family, Preprocessing, Recognition, Seen
from edge.models.layouts import AnchorMaps
from edge.types import Size

_THREE, _TWO = (8, 16, 32), (16, 32)
_V3: Anchors = (
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)
_V3_TINY: Anchors = (
    ((10, 14), (23, 27), (37, 58)),
    ((81, 82), (135, 169), (344, 319)),
)
_V4: Anchors = (
    ((12, 16), (19, 36), (40, 28)),
    ((36, 75), (76, 55), (72, 146)),
    ((142, 110), (192, 243), (459, 401)),
)
_V4_TINY: Anchors = (
    ((23, 27), (37, 58), (81, 82)),
    ((81, 82), (135, 169), (344, 319)),
)
_V4_SPREADS = (1.2, 1.1, 1.05)
_V4_TINY_SPREADS = (1.05,)


def _recognize(probe: Seen) -> Recognition | None:
    return _heads(probe, "heads", {_THREE: _V3, _TWO: _V3_TINY}, {_THREE: (1.0,), _TWO: (1.0,)})


def _recognize_v4(probe: Seen) -> Recognition | None:
    three = _heads(probe, "heads", {_THREE: _V4}, {_THREE: _V4_SPREADS})
    return three or _heads(probe, "heads-two", {_TWO: _V4_TINY}, {_TWO: _V4_TINY_SPREADS})


def _heads(
    probe: Seen,
    form: str,
    usual: dict[tuple[int, ...], Anchors],
    spreads: dict[tuple[int, ...], tuple[float, ...]],
) -> Recognition | None:
    ending = probe.ending
    if probe.signs & {"focus", "six"} and not probe.chosen:  # YOLOv5's
        return None
    if ending and "leaky" not in probe.signs and not probe.chosen:
        raise UnsupportedModelError(
            "it ends with the detection layer of YOLOv3, but does not begin as darknet's networks "
            "do, with a leaky ReLU or Mish: what it takes of an image is not known. --family "
            "yolov3 reads it as they take it: RGB from 0 to 1, stretched"
        )
    count = len(next(iter(ending.anchors.values()))) if ending else 3
    for strides, anchors in usual.items():
        head = anchor_head(probe, strides, count)
        if head is None or (head.apart and not probe.chosen):  # those are YOLOv5's or YOLOv7's
            continue
        evidence = f"raw maps of {count} anchors and {head.classes} classes at strides "
        evidence += ", ".join(map(str, strides))
        if ending is None:
            return Recognition(form, head.classes, head.outputs, evidence, strides, anchors)
        scales = [ending.scales[name] for name in head.outputs]
        expected = np.multiply(strides, spreads[strides])
        if not np.allclose(scales, expected, rtol=0.01) and not probe.chosen:
            return None
        evidence += (
            "; the detection layer that ends the file is left out, and with it its own threshold "
            f"of {ending.threshold:g} and IoU of {ending.overlap:g}"
        )
        inside = tuple(ending.anchors[name] for name in head.outputs)
        return Recognition(form, head.classes, head.outputs, evidence, strides, inside)
    return None


_HEADS = AnchorMaps(spreads=(1.0,), exponential=True)
YOLOV3 = Family(
    name="yolov3",
    layouts=MappingProxyType({"heads": _HEADS}),
    recognize=_recognize,
    input=Size(416, 416),
    preprocessing=Preprocessing(placement="stretch"),
    source="Redmon and Farhadi 2018, arXiv:1804.02767",
)
YOLOV4 = Family(
    name="yolov4",
    layouts=MappingProxyType(
        {
            "heads": AnchorMaps(spreads=_V4_SPREADS, exponential=True),
            "heads-two": AnchorMaps(spreads=_V4_TINY_SPREADS, exponential=True),
        }
    ),
    recognize=_recognize_v4,
    input=Size(416, 416),
    preprocessing=Preprocessing(placement="stretch"),
    source="Bochkovskiy et al. 2020, arXiv:2004.10934",
)
