"""CenterNet: objects as peaks of a heat map, no suppression.

Source: Zhou et al. 2019, arXiv:1904.07850, and what exports emit at stride 4: heat (C, H, W), size
(2, H, W) in cells and, mostly, offset (2, H, W); "heads" with logits, "heads-probability" without.
"""

from __future__ import annotations

from types import MappingProxyType

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Peaks
from edge.models.shapes import cells, probabilities
from edge.types import Size

STRIDE = 4


def _recognize(probe: Seen) -> Recognition | None:
    size = cells(probe.input, STRIDE)
    maps = {n: v for n, v in probe.outputs.items() if v.ndim == 3}
    heat = [name for name, values in maps.items() if values.shape[0] != 2]
    pairs = sorted(maps.keys() - set(heat), key=list(maps).index)
    shapes = {values.shape[1:] for values in maps.values()}
    whole = len(maps) == len(probe.outputs) and shapes == {(size.height, size.width)}
    if not whole or len(heat) != 1 or len(pairs) not in (1, 2):
        return None
    if len(pairs) == 2 and ("wh" in pairs[1] or "reg" in pairs[0]):
        pairs.reverse()
    form = "heads-probability" if probabilities(probe, heat, None) else "heads"
    return Recognition(
        form,
        maps[heat[0]].shape[0],
        (heat[0], *pairs),
        f"a heat map at stride {STRIDE}, and {len(pairs)} maps of two channels",
        (STRIDE,),
    )


CENTERNET = Family(
    name="centernet",
    layouts=MappingProxyType(
        {
            "heads": Peaks(score="logit"),
            "heads-probability": Peaks(score="probability"),
        }
    ),
    recognize=_recognize,
    input=Size(512, 512),
    preprocessing=Preprocessing(
        "BGR",
        mean=(0.40789654 * 255, 0.44719302 * 255, 0.47026115 * 255),
        scale=(1 / (0.28863828 * 255), 1 / (0.27408164 * 255), 1 / (0.27809835 * 255)),
        pad=(0, 0, 0),
    ),
    source="Zhou et al. 2019, arXiv:1904.07850",
)
