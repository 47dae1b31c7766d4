"""Every layout against the plain NumPy twins of the kernels, float and INT8."""

from __future__ import annotations

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import reference
from hypothesis import given, settings

from edge.errors import ModelError
from edge.models import FAMILIES
from edge.models.base import ModelSpec, Scoring
from edge.models.layouts import (
    AnchorMaps,
    BoxesScores,
    Centers,
    Distances,
    EndToEnd,
    Peaks,
    Rows,
)
from edge.models.shapes import cells, points, prior_boxes
from edge.types import Size, Tensor

INPUT = Size(48, 64)
STRIDES = (8, 16)
ANCHORS = (((10.0, 13.0), (16.0, 30.0)), ((30.0, 61.0), (62.0, 45.0)))
POINTS = points(INPUT, STRIDES)
CENTERNESS = (("classes",), ("boxes",), ("centerness",))
classes = st.integers(1, 4)
every_class, seeds, codes = st.booleans(), st.integers(0, 9999), st.booleans()
rules = st.tuples(st.sampled_from([0.1, 0.3, 0.55]), every_class).map(lambda args: Scoring(*args))


class Outputs:
    """Random outputs, as floats or as codes."""

    def __init__(self, seed, codes):
        self.rng, self.codes = np.random.default_rng(seed), codes

    def __call__(self, shape, *, probabilities=False):
        low, high = (0, 1) if probabilities else (-3, 3)
        if not self.codes:
            return Tensor(self.rng.uniform(low, high, shape).astype(np.float32))
        values = self.rng.integers(-128, 128, shape).astype(np.int8)
        return Tensor(values, (high - low) / 255, -128 if probabilities else 0)

    def map(self, channels, stride, **options):
        size = cells(INPUT, stride)
        return self((channels, size.height, size.width), **options)


def spec(count, *, strides=STRIDES, anchors=()):
    return ModelSpec("x", "y", INPUT, tuple(map(str, range(count))), strides, anchors)


def batched(tensor):
    return replace(tensor, values=tensor.values[None])


def part(tensor, first, last=None):
    return replace(tensor, values=tensor.values[first:last])


def same(result, expectation):
    """To the bit but for exponentials."""
    for got, expected in zip((result.boxes, result.scores), expectation[:2], strict=True):
        np.testing.assert_allclose(got, expected, rtol=3e-5, atol=2e-4)
    np.testing.assert_array_equal(result.class_ids, expectation[2])


def options(scoring):
    return {"score_threshold": scoring.threshold, "multi_label": scoring.multi_label}


@settings(max_examples=25, deadline=None)
@given(seeds, codes, classes, rules, st.booleans(), st.booleans(), st.booleans())
def test_rows(seed, codes, count, scoring, objectness, planar, corners):
    first = 5 if objectness else 4
    table = Outputs(seed, codes)((30, first + count), probabilities=True)
    parts = (("boxes", "objectness", "classes") if objectness else ("boxes", "classes"),)
    given_ = replace(table, values=table.values.T) if planar else table
    layout = Rows(parts=parts, planar=planar, corners=corners)
    candidates = layout.decode([batched(given_)], spec(count), scoring)
    expected = reference.decode_rows(
        table, objectness=objectness, corners=corners, **options(scoring)
    )
    same(candidates, expected)
    if objectness and count == 1:  # of which one family says that the class's score is none
        lone = replace(layout, lone_class="objectness").decode([given_], spec(1), scoring)
        rows = replace(table, values=table.values[:, :5])
        same(lone, reference.decode_rows(
            rows, objectness=False, corners=corners, **options(scoring)
        ))  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    seeds, codes, classes, rules, st.sampled_from(["probability", "logit", "softmax"]),
    st.sampled_from([None, "first", "last"]), st.booleans(), st.sampled_from([None, 5]),
)  # fmt: skip
def test_boxes_and_scores(seed, codes, count, scoring, score, background, planar, limit):
    outputs = Outputs(seed, codes)
    columns = count + (background is not None)
    scores = outputs((30, columns), probabilities=score == "probability")
    boxes = outputs((30, 4), probabilities=True)
    layout = BoxesScores(
        score=score, background=background, planar=planar, unit="fractions", limit=limit
    )
    given_ = replace(scores, values=scores.values.T) if planar else scores
    candidates = layout.decode([batched(given_), batched(boxes)], spec(count), scoring)
    activation = {"probability": "none", "logit": "sigmoid"}.get(score, score)
    expected = reference.decode_boxes(
        scores, boxes, activation=activation, background=background, limit=limit,
        scale=(INPUT.width, INPUT.height), **options(scoring),
    )  # fmt: skip
    same(candidates, expected)


