"""YOLOv8, 9, 11 and 12 as Ultralytics exports them: anchor-free, no objectness.

Source: what the exports emit:
- "planar": one output (4 + C, N), decoded in the graph: center x, center y, width, height in
  input pixels, then class probabilities;
- "planar-fractions": the same with boxes in fractions of the input, as in TensorFlow Lite files;
- "heads": the raw maps, per level (4 * bins + C, H, W): a distribution for each distance to the
  left, top, right and bottom side, then class logits;
- "split": the same as two outputs per level: class logits of all levels, then the distances;
- "boxes-rows-logits": the raw maps as rows of one table, as ncnn's own examples have them.
Other converters arrange the same otherwise, or put the classes first: see `arrangements`.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from edge.errors import UnsupportedModelError
from edge.models.arrangements import distance_forms, distance_head, recognition
from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import Rows
from edge.models.shapes import STRIDES, Strides, levels, probable, relative, table
from edge.types import AnyArray, Size

BINS = 16  # of the official models' distributions
LEVELS: Strides = (*STRIDES, (4, 8, 16, 32))  # and of the P2 models, for small objects
_MASKS, _KEYPOINTS = 32, 51  # planes that segmentation and pose models have after the classes
_TURNED = 0.1  # in every cell: no class has such scores in an image of nothing
_ROWS = 300  # of exports that end with the best boxes; of these more columns than 6:
_MORE_COLUMNS = {6 + _MASKS: "segmentation", 6 + _KEYPOINTS: "pose", 6 + 1: "oriented-box"}


def _recognize(probe: Seen) -> Recognition | None:
    """A table with a column for each cell and 4 + C planes, or raw maps of 16 bins.

    Raises:
        UnsupportedModelError: A model for another task than detection.
    """
    for strides in LEVELS:
        if (raw := _raw(probe, strides)) is not None:
            return raw
    _refuse_masks(probe)
    only = table(probe)
    if only is not None and not probe.chosen:
        _refuse_rows(only[1])
    if only is None or only[1].shape[0] < 5:
        return None
    name, planes = only
    strides_found = levels(probe.input, planes.shape[1], 1, LEVELS)
    if strides_found is None or _is_raw(planes[:4]):
        return None
    if not probe.chosen:
        if not probable(planes[4:]) and _reads_as_rows(probe, planes):
            return None  # as many cells as columns, by chance
        _refuse_other_tasks(planes)
    fractions = relative(planes[:4])
    return Recognition(
        "planar-fractions" if fractions else "planar",
        planes.shape[0] - 4,
        (name,),
        f"{planes.shape[0]} planes with a value for each of the {planes.shape[1]} cells at "
        f"strides {', '.join(map(str, strides_found))}; boxes in "
        + ("fractions of the input" if fractions else "pixels"),
        strides_found,
    )


def _reads_as_rows(probe: Seen, rows: AnyArray) -> bool:
    """Whether it may as well be a table with rows for each cell, as of YOLOv5 to 7 and YOLOX."""
    counts = (levels(probe.input, len(rows), anchors, STRIDES) for anchors in (1, 3))
    return any(counts) and probable(rows[:, 4:])


def _raw(probe: Seen, strides: tuple[int, ...]) -> Recognition | None:
    """Distributions and class logits as the last convolutions give them, in either order."""
    boxes_first = distance_head(probe, strides, (BINS,), first="boxes")
    classes_first = distance_head(probe, strides, (BINS,), first="classes")
    if classes_first and (boxes_first is None or (classes_first.sure and not boxes_first.sure)):
        return recognition(classes_first, strides)
    if boxes_first is None:
        return None
    if boxes_first.form.startswith("split"):
        return recognition(boxes_first, strides)
    if boxes_first.form == "maps":
        return replace(recognition(boxes_first, strides), form="heads")
    return recognition(boxes_first, strides, prefix="boxes-")


def _refuse_masks(probe: Seen) -> None:
    shapes = [values.shape for values in probe.outputs.values()]
    if any(len(shape) == 3 and shape[0] == _MASKS for shape in shapes) and any(
        len(shape) == 2 and shape[0] > 4 + _MASKS for shape in shapes
    ):
        raise UnsupportedModelError("its outputs are those of a segmentation model; edge detects")


def _is_raw(boxes: AnyArray) -> bool:
    """Whether so many numbers are negative that they are no centers and sizes."""
    return bool((boxes < 0).mean() > _TURNED)


def _refuse_rows(rows: AnyArray) -> None:
    box = rows.shape[1] in (6, 7)  # may be the only one found
    if len(rows) == 1 and (not box or np.isclose(rows.sum(), 1, atol=1e-3)):
        raise UnsupportedModelError(
            f"its one row of {rows.shape[1]} numbers looks like that of a classification model; "
            "edge detects"
        )
    if len(rows) == _ROWS and rows.shape[1] in _MORE_COLUMNS and np.abs(rows[:, :4]).max() > 2:
        raise UnsupportedModelError(
            f"its {_ROWS} rows of {rows.shape[1]} columns look like those of a "
            f"{_MORE_COLUMNS[rows.shape[1]]} model; edge detects"
        )


def _refuse_other_tasks(planes: AnyArray) -> None:
    classes = planes[4:]
    outside = not probable(classes)
    usual = {4 + 80 + _MASKS: "segmentation", 4 + 1 + _KEYPOINTS: "pose"}
    # A gray image shows nothing, but an angle is somewhere, and where it is it is no probability.
    turned = len(classes) > 1 and classes[-1].min() > _TURNED and np.median(classes[:-1]) < _TURNED
    if outside or turned or planes.shape[0] in usual:
        task = usual.get(planes.shape[0], "segmentation, pose or oriented-box")
        task = "oriented-box" if turned else task
        raise UnsupportedModelError(
            f"its {planes.shape[0]} planes look like those of a {task} model; edge detects "
            "(if they are boxes and classes alone, say --family yolov8)"
        )


PLANAR = Rows(parts=(("boxes", "classes"),), planar=True)
_BOXES_FIRST = distance_forms(first="boxes", prefix="boxes-")
YOLOV8 = Family(
    name="yolov8",
    layouts=MappingProxyType(
        {
            "planar": PLANAR,
            "planar-fractions": replace(PLANAR, unit="fractions"),
            "heads": _BOXES_FIRST["boxes-maps"],
            **distance_forms(),
            **{
                form: layout
                for form, layout in _BOXES_FIRST.items()
                if form != "boxes-maps" and not form.startswith("boxes-split")
            },
        }
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing(),
    source="Ultralytics' exports of YOLOv8, 9, 11 and 12",
)
