"""CenterNet: objects as peaks of a heat map, no suppression.

Source: Zhou et al. 2019, arXiv:1904.07850, and what exports emit at stride 4: heat (C, H, W), size
(2, H, W) in cells and, mostly, offset (2, H, W); "heads" with logits, "heads-probability" without.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import MappingProxyType

from edge import ops
from edge.models.base import Family, Form, ModelSpec, Preprocessing, Recognition, Seen
from edge.models.shapes import cells, expect_channels, probabilities, unbatched
from edge.types import Candidates, Size, Tensor

STRIDE = 4


def _decode(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
    logits: bool,
) -> Candidates:
    """Heat, size and perhaps offset; always multi-label; see `Decode`."""
    del multi_label
    heat, sizes, *rest = (unbatched(output, 3) for output in outputs)
    expect_channels("channels of heat", heat.values.shape[0], len(spec.labels))
    return ops.decode_peaks(
        heat,
        sizes,
        rest[0] if rest else None,
        stride=spec.strides[0],
        logits=logits,
        score_threshold=score_threshold,
    )


def _recognise(seen: Seen) -> Recognition | None:
    size = cells(seen.input, STRIDE)
    maps = {n: v for n, v in seen.outputs.items() if v.ndim == 3}
    heat = [name for name, values in maps.items() if values.shape[0] != 2]
    pairs = sorted(maps.keys() - set(heat), key=list(maps).index)
    shapes = {values.shape[1:] for values in maps.values()}
    whole = len(maps) == len(seen.outputs) and shapes == {(size.height, size.width)}
    if not whole or len(heat) != 1 or len(pairs) not in (1, 2):
        return None
    if len(pairs) == 2 and ("wh" in pairs[1] or "reg" in pairs[0]):
        pairs.reverse()
    form = "heads-probability" if probabilities(seen, heat, None) else "heads"
    return Recognition(
        form,
        maps[heat[0]].shape[0],
        (heat[0], *pairs),
        f"a heat map at stride {STRIDE}, and {len(pairs)} maps of two channels",
        (STRIDE,),
    )


CENTERNET = Family(
    name="centernet",
    forms=MappingProxyType(
        {
            "heads": Form(
                partial(_decode, logits=True), suppress=False, outputs=(2, 3), per_level=True
            ),
            "heads-probability": Form(
                partial(_decode, logits=False), suppress=False, outputs=(2, 3), per_level=True
            ),
        }
    ),
    recognise=_recognise,
    input=Size(512, 512),
    preprocessing=Preprocessing(
        "BGR",
        mean=(0.40789654 * 255, 0.44719302 * 255, 0.47026115 * 255),
        scale=(1 / (0.28863828 * 255), 1 / (0.27408164 * 255), 1 / (0.27809835 * 255)),
        pad=(0, 0, 0),
    ),
    source="Zhou et al. 2019, arXiv:1904.07850",
)
