"""PP-YOLOE and PP-YOLOE+: stretched images; the plain models want ImageNet's normalization.

Source: Xu et al. 2022, arXiv:2203.16250, and what the official exports emit (with a
`scale_factor` of 1, boxes are in input pixels):
- "boxes-scores": corners (N, 4) and class probabilities (C, N);
- "rows": one output (N, 4 + C) of corners and class probabilities, coarsest level first;
- "end2end": (K, 6) of class, score, corners, and a count.
"split" is what the last convolutions give, as YOLOv6's, with 17 bins.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import BoxesScores, Distances, EndToEnd, Rows
from edge.models.shapes import STRIDES, holds, is_one, levels, table
from edge.types import Size

CLASS_FIRST = EndToEnd(parts=(("class_id", "score", "boxes"),))


def _recognize(probe: Seen) -> Recognition | None:
    shapes = {name: values.shape for name, values in probe.outputs.items()}
    pairs = [(name, shape) for name, shape in shapes.items() if len(shape) == 2]
    if len(shapes) == 2:
        for name, shape in pairs:
            (other,) = shapes.keys() - {name}
            if shape[1] == 4 and len(shapes[other]) == 2 and shapes[other][1] == shape[0] != 4:
                strides = levels(probe.input, shape[0], 1, STRIDES[:1])  # four are PicoDet's
                if strides is not None:
                    return Recognition(
                        "boxes-scores",
                        shapes[other][0],
                        (name, other),
                        f"{shape[0]} boxes, and {shapes[other][0]} planes of scores",
                        strides[::-1],
                    )
            rows = probe.outputs[name]
            if len(shapes[other]) <= 1 and holds(rows, CLASS_FIRST.parts[0]):
                evidence = "a table of classes, scores and boxes, and a count: suppression inside"
                return Recognition("end2end", None, (name,), evidence)
    only = table(probe)
    if only is not None and only[1].shape[1] > 4:
        strides = levels(probe.input, len(only[1]), 1, STRIDES)
        objectness_of_one = is_one(only[1][:, 4])
        # Rows of YOLOv6 and YOLOX have the same shape: to be told, not guessed.
        if strides is not None and probe.chosen and not objectness_of_one:
            return Recognition(
                "rows",
                only[1].shape[1] - 4,
                (only[0],),
                f"a table with a row for each of the {len(only[1])} cells",
                strides[::-1],
            )
    return None


PPYOLOE_PLUS = Family(
    name="ppyoloe+",
    layouts=MappingProxyType(
        {
            "rows": Rows(parts=(("boxes", "classes"),), corners=True),
            "boxes-scores": BoxesScores(
                parts=(("boxes",), ("classes",)), planar=True, corners=True
            ),
            "end2end": CLASS_FIRST,
            "split": Distances(),
        }
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing(placement="stretch"),
    source="Xu et al. 2022, arXiv:2203.16250",
)
PPYOLOE = replace(
    PPYOLOE_PLUS,
    name="ppyoloe",
    preprocessing=Preprocessing(
        mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
        scale=(1 / (0.229 * 255), 1 / (0.224 * 255), 1 / (0.225 * 255)),
        placement="stretch",
    ),
)
