"""How outputs with a value for each cell lie in memory, and what distance heads are among them.

A head may come as maps or tables, of each level or of all of them, scores and boxes together or
apart, whatever the outputs are called. Shapes tell which; where shapes leave a choice, values do:
on a plain gray image the logits of a trained network's classes are low nearly everywhere, those of
its boxes are not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np

from edge.models.base import Parts, Recognition, Seen
from edge.models.coco import LABELS
from edge.models.layouts import Distances
from edge.models.layouts.arguments import APART
from edge.models.layouts.maps import Arrangement
from edge.models.shapes import cells
from edge.types import AnyArray, Size

_SCORES: tuple[Literal["logit", "probability"], ...] = ("logit", "probability")
_LARGEST = 200  # of raw numbers; those in pixels are more
_QUIET = 0.9  # of the cells


@dataclass(frozen=True, slots=True)
class Group:
    """Outputs that hold the same channels of all levels.

    Attributes:
        names: Finest level first; a single one of all levels.
        arrangement: How they lie.
        per_level: There is one for each level.
        values: (channels, N): of all levels, cell by cell.
    """

    names: tuple[str, ...]
    arrangement: Arrangement
    per_level: bool
    values: AnyArray


@dataclass(frozen=True, slots=True)
class DistanceHead:
    """Class scores, and distances from each cell's point.

    Attributes:
        form: Its name among `distance_forms`.
        classes: How many.
        bins: Of the distribution of a distance; 1 for the distance itself.
        outputs: Names, in the order that the layout reads them.
        evidence: What was seen, as a phrase.
        sure: Values say so; otherwise 80 classes do, or the user.
    """

    form: str
    classes: int
    bins: int
    outputs: tuple[str, ...]
    evidence: str
    sure: bool


def groups(probe: Seen, strides: Sequence[int]) -> tuple[Group, ...]:
    """The outputs by what they hold, in their order; none where they are of something else."""
    sizes = [cells(probe.input, stride) for stride in strides]
    slots: dict[tuple[Arrangement, int, int], dict[int, str]] = {}
    for name, values in probe.outputs.items():
        place = _place(values, sizes)
        if place is None:
            return ()
        arrangement, level, channels = place
        nth = 0
        while level in slots.setdefault((arrangement, channels, nth), {}):
            nth += 1
        slots[arrangement, channels, nth][level] = name
    result = []
    for (arrangement, _, _), names in slots.items():
        if names.keys() not in ({-1}, set(range(len(sizes)))):
            return ()
        ordered = tuple(names[level] for level in sorted(names))
        parts = [_columns(probe.outputs[name], arrangement) for name in ordered]
        result.append(Group(ordered, arrangement, -1 not in names, np.concatenate(parts, axis=1)))
    return tuple(result)


def _place(values: AnyArray, sizes: Sequence[Size]) -> tuple[Arrangement, int, int] | None:
    """Arrangement, level (-1 for all) and number of channels of an output."""
    shape = values.shape
    for level, size in enumerate(sizes):
        if shape[1:] == (size.height, size.width):
            return "maps", level, shape[0]
        if len(shape) == 3 and shape[:2] == (size.height, size.width):
            return "maps-last", level, shape[2]
    counts = [size.height * size.width for size in sizes]
    for level, count in enumerate([*counts, sum(counts)]):
        level = -1 if level == len(counts) else level
        if len(shape) == 2 and shape[0] == count:
            return "rows", level, shape[1]
        if len(shape) == 2 and shape[1] == count:
            return "planes", level, shape[0]
    return None


def _columns(values: AnyArray, arrangement: Arrangement) -> AnyArray:
    if arrangement in ("maps", "planes"):
        return np.asarray(values.reshape(len(values), -1))
    return np.asarray(values.reshape(-1, values.shape[-1]).T)


def quiet(logits: AnyArray) -> bool:
    """Whether (classes, N) logits are those of a network that sees nothing nearly everywhere."""
    return bool(np.quantile(logits.max(axis=0), _QUIET) < 0)


def distance_forms(
    offset: float = 0.5, *, first: Literal["classes", "boxes"] = "classes", prefix: str = ""
) -> Mapping[str, Distances]:
    """The layouts of distance heads by the names of their forms.

    A name tells what is unusual: "split", scores and boxes are outputs of their own; "level" or
    "joined", each level is an output or all are one; then how the outputs lie; then "logits" or
    "probabilities". Maps are of a level each and logits; single tables are of all levels together,
    split ones of a level each, and both are probabilities.
    """
    together: Parts = (("classes", "boxes"),) if first == "classes" else (("boxes", "classes"),)
    forms = {}
    for apart, per_level, arrangement, score in product(
        (False, True), (False, True), get_args(Arrangement), _SCORES
    ):
        if per_level or not arrangement.startswith("maps"):
            forms[prefix + _form(apart, per_level, arrangement, score)] = Distances(
                parts=APART if apart else together,
                score=score,
                per_level=per_level,
                offset=offset,
                arrangement=arrangement,
            )
    return MappingProxyType(forms)


def _form(apart: bool, per_level: bool, arrangement: Arrangement, score: str) -> str:
    maps = arrangement.startswith("maps")
    words = ["split"] if apart else []
    if not maps and per_level != apart:
        words.append("level" if per_level else "joined")
    if not (apart and arrangement == "maps"):
        words.append(arrangement)
    if (score == "logit") != maps:
        words.append("logits" if score == "logit" else "probabilities")
    return "-".join(words)


def distance_head(
    probe: Seen,
    strides: Sequence[int],
    bins: Sequence[int],
    *,
    first: Literal["classes", "boxes"] = "classes",
) -> DistanceHead | None:
    """What distance head the outputs are, or None.

    Args:
        probe: What the model shows.
        strides: Of its levels.
        bins: The numbers that the family has, the usual one first.
        first: What comes first where both are together.
    """
    parts = groups(probe, strides)
    if len(parts) == 2:
        a, b = parts
        for scores, boxes in ((a, b), (b, a)):
            count, rest = divmod(len(boxes.values), 4)
            same_form = (a.arrangement, a.per_level) == (b.arrangement, b.per_level)
            if rest or count not in bins or not same_form:
                continue
            if verdict := _score(probe, scores.values, boxes.values, count):
                return _head((scores, boxes), len(scores.values), count, *verdict)
    if len(parts) == 1:
        (both,) = parts
        for count in bins:
            classes = len(both.values) - 4 * count
            if classes < 1:
                continue
            at = classes if first == "classes" else 4 * count
            low, high = both.values[:at], both.values[at:]
            score_values, box_values = (low, high) if first == "classes" else (high, low)
            if verdict := _score(probe, score_values, box_values, count):
                return _head((both,), classes, count, *verdict)
    return None


def _score(
    probe: Seen, scores: AnyArray, boxes: AnyArray, bins: int
) -> tuple[Literal["logit", "probability"], bool] | None:
    """What the scores of a distance head are, and whether values say so; None for another head."""
    if max(np.abs(scores).max(), np.abs(boxes).max()) > _LARGEST and not probe.chosen:
        return None
    sides = np.split(boxes, 4)
    if bins > 1 and not all(side.min() < 0 for side in sides):
        return None
    if scores.min() >= 0 and scores.max() <= 1:
        return "probability", True
    sure = quiet(scores) and (bins == 1 or all(_louder(side, scores) for side in sides))
    return ("logit", sure) if sure or probe.chosen or len(scores) == len(LABELS) else None


def _louder(side: AnyArray, scores: AnyArray) -> bool:
    return bool(np.median(side.max(axis=0)) > np.median(scores.max(axis=0)) + 1)


def _head(parts: Sequence[Group], classes: int, bins: int, score: str, sure: bool) -> DistanceHead:
    one = parts[0]
    form = _form(len(parts) == 2, one.per_level, one.arrangement, score)
    lie = {"maps": "maps", "maps-last": "maps, channels last"}.get(one.arrangement, one.arrangement)
    sides = f"distributions of {bins} bins" if bins > 1 else "distances"
    names = tuple(name for part in parts for name in part.names)
    kind = "logits" if score == "logit" else "probabilities"
    evidence = f"{lie} of {classes} class {kind} and {sides} in {one.values.shape[1]} cells"
    return DistanceHead(form, classes, bins, names, evidence, sure)


def recognition(
    head: DistanceHead, strides: tuple[int, ...], *, prefix: str = "", note: str = ""
) -> Recognition:
    """What a family concludes from a distance head."""
    verdict = f"{head.evidence} at strides {', '.join(map(str, strides))}{note}"
    return Recognition(prefix + head.form, head.classes, head.outputs, verdict, strides)
