"""DETR and YOLOS: a set of boxes, softmax over the classes and "no object"; no suppression.

Source: Carion et al. 2020, arXiv:2005.12872; Fang et al. 2021, arXiv:2106.00666; and what exports
emit: logits (N, C + 1), whose last is "no object", and boxes (N, 4) of center x, center y, width,
height in fractions of the input. The 91 classes of the official models are COCO's category ids.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import BoxesScores
from edge.types import Size

OFFICIAL = (92, 251)  # columns of the models for objects and for panoptic segmentation


def pair(probe: Seen) -> tuple[str, str] | None:
    """The names of logits and boxes, when the outputs are (N, classes) and (N, 4)."""
    tables = {n: v for n, v in probe.outputs.items() if v.ndim == 2}
    boxes = [n for n, v in tables.items() if v.shape[1] == 4]
    others = [n for n in tables if n not in boxes]
    if len(probe.outputs) != 2 or len(boxes) != 1 or len(others) != 1:
        return None
    same = len(tables[boxes[0]]) == len(tables[others[0]])
    return (others[0], boxes[0]) if same else None


def _recognize(probe: Seen) -> Recognition | None:
    names = pair(probe)
    if names is None:
        return None
    count, width = probe.outputs[names[0]].shape
    if width not in OFFICIAL and not probe.chosen:
        return None
    return Recognition(
        "set", width - 1, names, f"{count} boxes with {width} logits, the last for no object"
    )


def _recognize_yolos(probe: Seen) -> Recognition | None:
    return _recognize(probe) if probe.chosen else None  # looks like DETR, and means the same


_IMAGENET = Preprocessing(
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
    scale=(1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255)),
    placement="stretch",
)
DETR = Family(
    name="detr",
    layouts=MappingProxyType(
        {"set": BoxesScores(score="softmax", background="last", unit="fractions", suppress=False)}
    ),
    recognize=_recognize,
    input=Size(800, 1066),
    preprocessing=_IMAGENET,
    source="Carion et al. 2020, arXiv:2005.12872",
)
YOLOS = replace(
    DETR,
    name="yolos",
    recognize=_recognize_yolos,
    input=Size(512, 683),
    source="Fang et al. 2021, arXiv:2106.00666",
)
