"""SSD: boxes as offsets from prior boxes, of which every cell has its own set.

Source: Liu et al. 2016, arXiv:1512.02325. "priors": scores (N, C + 1), whose first is the
background, as logits, and offsets (N, 4); N counts levels, cells, then the priors of a cell. The
priors are the anchors of the model: their sizes by level, centered in every cell.
"""

from __future__ import annotations

from types import MappingProxyType

from edge.models import detr
from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import BoxesScores
from edge.types import Size


def _recognize(probe: Seen) -> Recognition | None:
    """Never by itself: priors cannot be seen. A package says what they are."""
    names = detr.pair(probe)
    if names is None or not probe.chosen:
        return None
    width = probe.outputs[names[0]].shape[1]
    evidence = "scores and offsets; strides and anchors must be given in the package"
    return Recognition("priors", width - 1, names, evidence)


SSD = Family(
    name="ssd",
    layouts=MappingProxyType(
        {"priors": BoxesScores(score="softmax", background="first", anchored=True)}
    ),
    recognize=_recognize,
    input=Size(300, 300),
    preprocessing=Preprocessing(
        mean=(127.5, 127.5, 127.5), scale=(1 / 127.5, 1 / 127.5, 1 / 127.5), placement="stretch"
    ),
    source="Liu et al. 2016, arXiv:1512.02325",
)
