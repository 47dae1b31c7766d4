"""SSD: boxes as offsets from prior boxes, of which every cell has its own set.

Source: Liu et al. 2016, arXiv:1512.02325. "priors": scores (N, C + 1), whose first is the
background, as logits, and offsets (N, 4); N counts levels, cells, then the priors of a cell. The
priors are the anchors of the model: their sizes by level, centered in every cell.
"detections": what TensorFlow Lite's own operator TFLite_Detection_PostProcess leaves, in SSD and
EfficientDet models: boxes (1, n, 4) of y1, x1, y2, x2 in fractions of the input, classes and scores
(1, n), and their number. Classes count from 0 without the background: COCO's are its ids less one.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from edge.models import coco, detr, yolov6
from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import BoxesScores, EndToEnd
from edge.models.shapes import probable
from edge.types import AnyArray, Size


def _recognize(probe: Seen) -> Recognition | None:
    detections = _detections(probe)
    if detections is not None:
        return detections
    names = detr.pair(probe)
    if names is None or not probe.chosen:  # priors cannot be seen; a package says what they are
        return None
    width = probe.outputs[names[0]].shape[1]
    evidence = "scores and offsets; strides and anchors must be given in the package"
    return Recognition("priors", width - 1, names, evidence)


def _detections(probe: Seen) -> Recognition | None:
    """What the operator leaves: by shapes and by what is whole numbers, whatever the names."""
    flat = {name: values.reshape(-1) for name, values in probe.outputs.items()}
    boxes = [n for n, v in probe.outputs.items() if v.ndim == 2 and v.shape[1] == 4]
    counts = [n for n, v in flat.items() if v.size == 1 and n not in boxes]
    if len(flat) != 4 or len(boxes) != 1 or flat.keys() == yolov6.END2END:
        return None
    limit = len(probe.outputs[boxes[0]])
    columns = [n for n, v in flat.items() if v.size == limit and n not in boxes]
    if limit == 1 or len(counts) != 1 or len(columns) != 2:
        return None
    count = int(flat[counts[0]][0])
    classes = [n for n in columns if _whole(flat[n][:count])]
    scores = [n for n in columns if _sorted_probabilities(flat[n][:count]) and n not in classes]
    if len(classes) != 1 or len(scores) != 1:
        return None
    return Recognition(
        "detections",
        None,
        (boxes[0], classes[0], scores[0]),
        f"boxes, classes, scores and a count of at most {limit}: suppression is inside",
        labels=coco.LABELS_BY_CATEGORY[1:],
    )


def _whole(values: AnyArray) -> bool:
    return bool((values == np.rint(values)).all() and values.min(initial=0) >= 0)


def _sorted_probabilities(values: AnyArray) -> bool:
    return probable(values) and bool((np.diff(values) <= 0).all())


SSD = Family(
    name="ssd",
    layouts=MappingProxyType(
        {
            "priors": BoxesScores(score="softmax", background="first", anchored=True),
            "detections": EndToEnd(
                parts=(("boxes",), ("class_id",), ("score",)), unit="fractions", vertical_first=True
            ),
        }
    ),
    recognize=_recognize,
    input=Size(300, 300),
    preprocessing=Preprocessing(
        mean=(127.5, 127.5, 127.5), scale=(1 / 127.5, 1 / 127.5, 1 / 127.5), placement="stretch"
    ),
    source="Liu et al. 2016, arXiv:1512.02325",
)