@settings(max_examples=10, deadline=None)
@given(seeds, codes, classes, rules)
def test_boxes_as_offsets_from_priors(seed, codes, count, scoring):
    priors = prior_boxes(INPUT, STRIDES, ANCHORS)
    outputs = Outputs(seed, codes)
    scores, boxes = outputs((len(priors), count + 1)), outputs((len(priors), 4))
    layout = BoxesScores(score="softmax", background="first", anchored=True)
    candidates = layout.decode([scores, boxes], spec(count, anchors=ANCHORS), scoring)
    same(candidates, reference.decode_boxes(
        scores, boxes, activation="softmax", background="first", priors=priors, **options(scoring)
    ))  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    seeds, codes, classes, rules, st.sampled_from([1, 3]), st.booleans(),
    st.sampled_from(["cells", "pixels"]), st.sampled_from(["logit", "probability"]),
    st.sampled_from(["classes first", "boxes first", "apart", "centerness", "root"]),
)  # fmt: skip
def test_distances(seed, codes, count, scoring, bins, fixed, unit, score, method):
    outputs = Outputs(seed, codes)
    heads = [outputs.map(count + 4 * bins, s, probabilities=score != "logit") for s in STRIDES]
    scores, sides = [part(h, 0, count) for h in heads], [part(h, count) for h in heads]
    quality = [part(h, 0, 1) for h in heads]
    if method == "classes first":
        given_, parts = heads, (("classes", "boxes"),)
    elif method == "boxes first":
        together = [np.concatenate([h.values[count:], h.values[:count]]) for h in heads]
        given_ = [replace(h, values=v) for h, v in zip(heads, together, strict=True)]
        parts = (("boxes", "classes"),)
    elif method == "apart":
        given_, parts = scores + sides, (("classes",), ("boxes",))
    else:
        given_, parts = scores + sides + quality, CENTERNESS
    layout = Distances(
        parts=parts, score=score, unit=unit, bins=bins if fixed else None, sqrt=method == "root"
    )
    candidates = layout.decode([batched(tensor) for tensor in given_], spec(count), scoring)
    expected = reference.decode_distances(
        scores, boxes=sides, centerness=quality if parts == CENTERNESS else None, strides=STRIDES,
        bins=bins, logits=score == "logit", sqrt=method == "root", in_pixels=unit == "pixels",
        **options(scoring),
    )  # fmt: skip
    same(candidates, expected)


ARRANGED = {
    "maps": lambda v: v,
    "maps-last": lambda v: np.ascontiguousarray(v.transpose(1, 2, 0)),
    "rows": lambda v: np.ascontiguousarray(v.reshape(len(v), -1).T),
    "planes": lambda v: v.reshape(len(v), -1),
}


@pytest.mark.parametrize("arrangement", ARRANGED)
@settings(max_examples=15, deadline=None)
@given(seeds, codes, classes, rules, st.booleans(), st.booleans(), st.sampled_from([0.0, 0.5]))
def test_distances_however_they_lie(
    arrangement, seed, codes, count, scoring, per_level, apart, offset
):
    outputs = Outputs(seed, codes)
    heads = [outputs.map(count + 8, stride) for stride in STRIDES]
    parts = [part(h, 0, count) for h in heads] + [part(h, count) for h in heads] if apart else heads
    given_ = [replace(p, values=ARRANGED[arrangement](p.values)) for p in parts]
    per_level = per_level or arrangement.startswith("maps")
    if not per_level:
        axis = 0 if arrangement == "rows" else 1
        pairs = [given_[i : i + len(STRIDES)] for i in range(0, len(given_), len(STRIDES))]
        given_ = [
            replace(pair[0], values=np.concatenate([p.values for p in pair], axis))
            for pair in pairs
        ]
    layout = Distances(
        parts=(("classes",), ("boxes",)) if apart else (("classes", "boxes"),),
        offset=offset, arrangement=arrangement, per_level=per_level,
    )  # fmt: skip
    candidates = layout.decode([batched(tensor) for tensor in given_], spec(count), scoring)
    same(candidates, reference.decode_distances(
        heads, strides=STRIDES, bins=2, logits=True, offset=offset, **options(scoring)
    ))  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(seeds, codes, classes, rules, st.booleans(), st.sampled_from(["logit", "probability"]))
def test_centers(seed, codes, count, scoring, apart, score):
    outputs = Outputs(seed, codes)
    heads = [outputs.map(5 + count, s, probabilities=score != "logit") for s in STRIDES]
    if apart:
        layout = Centers(score=score)
        given_ = [part(h, *at) for at in ((5, None), (0, 4), (4, 5)) for h in heads]
    else:
        layout, given_ = Centers(score=score, parts=(("boxes", "objectness", "classes"),)), heads
    candidates = layout.decode(given_, spec(count), scoring)
    same(candidates, reference.decode_centers(
        heads, strides=STRIDES, logits=score == "logit", **options(scoring)
    ))  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(seeds, codes, classes, rules, st.booleans(), st.sampled_from(["product", "objectness"]))
