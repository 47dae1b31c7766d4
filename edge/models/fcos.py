"""FCOS: per level class logits, distances in pixels and center-ness.

Source: Tian et al. 2019, arXiv:1904.01355, and what the exports emit, five levels of (C, H, W),
(4, H, W) and (1, H, W): "heads" scores by the square root of class probability times center-ness,
as the authors do; "heads-product" by the product, as mmdetection does.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Distances
from edge.models.shapes import cells
from edge.types import Size

STRIDES = (8, 16, 32, 64, 128)


def _recognize(probe: Seen) -> Recognition | None:
    """Five levels of three maps. Their names are not to be trusted, so shapes decide."""
    if len(probe.outputs) != 3 * len(STRIDES):
        return None
    sizes = [cells(probe.input, stride) for stride in STRIDES]
    place = {(size.height, size.width): i for i, size in enumerate(sizes)}
    slots: dict[tuple[int, int], str] = {}
    for name, values in probe.outputs.items():
        if values.ndim != 3 or values.shape[1:] not in place:
            return None
        slots[values.shape[0], place[values.shape[1:]]] = name
    (classes,) = {c for c, _ in slots if c not in (1, 4)} or {0}
    order = [(c, level) for c in (classes, 4, 1) for level in range(len(STRIDES))]
    if not classes or slots.keys() != set(order):
        return None
    theirs = probe.input_name == "input_image"
    return Recognition(
        "heads" if theirs else "heads-product",
        classes,
        tuple(slots[key] for key in order),
        f"five levels of {classes}, 4 and 1 channels; the input's name says whose",
        STRIDES,
    )


_PRODUCT = Distances(parts=(("classes",), ("boxes",), ("centerness",)), unit="pixels", bins=1)
FCOS = Family(
    name="fcos",
    layouts=MappingProxyType(
        {
            "heads": replace(_PRODUCT, sqrt=True),
            "heads-product": _PRODUCT,
        }
    ),
    recognize=_recognize,
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
