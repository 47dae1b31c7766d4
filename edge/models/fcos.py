"""FCOS: per level class logits, distances in pixels and centre-ness.

Source: Tian et al. 2019, arXiv:1904.01355, and what the exports emit, five levels of (C, H, W),
(4, H, W) and (1, H, W): "heads" scores by the square root of class probability times centre-ness,
as the authors do; "heads-product" by the product, as mmdetection does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import MappingProxyType

from edge import ops
from edge.models.base import Family, Form, ModelSpec, Preprocessing, Recognition, Seen
from edge.models.shapes import cells, expect_channels, unbatched
from edge.types import Candidates, Size, Tensor

STRIDES = (8, 16, 32, 64, 128)


def _decode(
    outputs: Sequence[Tensor],
    spec: ModelSpec,
    *,
    score_threshold: float,
    multi_label: bool = False,
    root: bool,
) -> Candidates:
    """Scores, distances and centre-ness of all levels, in that order; see `Decode`."""
    maps = [unbatched(output, 3) for output in outputs]
    count = len(spec.strides)
    for scores in maps[:count]:
        expect_channels("channels of class scores", scores.values.shape[0], len(spec.labels))
    return ops.decode_distances(
        maps[:count],
        boxes=maps[count : 2 * count],
        centreness=maps[2 * count :],
        strides=spec.strides,
        logits=True,
        root=root,
        in_pixels=True,
        score_threshold=score_threshold,
        multi_label=multi_label,
    )


def _recognise(seen: Seen) -> Recognition | None:
    """Five levels of three maps. Their names are not to be trusted, so shapes decide."""
    if len(seen.outputs) != 3 * len(STRIDES):
        return None
    sizes = [cells(seen.input, stride) for stride in STRIDES]
    place = {(size.height, size.width): i for i, size in enumerate(sizes)}
    slots: dict[tuple[int, int], str] = {}
    for name, values in seen.outputs.items():
        if values.ndim != 3 or values.shape[1:] not in place:
            return None
        slots[values.shape[0], place[values.shape[1:]]] = name
    (classes,) = {c for c, _ in slots if c not in (1, 4)} or {0}
    order = [(c, level) for c in (classes, 4, 1) for level in range(len(STRIDES))]
    if not classes or slots.keys() != set(order):
        return None
    theirs = seen.input_name == "input_image"
    return Recognition(
        "heads" if theirs else "heads-product",
        classes,
        tuple(slots[key] for key in order),
        f"five levels of {classes}, 4 and 1 channels; the input's name says whose",
        STRIDES,
    )


FCOS = Family(
    name="fcos",
    forms=MappingProxyType(
        {
            "heads": Form(partial(_decode, root=True), outputs=(3,), per_level=True),
            "heads-product": Form(partial(_decode, root=False), outputs=(3,), per_level=True),
        }
    ),
    recognise=_recognise,
    input=Size(800, 1216),
    # Exports pad with zeros after the mean is taken off: with the mean, that is.
    preprocessing=Preprocessing(
        "BGR",
        mean=(102.9801, 115.9465, 122.7717),
        scale=(1.0, 1.0, 1.0),
        pad=(103, 116, 123),
        placement="top-left",
    ),
    source="Tian et al. 2019, arXiv:1904.01355",
)