def test_anchor_maps(seed, codes, count, scoring, exported, lone):
    outputs = Outputs(seed, codes)
    heads = [outputs.map(2 * (5 + count), stride) for stride in STRIDES]
    given_ = heads
    if exported:  # (A, H, W, 5 + C)
        given_ = [
            replace(h, values=h.values.reshape(2, 5 + count, *h.values.shape[1:])
                    .transpose(0, 2, 3, 1).copy())
            for h in heads
        ]  # fmt: skip
    candidates = AnchorMaps(lone_class=lone).decode(given_, spec(count, anchors=ANCHORS), scoring)
    alone = lone == "objectness" and count == 1
    if alone:
        heads = [
            replace(h, values=h.values.reshape(2, 6, *h.values.shape[1:])[:, :5]) for h in heads
        ]
    same(candidates, reference.decode_anchors(
        heads, anchors=ANCHORS, strides=STRIDES, objectness=not alone, **options(scoring)
    ))  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(seeds, codes, classes, rules, st.booleans(), st.sampled_from(["logit", "probability"]))
def test_peaks(seed, codes, count, scoring, offsets, score):
    outputs = Outputs(seed, codes)
    heat = outputs.map(count, 4, probabilities=score != "logit")
    maps = [outputs.map(2, 4, probabilities=True) for _ in range(1 + offsets)]
    candidates = Peaks(score=score).decode([heat, *maps], spec(count, strides=(4,)), scoring)
    same(candidates, reference.decode_peaks(
        heat, *maps, stride=4, score_threshold=scoring.threshold, logits=score == "logit"
    ))  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(seeds, rules, st.permutations(["boxes", "score", "class_id", "image"]), st.booleans())
def test_end_to_end(seed, scoring, order, fractions):
    rng = np.random.default_rng(seed)
    columns = {
        "boxes": rng.random((20, 4), np.float32), "score": rng.random((20, 1), np.float32),
        "class_id": rng.integers(-1, 5, (20, 1)), "image": np.zeros((20, 1)),
    }  # fmt: skip
    scale, unit = ((1, 1), "pixels") if not fractions else ((64, 48), "fractions")
    expected = reference.decode_end2end(
        Tensor(columns["boxes"]), Tensor(columns["score"][:, 0]), columns["class_id"][:, 0],
        score_threshold=scoring.threshold, scale=scale,
    )  # fmt: skip
    table = np.concatenate([columns[part] for part in order], 1).astype(np.float32)
    layout = EndToEnd(parts=(tuple(order),), unit=unit)
    same(layout.decode([Tensor(table[None])], spec(5), scoring), expected)
    apart = [Tensor(columns[part] if part == "boxes" else columns[part][:, 0]) for part in order]
    layout = EndToEnd(parts=tuple((part,) for part in order), unit=unit)
    same(layout.decode(apart, spec(5), scoring), expected)
    with pytest.raises(ModelError, match="an output has 6 columns, not"):
        EndToEnd(parts=(tuple(order),)).decode([Tensor(table[:, :6])], spec(5), scoring)


@pytest.mark.parametrize(
    ("layout", "count", "held"),
    [
        (Distances(parts=(("classes", "boxes"),)), 5 + 8, {"classes": (0, 5), "boxes": (5, 13)}),
        (Distances(parts=(("boxes", "classes"),)), 5 + 4, {"boxes": (0, 4), "classes": (4, 9)}),
        (Distances(parts=(("classes", "boxes"),)), 5 + 6, None),
        (Distances(parts=(("classes", "boxes"),)), 5, None),
        (Distances(), 5, {"classes": (0, 5)}),
        (Distances(), 6, None),
        (AnchorMaps(), 10, {"boxes": (0, 4), "objectness": (4, 5), "classes": (5, 10)}),
        (EndToEnd(parts=(("class_id", "score", "boxes"),)), 6,
         {"class_id": (0, 1), "score": (1, 2), "boxes": (2, 6)}),
    ],
)  # fmt: skip
def test_a_layout_says_which_channels_hold_what(layout, count, held):
    result = layout.channels(0, count, 5)
    assert result == (held and {part: slice(*ends) for part, ends in held.items()})


def test_layouts_are_values():
    layouts = [layout for family in FAMILIES.values() for layout in family.layouts.values()]
    assert Distances() in layouts
    assert len(set(layouts)) < len(layouts)
    assert all(hash(layout) == hash(replace(layout)) for layout in layouts)
