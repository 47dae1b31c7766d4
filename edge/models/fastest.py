"""FastestDet and Yolo-FastestV2: the smallest models, which end with a softmax over the classes.

Source: the authors' exports. FastestDet: one map at stride 16 of objectness, box and class
probabilities. Yolo-FastestV2: two maps at strides 16 and 32, channels last, of the boxes of three
anchors, their objectness, and class probabilities that the anchors share. "last" and "first" say
where the channels are. Images are stretched.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from edge.models.base import Anchors, Family, Preprocessing, Recognition, Seen
from edge.models.layouts.fastest import SharedClasses, WeighedCells
from edge.models.shapes import cells, probable
from edge.types import AnyArray, Size

_STRIDES = (16, 32)
_ANCHORS: Anchors = (  # of the released model, trained on COCO at 352 x 352
    ((12.64, 19.39), (37.88, 51.48), (55.71, 138.31)),
    ((126.91, 78.23), (131.57, 214.55), (279.92, 258.87)),
)
_COUNT = 3
_ROUNDED = 0.02  # by so much a sum of probabilities may miss 1 in half precision or INT8


def _maps(probe: Seen, strides: tuple[int, ...]) -> tuple[str, tuple[str, ...], AnyArray] | None:
    """Where the channels are, the names by level, and (channels, N) of all levels together."""
    if len(probe.outputs) != len(strides):
        return None
    for form in ("first", "last"):
        channels = {}
        for name, values in probe.outputs.items():
            maps = np.moveaxis(values, -1, 0) if form == "last" and values.ndim == 3 else values
            for level, stride in enumerate(strides):
                size = cells(probe.input, stride)
                if maps.ndim == 3 and maps.shape[1:] == (size.height, size.width):
                    channels[level] = name, maps.reshape(len(maps), -1)
        if len(channels) == len(strides) and len({len(v) for _, v in channels.values()}) == 1:
            ordered = [channels[level] for level in range(len(strides))]
            values = np.concatenate([v for _, v in ordered], axis=1)
            return form, tuple(name for name, _ in ordered), values
    return None


def _shares(values: AnyArray) -> bool:
    """Whether the channels are a softmax: probabilities that add to 1 in every cell."""
    if len(values) < 1 or not probable(values):
        return False
    return bool(np.abs(values.sum(axis=0) - 1).max() <= _ROUNDED)


def _recognize(probe: Seen) -> Recognition | None:
    maps = _maps(probe, _STRIDES[:1])
    if maps is None:
        return None
    form, names, values = maps
    if not (probable(values[:1]) and _shares(values[5:])):
        return None
    evidence = f"a map at stride 16 of objectness, box and {len(values) - 5} classes that add to 1"
    return Recognition(form, len(values) - 5, names, evidence, _STRIDES[:1])


def _recognize_v2(probe: Seen) -> Recognition | None:
    maps = _maps(probe, _STRIDES)
    if maps is None:
        return None
    form, names, values = maps
    if not (probable(values) and _shares(values[5 * _COUNT :])):
        return None
    classes = len(values) - 5 * _COUNT
    evidence = f"maps at strides 16 and 32 of three anchors and {classes} classes that add to 1"
    return Recognition(form, classes, names, evidence, _STRIDES, _ANCHORS)


_PREPROCESSING = Preprocessing("BGR", placement="stretch")
FASTESTDET = Family(
    name="fastestdet",
    layouts=MappingProxyType(
        {"first": WeighedCells(), "last": WeighedCells(arrangement="maps-last")}
    ),
    recognize=_recognize,
    input=Size(352, 352),
    preprocessing=_PREPROCESSING,
    source="FastestDet's published export and example",
)
YOLO_FASTESTV2 = Family(
    name="yolo-fastestv2",
    layouts=MappingProxyType({"first": SharedClasses(arrangement="maps"), "last": SharedClasses()}),
    recognize=_recognize_v2,
    input=Size(352, 352),
    preprocessing=_PREPROCESSING,
    source="Yolo-FastestV2's published export and example",
)
