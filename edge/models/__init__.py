"""Detector families: what their outputs mean. No runtime; the arithmetic is in `edge.ops`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edge.errors import UnsupportedModelError
from edge.models.base import Family, OutputLayout
from edge.models.centernet import CENTERNET
from edge.models.detr import DETR, YOLOS
from edge.models.fastest import FASTESTDET, YOLO_FASTESTV2
from edge.models.fcos import FCOS
from edge.models.nanodet import NANODET, NANODET_PLUS
from edge.models.pairs import DAMO_YOLO, YOLO_NAS
from edge.models.picodet import PICODET
from edge.models.ppyoloe import PPYOLOE, PPYOLOE_PLUS
from edge.models.rtdetr import RTDETR
from edge.models.rtmdet import RTMDET
from edge.models.ssd import SSD
from edge.models.yolov3 import YOLOV3, YOLOV4
from edge.models.yolov5 import YOLOV5
from edge.models.yolov6 import YOLOV6
from edge.models.yolov6lite import YOLOV6LITE
from edge.models.yolov7 import YOLOV7
from edge.models.yolov7tiny import YOLOV7_TINY
from edge.models.yolov8 import YOLOV8
from edge.models.yolov10 import YOLOV10
from edge.models.yolox import YOLOX

# To add a family: write its module, add it to this list.
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        family.name: family
        for family in (
            YOLOV6,
            YOLOV6LITE,
            YOLOV7,
            YOLOV7_TINY,
            YOLOV5,
            YOLOV8,
            YOLOX,
            YOLOV10,
            PPYOLOE_PLUS,
            PPYOLOE,
            NANODET_PLUS,
            NANODET,
            PICODET,
            FCOS,
            CENTERNET,
            DETR,
            YOLOS,
            RTDETR,
            SSD,
            YOLOV3,
            YOLOV4,
            FASTESTDET,
            YOLO_FASTESTV2,
            YOLO_NAS,
            DAMO_YOLO,
            RTMDET,
        )
    }
)


def family(name: str) -> Family:
    """The family called `name`.

    Raises:
        UnsupportedModelError: There is none; the message lists those there are.
    """
    try:
        return FAMILIES[name]
    except KeyError:
        known = ", ".join(FAMILIES)
        raise UnsupportedModelError(f"unknown model family {name!r}; known: {known}") from None


def layout(family_name: str, form: str) -> OutputLayout:
    """How one form of a family lays out its outputs.

    Raises:
        UnsupportedModelError: The family or the form is unknown; the message lists the known.
    """
    layouts = family(family_name).layouts
    try:
        return layouts[form]
    except KeyError:
        known = ", ".join(layouts)
        raise UnsupportedModelError(
            f"family {family_name} has no output form {form!r}; known: {known}"
        ) from None
