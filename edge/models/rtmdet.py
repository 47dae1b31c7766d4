"""RTMDet: a distance head of three levels, whose distances are in pixels.

Source: Lyu et al. 2022, arXiv:2212.07784, and what the exporter writes without post-processing:
open-mmlab/mmyolo at 252fc80, projects/easydeploy/model/model.py; at d2b3ace, its bbox_coder.py; at
125d682, configs/rtmdet. That is class logits of all levels, then distances of all levels, as maps;
for ncnn both of a level together, channels last. Points are at the corners of cells. Nothing tells
such outputs from those of others, so the family is to be named.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from edge.models.arrangements import distance_forms, distance_head, recognition
from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.types import Size

STRIDES = (8, 16, 32)
BINS = (1,)


def _recognize(probe: Seen) -> Recognition | None:
    head = distance_head(probe, STRIDES, BINS) if probe.chosen else None
    return None if head is None else recognition(head, STRIDES)


RTMDET = Family(
    name="rtmdet",
    layouts=MappingProxyType(
        {form: replace(each, unit="pixels") for form, each in distance_forms(offset=0.0).items()}
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing(
        "BGR",
        mean=(103.53, 116.28, 123.675),
        scale=(1 / 57.375, 1 / 57.12, 1 / 58.395),
    ),
    source="Lyu et al. 2022, arXiv:2212.07784; open-mmlab/mmyolo at 252fc80, projects/easydeploy",
)
