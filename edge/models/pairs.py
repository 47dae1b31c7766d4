"""YOLO-NAS and DAMO-YOLO: corners and class scores of every cell, as two tables.

Source: what the exporters write where suppression is left out. YOLO-NAS, boxes then scores:
Deci-AI/super-gradients at 1b7dfef, training/processing/defaults.py, and `model.export` without pre-
and postprocessing. DAMO-YOLO, scores then boxes: tinyvision/DAMO-YOLO at 1c56caa,
tools/converter.py, and at 67c2fe1, damo/config/augmentations.py. The order is what tells them
apart. "pair": class probabilities (N, C) and corners (N, 4) in pixels of the input.
"""

from __future__ import annotations

from types import MappingProxyType

from edge.models import detr
from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import BoxesScores
from edge.models.shapes import STRIDES, levels, probable
from edge.types import Size


def _pair(probe: Seen, *, boxes_first: bool) -> Recognition | None:
    names = detr.pair(probe)
    if names is None:
        return None
    scores, boxes = (probe.outputs[name] for name in names)
    strides = levels(probe.input, len(scores), 1, STRIDES[:1])
    corners = bool((boxes[:, 2:] >= boxes[:, :2]).mean() > 0.99) and float(boxes.max()) > 2
    first = next(iter(probe.outputs)) == names[1]
    if strides is None or not corners or not probable(scores):
        return None
    if first != boxes_first and not probe.chosen:
        return None
    evidence = f"corners and {scores.shape[1]} class probabilities of each of {len(scores)} cells"
    order = "boxes" if first else "scores"
    return Recognition("pair", scores.shape[1], names, f"{evidence}, {order} first", strides)


def _recognize_nas(probe: Seen) -> Recognition | None:
    return _pair(probe, boxes_first=True)


def _recognize_damo(probe: Seen) -> Recognition | None:
    return _pair(probe, boxes_first=False)


_LAYOUTS = MappingProxyType({"pair": BoxesScores(corners=True)})
YOLO_NAS = Family(
    name="yolo-nas",
    layouts=_LAYOUTS,
    recognize=_recognize_nas,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Deci-AI/super-gradients at 1b7dfef: default processing of YOLO-NAS, and its exports",
)
DAMO_YOLO = Family(
    name="damo-yolo",
    layouts=_LAYOUTS,
    recognize=_recognize_damo,
    input=Size(640, 640),
    preprocessing=Preprocessing(scale=(1.0, 1.0, 1.0), placement="stretch"),
    source="Xu et al. 2022, arXiv:2211.15444; tinyvision/DAMO-YOLO at 1c56caa, tools/converter.py",
)
