"""RT-DETR: a set of boxes with a sigmoid for each class; no suppression.

Source: Zhao et al. 2023, arXiv:2304.08069, and what exports emit:
- "end2end": labels, boxes and scores of the official export, boxes as corners in pixels;
- "set": logits (N, C), of which the best over all boxes and classes count, and boxes (N, 4) of
  center x, center y, width, height in fractions;
- "rows": one output (N, 4 + C) of such boxes and class probabilities;
- "end2end_6": one output (N, 6) of such boxes, score, class;
- "class-first": (N, 6) of class, score, corners in pixels, and a count.
"""

from __future__ import annotations

from types import MappingProxyType

from edge.models import detr
from edge.models.base import Family, Preprocessing, Recognition, Seen
from edge.models.layouts import BoxesScores, EndToEnd, Rows
from edge.models.ppyoloe import CLASS_FIRST
from edge.models.shapes import holds, relative, suppressed, table
from edge.types import Size

MOST = 300
END2END_6 = EndToEnd(parts=(("boxes", "score", "class_id"),), corners=False, unit="fractions")


def _recognize(probe: Seen) -> Recognition | None:
    if probe.outputs.keys() == {"labels", "boxes", "scores"}:
        names = ("boxes", "scores", "labels")
        return Recognition("end2end", None, names, "outputs labels, boxes and scores")
    columns = END2END_6.parts[0]
    names6 = suppressed(probe, columns, corners=False)
    if names6 is not None:
        rows = probe.outputs[names6]
        evidence = "a table of centers and sizes in fractions of the input, scores and classes"
        corners = holds(rows, columns)  # those would be another's
        if relative(rows[:, :4]) and (probe.chosen or not corners):
            return Recognition("end2end_6", None, (names6,), evidence)
        return None
    only = table(probe)
    if only is not None and len(only[1]) == MOST and only[1].shape[1] > 4:
        name, rows = only
        evidence = f"a table of {MOST} rows with boxes in fractions of the input"
        fits = relative(rows)
        return Recognition("rows", rows.shape[1] - 4, (name,), evidence) if fits else None
    pair = detr.pair(probe)
    if pair is not None:
        count, width = probe.outputs[pair[0]].shape
        if width not in detr.OFFICIAL and (count == MOST or probe.chosen):
            return Recognition("set", width, pair, f"{count} boxes with {width} logits")
    return None


RTDETR = Family(
    name="rtdetr",
    layouts=MappingProxyType(
        {
            "end2end": EndToEnd(parts=(("boxes",), ("score",), ("class_id",))),
            "set": BoxesScores(
                score="logit", unit="fractions", every_class=True, limit=MOST, suppress=False
            ),
            "rows": Rows(
                parts=(("boxes", "classes"),), unit="fractions", limit=MOST, suppress=False
            ),
            "end2end_6": END2END_6,
            "class-first": CLASS_FIRST,
        }
    ),
    recognize=_recognize,
    input=Size(640, 640),
    preprocessing=Preprocessing(placement="stretch"),
    source="Zhao et al. 2023, arXiv:2304.08069",
)
