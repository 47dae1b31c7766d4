"""The 80 classes of COCO detection: their names, and the ids that COCO's own files give them."""

from __future__ import annotations

import re
from collections.abc import Sequence

LABELS: tuple[str, ...] = tuple(
    re.split(
        r",\s+",
        """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light,
    fire hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow,
    elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee,
    skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
    tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple,
    sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch,
    potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone,
    microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
    hair drier, toothbrush""",
    )
)

# The ids run from 1 to 90; of the 91 things first listed these never got a box.
_UNUSED = frozenset({0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
CATEGORY_IDS: tuple[int, ...] = tuple(i for i in range(91) if i not in _UNUSED)

_NEARLY_ALL = 75  # of the 80 names; lists spell some otherwise

# Names by category id, for networks that count so; the ids that COCO does not use are named by
# their number.
LABELS_BY_CATEGORY: tuple[str, ...] = tuple(
    dict(zip(CATEGORY_IDS, LABELS, strict=True)).get(i, str(i)) for i in range(91)
)


def counted_otherwise(labels: Sequence[str]) -> bool:
    """Whether labels are COCO's, but counted by category id or the like."""
    return (
        tuple(labels) != LABELS
        and len(labels) > len(LABELS)
        and (len(set(LABELS).intersection(labels)) >= _NEARLY_ALL)
    )
