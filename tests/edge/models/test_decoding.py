"""Every family's every form against its formula, in plain NumPy, on random outputs.

A case gives outputs of the documented shapes and, worked out from them in float64 and in one
line each, all boxes (N, 4) and scores (N, C). What the decoder must then find is the boxes whose
best score is above the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edge import models
from edge.errors import ModelError
from edge.models import FAMILIES
from edge.models.base import ModelSpec, Scoring
from edge.models.layouts import Distances
from edge.models.shapes import cells, prior_boxes
from edge.types import Size, Tensor

INPUT = Size(64, 96)
LABELS = ("a", "b", "c", "d", "e")
C = len(LABELS)
THRESHOLD = 0.6
ANCHORS = (((10, 13), (16, 30), (33, 23)), ((30, 61), (62, 45), (59, 119)))
STRIDES = (8, 16)


@dataclass
class Case:
    outputs: list
    boxes: np.ndarray
    scores: np.ndarray
    strides: tuple = STRIDES
    anchors: tuple = ()


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def softmax(x, axis):
    e = np.exp(np.asarray(x, np.float64) - np.max(x, axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def grid(stride):
    """(N, 2) x, y of the cells, and the map's size."""
    size = cells(INPUT, stride)
    y, x = np.mgrid[: size.height, : size.width]
    return np.stack([x.ravel(), y.ravel()], 1).astype(np.float64), size


def corners(centered):
    center, half = centered[:, :2], centered[:, 2:4] / 2
    return np.concatenate([center - half, center + half], 1)


def flat(maps):
    """(channels, H, W) to (H * W, channels)."""
    return maps.reshape(len(maps), -1).T.astype(np.float64)


def by_level(strides, one):
    """Outputs, boxes and scores of every level, put together."""
    parts = [one(stride, *grid(stride)) for stride in strides]
    outputs, boxes, scores = zip(*parts, strict=True)
    return outputs, np.concatenate(boxes), np.concatenate(scores)


def ltrb(points, d):
    return np.concatenate([points - d[:, :2], points + d[:, 2:]], 1)


def f32(values):
    return np.asarray(values, np.float32)


def random_table(rng, rows, *columns):
    return f32(np.concatenate([rng.random((rows, n)) for n in columns], 1))


def rows_with_objectness(rng, per_cell=1, ones=False, fractions=False):
    n = per_cell * sum(len(grid(s)[0]) for s in STRIDES)
    table = random_table(rng, n, 4, 1, C)
    table[:, :4] *= 60
    if ones:
        table[:, 4] = 1
    scores = table[:, 4:5].astype(np.float64) * table[:, 5:]
    boxes = corners(table[:, :4].astype(np.float64))
    if fractions:
        table[:, :4] /= [INPUT.width, INPUT.height] * 2
    return Case([table[None]], boxes, scores)


def yolov6_heads(rng, strides=STRIDES):
    def one(stride, at, size):
        head = f32(
            np.concatenate(
                [
                    rng.random((C, size.height, size.width)),
                    rng.normal(2, 2, (4, size.height, size.width)),
                ]
            )
        )
        values = flat(head)
        return head, ltrb(at + 0.5, values[:, C:]) * stride, values[:, :C]

    outputs, boxes, scores = by_level(strides, one)
    return Case(list(outputs), boxes, scores, strides)


def split(rng, bins):
    def one(stride, at, size):
        logits = f32(rng.normal(0, 2, (C, size.height, size.width)))
        sides = f32(rng.normal(0, 2, (4 * bins, size.height, size.width)))
        d = distances(flat(sides), bins)
        return (logits, sides), ltrb(at + 0.5, d) * stride, sigmoid(flat(logits))

    outputs, boxes, scores = by_level(STRIDES, one)
    return Case([a for a, _ in outputs] + [b for _, b in outputs], boxes, scores)


def distances(values, bins):
    """(N, 4 * bins), side-major, to (N, 4)."""
    if bins == 1:
        return values
    weights = softmax(values.reshape(len(values), 4, bins), 2)
    return weights @ np.arange(bins)


def yolov8_heads(rng):
    def one(stride, at, size):
        head = f32(rng.normal(0, 2, (64 + C, size.height, size.width)))
        values = flat(head)
        boxes = ltrb(at + 0.5, distances(values[:, :64], 16)) * stride
        return head, boxes, sigmoid(values[:, 64:])

    outputs, boxes, scores = by_level(STRIDES, one)
    return Case(list(outputs), boxes, scores)


def planar(rng, fractions=False):
    n = sum(len(grid(s)[0]) for s in STRIDES)
    table = random_table(rng, n, 4, C)
    unit = np.array([INPUT.width, INPUT.height] * 2) if fractions else np.full(4, 60.0)
    if not fractions:
        table[:, :4] *= 60
        unit = np.ones(4)
    boxes = corners(table[:, :4].astype(np.float64) * unit)
    return Case([table.T.copy()[None]], boxes, table[:, 4:].astype(np.float64))


def raw_anchors(rng, layout, *, spreads=(2, 2), exponential=False):
    """`layout`: "exported" (3, H, W, C), "planes" of the convolution, "last" (H, W, 3 C) or "cells"
    (3, H W, C)."""
    outputs, boxes, scores = [], [], []
    strides = (8, 16, 32)[: len(spreads)]
    every = (*ANCHORS, ((116, 90), (156, 198), (373, 326)))[: len(spreads)]
    for stride, anchors, spread in zip(strides, every, spreads, strict=True):
        at, size = grid(stride)
        raw = f32(rng.normal(0, 2, (3, size.height, size.width, 5 + C)))
        for a, anchor in enumerate(anchors):
            v = sigmoid(raw[a].reshape(-1, 5 + C))
            center = (spread * v[:, :2] - (spread - 1) / 2 + at) * stride
            side = (2 * v[:, 2:4]) ** 2 * anchor
            if exponential:
                side = np.exp(raw[a].reshape(-1, 5 + C)[:, 2:4].astype(np.float64)) * anchor
            boxes.append(corners(np.concatenate([center, side], 1)))
            scores.append(v[:, 4:5] * v[:, 5:])
        shaped = {
            "exported": raw,
            "planes": raw.transpose(0, 3, 1, 2).reshape(-1, size.height, size.width),
            "last": raw.transpose(1, 2, 0, 3).reshape(size.height, size.width, -1),
            "cells": raw.reshape(3, -1, 5 + C),
        }
        outputs.append(np.ascontiguousarray(shaped[layout])[None])
    return Case(outputs, np.concatenate(boxes), np.concatenate(scores), strides, every)


def shared_classes(rng, *, last):
    """Yolo-FastestV2: boxes and objectness of three anchors, classes of the cell."""
    outputs, boxes, scores = [], [], []
    for stride, anchors in zip(STRIDES, ANCHORS, strict=True):
        at, size = grid(stride)
        rows = f32(rng.random((len(at), 15 + C)))
        v = rows.astype(np.float64)
        for a, anchor in enumerate(anchors):
            x, side = v[:, 4 * a : 4 * a + 2], v[:, 4 * a + 2 : 4 * a + 4]
            centered = [(2 * x - 0.5 + at) * stride, (2 * side) ** 2 * anchor]
            boxes.append(corners(np.concatenate(centered, 1)))
            scores.append(v[:, 12 + a, None] * v[:, 15:])
        maps = rows.reshape(size.height, size.width, -1)
        outputs.append(np.ascontiguousarray(maps if last else maps.transpose(2, 0, 1))[None])
    return Case(outputs, np.concatenate(boxes), np.concatenate(scores), anchors=ANCHORS)


def fastestdet(rng, *, last):
    at, size = grid(16)
    raw = f32(np.concatenate([rng.random((len(at), 1)), rng.normal(0, 2, (len(at), 4))], 1))
    classes = f32(rng.random((len(at), C)))
    v = raw.astype(np.float64)
    center = (at + np.tanh(v[:, 1:3])) * 16
    boxes = corners(np.concatenate([center, sigmoid(v[:, 3:]) * [INPUT.width, INPUT.height]], 1))
    maps = np.concatenate([raw, classes], 1).reshape(size.height, size.width, -1)
    output = np.ascontiguousarray(maps if last else maps.transpose(2, 0, 1))[None]
    return Case([output], boxes, v[:, :1] ** 0.6 * classes.astype(np.float64) ** 0.4, (16,))


def centers(rng):
    def one(stride, at, size):
        maps = [f32(rng.normal(0, 2, (n, size.height, size.width))) for n in (C, 4, 1)]
        v = flat(maps[1])
        centered = np.concatenate([(v[:, :2] + at) * stride, np.exp(v[:, 2:]) * stride], 1)
        return maps, corners(centered), sigmoid(flat(maps[0])) * sigmoid(flat(maps[2]))

    outputs, boxes, scores = by_level(STRIDES, one)
    return Case([level[k] for k in range(3) for level in outputs], boxes, scores)


def yolox_raw(rng):
    boxes, parts = [], []
    for stride in STRIDES:
        at, _ = grid(stride)
        table = f32(
            np.concatenate([rng.normal(0, 1, (len(at), 4)), rng.random((len(at), 1 + C))], 1)
        )
        v = table.astype(np.float64)
        centered = np.concatenate([(v[:, :2] + at) * stride, np.exp(v[:, 2:4]) * stride], 1)
        boxes.append(corners(centered))
        parts.append(table)
    rows = np.concatenate(parts)
    scores = rows[:, 4:5].astype(np.float64) * rows[:, 5:]
    return Case([rows[None]], np.concatenate(boxes), scores)


def ppyoloe_rows(rng):
    table = random_table(rng, 200, 4, C)
    table[:, 2:4] += 1
    return Case([table[None]], table[:, :4].astype(np.float64), table[:, 4:].astype(np.float64))


def corners_pair(rng):
    case = ppyoloe_rows(rng)
    (table,) = case.outputs
    case.outputs = [table[..., 4:].copy(), table[..., :4].copy()]
    return case


def ppyoloe_pair(rng):
    case = ppyoloe_rows(rng)
    (table,) = case.outputs
    case.outputs = [table[..., :4].copy(), table[0, :, 4:].T.copy()[None]]
    return case


def distance_head(rng, form, *, strides, offset, bins, pixels=False):
    """A form whose name is that of its layout; see `edge.models.arrangements`."""
    words = form.removeprefix("boxes-").split("-")
    boxes_first, apart = form.startswith("boxes-"), "split" in words
    lie = next((word for word in ("maps", "rows", "planes") if word in words), "maps")
    per_level = lie == "maps" or ("joined" not in words if apart else "level" in words)
    logits = "probabilities" not in words if lie == "maps" else "logits" in words
    boxes, scores, levels = [], [], []
    for stride in strides:
        at, size = grid(stride)
        values = rng.normal(0, 2, (len(at), C))
        values = f32(values if logits else sigmoid(values))
        sides = f32(rng.normal(0, 2, (len(at), 4 * bins)))
        d = distances(sides.astype(np.float64), bins) / (stride if pixels else 1)
        boxes.append(ltrb(at + offset, d) * stride)
        scores.append(sigmoid(values) if logits else values.astype(np.float64))
        parts = [sides, values] if boxes_first else [values, sides]
        levels.append([(part, size) for part in (parts if apart else [np.hstack(parts)])])
    outputs = []
    for part in zip(*levels, strict=True):
        if not per_level:
            part = [(np.concatenate([rows for rows, _ in part]), None)]
        for rows, size in part:
            if lie == "maps":
                rows = rows.reshape(size.height, size.width, -1)
                rows = rows if "last" in words else rows.transpose(2, 0, 1)
            outputs.append(np.ascontiguousarray(rows.T if lie == "planes" else rows)[None])
    return Case(outputs, np.concatenate(boxes), np.concatenate(scores), strides)


def distance_heads(family, strides, offset, bins, **options):
    """The cases of all forms whose layout is of distances and has no other case."""
    return {
        (family, form): lambda rng, form=form: distance_head(
            rng, form, strides=strides, offset=offset, bins=bins, **options
        )
        for form, layout in FAMILIES[family].layouts.items()
        if isinstance(layout, Distances)
    }


def fcos(rng, root):
    def one(stride, at, size):
        maps = [f32(rng.normal(1, 2, (n, size.height, size.width))) for n in (C, 4, 1)]
        maps[1] = np.abs(maps[1]) * 10
        product = sigmoid(flat(maps[0])) * sigmoid(flat(maps[2]))
        boxes = ltrb(at * stride + stride // 2, flat(maps[1]))
        return maps, boxes, np.sqrt(product) if root else product

    outputs, boxes, scores = by_level(STRIDES, one)
    return Case([level[k] for k in range(3) for level in outputs], boxes, scores)


def centernet(rng, logits):
    at, size = grid(4)
    heat = f32(rng.normal(0, 1, (C, size.height, size.width)))
    sizes = f32(rng.random((2, size.height, size.width)) * 9)
    offsets = f32(rng.random((2, size.height, size.width)))
    heat = heat if logits else f32(sigmoid(heat))
    real = sigmoid(heat) if logits else heat
    padded = np.pad(heat, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    peaks = heat == windows.max(axis=(3, 4))
    boxes = corners(np.concatenate([at + flat(offsets), flat(sizes)], 1)) * 4
    scores = flat(np.where(peaks, real, -1))
    outputs = [heat[None], sizes[None], offsets[None]]
    return Case(outputs, boxes, scores, (4,))


def detr(rng):
    logits = f32(rng.normal(0, 3, (50, C + 1)))
    boxes = f32(rng.random((50, 4)))
    real = corners(boxes.astype(np.float64) * ([INPUT.width, INPUT.height] * 2))
    return Case([logits[None], boxes[None]], real, softmax(logits, 1)[:, :C])


def rtdetr_set(rng):
    case = detr(rng)
    logits = case.outputs[0][..., :C].copy()
    case.outputs[0], case.scores = logits, sigmoid(logits[0])
    return case


def rtdetr_rows(rng):
    table = random_table(rng, 300, 4, C)
    boxes = corners(table[:, :4].astype(np.float64) * ([INPUT.width, INPUT.height] * 2))
    return Case([table[None]], boxes, table[:, 4:].astype(np.float64))


def ssd(rng):
    priors = prior_boxes(INPUT, STRIDES, ANCHORS).astype(np.float64)
    logits = f32(rng.normal(0, 3, (len(priors), C + 1)))
    offsets = f32(rng.normal(0, 1, (len(priors), 4)))
    center = priors[:, :2] + offsets[:, :2] * 0.1 * priors[:, 2:]
    side = priors[:, 2:] * np.exp(offsets[:, 2:].astype(np.float64) * 0.2)
    boxes = corners(np.concatenate([center, side], 1))
    return Case([logits[None], offsets[None]], boxes, softmax(logits, 1)[:, 1:], anchors=ANCHORS)


def final(rng, layout):
    """Boxes, scores and classes that a network with suppression inside gives."""
    n = 40
    boxes, scores = f32(rng.random((n, 4)) * 60), f32(rng.random(n))
    ids = rng.integers(0, C, n)
    real = boxes.astype(np.float64)
    column = scores[:, None], f32(ids)[:, None]
    if layout == "end2end_6":
        outputs = [np.concatenate([boxes, *column], 1)[None]]
    elif layout == "fractions6":
        outputs = [np.concatenate([boxes / f32([INPUT.width, INPUT.height] * 2), *column], 1)[None]]
    elif layout == "centered6":
        outputs = [np.concatenate([boxes / 60, *column], 1)[None]]
        real = corners(boxes.astype(np.float64) / 60 * ([INPUT.width, INPUT.height] * 2))
    elif layout == "detections":
        outputs = [(boxes / 60)[None, :, [1, 0, 3, 2]], f32(ids)[None], scores[None]]
        real = boxes.astype(np.float64) / 60 * ([INPUT.width, INPUT.height] * 2)
    elif layout == "end2end_7":
        outputs = [np.concatenate([np.zeros((n, 1), np.float32), boxes, column[1], column[0]], 1)]
    elif layout == "class-first":
        outputs = [np.concatenate([column[1], column[0], boxes], 1)]
    else:
        outputs = [boxes[None], scores[None], ids[None].astype(layout)]
    table = np.zeros((n, C))
    table[np.arange(n), ids] = scores
    return Case(outputs, real, table)


CASES = {
    ("yolov6", "rows"): lambda rng: rows_with_objectness(rng, ones=True),
    ("yolov6", "raw-rows"): yolox_raw,
    ("yolov6", "heads"): yolov6_heads,
    ("yolov6", "split"): lambda rng: split(rng, 17),
    ("yolov6", "centers"): centers,
    ("yolov6", "end2end"): lambda rng: final(rng, np.int32),
    ("yolov6", "end2end_7"): lambda rng: final(rng, "end2end_7"),
    ("yolov6lite", "heads"): lambda rng: yolov6_heads(rng, (8, 16, 32, 64)),
    ("yolov6lite", "split"): lambda rng: split(rng, 1),
    **{
        (name, form): make
        for name in ("yolov7", "yolov7-tiny", "yolov5")
        for form, make in {
            "rows": lambda rng: rows_with_objectness(rng, 3),
            "rows-fractions": lambda rng: rows_with_objectness(rng, 3, fractions=True),
            "heads": lambda rng: raw_anchors(rng, "exported"),
            "end2end_7": lambda rng: final(rng, "end2end_7"),
        }.items()
        if form in FAMILIES[name].layouts
    },
    **distance_heads("yolov8", (8, 16, 32), 0.5, 16),
    ("yolov8", "planar"): planar,
    ("yolov8", "planar-fractions"): lambda rng: planar(rng, fractions=True),
    ("yolov8", "heads"): yolov8_heads,
    ("yolov8", "split"): lambda rng: split(rng, 16),
    ("yolox", "rows"): rows_with_objectness,
    ("yolox", "raw-rows"): yolox_raw,
    ("yolox", "centers"): centers,
    ("yolov10", "split"): lambda rng: split(rng, 16),
    ("yolov10", "end2end_6"): lambda rng: final(rng, "end2end_6"),
    ("yolov10", "end2end_6-fractions"): lambda rng: final(rng, "fractions6"),
    **{
        (name, form): make
        for name in ("ppyoloe", "ppyoloe+")
        for form, make in {
            "rows": ppyoloe_rows,
            "boxes-scores": ppyoloe_pair,
            "end2end": lambda rng: final(rng, "class-first"),
            "split": lambda rng: split(rng, 17),
        }.items()
    },
    **distance_heads("nanodet-plus", (8, 16, 32, 64), 0, 8),
    **distance_heads("nanodet", (8, 16, 32), 0.5, 8),
    **distance_heads("picodet", (8, 16, 32, 64), 0.5, 8),
    **distance_heads("rtmdet", (8, 16, 32), 0, 1, pixels=True),
    ("picodet", "boxes-scores"): ppyoloe_pair,
    ("yolo-nas", "pair"): corners_pair,
    ("damo-yolo", "pair"): corners_pair,
    ("yolov3", "heads"): lambda rng: raw_anchors(rng, "last", spreads=(1, 1), exponential=True),
    ("yolov4", "heads"): lambda rng: raw_anchors(
        rng, "planes", spreads=(1.2, 1.1, 1.05), exponential=True
    ),
    ("yolov4", "heads-two"): lambda rng: raw_anchors(
        rng, "planes", spreads=(1.05, 1.05), exponential=True
    ),
    ("fastestdet", "first"): lambda rng: fastestdet(rng, last=False),
    ("fastestdet", "last"): lambda rng: fastestdet(rng, last=True),
    ("yolo-fastestv2", "first"): lambda rng: shared_classes(rng, last=False),
    ("yolo-fastestv2", "last"): lambda rng: shared_classes(rng, last=True),
    ("fcos", "heads"): lambda rng: fcos(rng, root=True),
    ("fcos", "heads-product"): lambda rng: fcos(rng, root=False),
    ("centernet", "heads"): lambda rng: centernet(rng, logits=True),
    ("centernet", "heads-probability"): lambda rng: centernet(rng, logits=False),
    ("detr", "set"): detr,
    ("yolos", "set"): detr,
    ("rtdetr", "end2end"): lambda rng: final(rng, np.int64),
    ("rtdetr", "set"): rtdetr_set,
    ("rtdetr", "rows"): rtdetr_rows,
    ("rtdetr", "end2end_6"): lambda rng: final(rng, "centered6"),
    ("rtdetr", "class-first"): lambda rng: final(rng, "class-first"),
    ("ssd", "priors"): ssd,
    ("ssd", "detections"): lambda rng: final(rng, "detections"),
}
BEST_FIRST = {
    ("centernet", "heads"): 100,
    ("centernet", "heads-probability"): 100,
    ("rtdetr", "set"): 300,
    ("rtdetr", "rows"): 300,
}
# These find every class above the threshold, not only the best.
ALL_CLASSES = {
    ("centernet", "heads"),
    ("centernet", "heads-probability"),
    ("rtdetr", "set"),
    ("yolov10", "split"),
}


def test_there_is_a_case_for_every_form():
    assert set(CASES) == {(f.name, form) for f in FAMILIES.values() for form in f.layouts}


def expected(case, *, every_class):
    scores = case.scores
    if not every_class:
        best = scores.argmax(1)
        keep = np.zeros_like(scores, bool)
        keep[np.arange(len(scores)), best] = True
        scores = np.where(keep, scores, -1)
    rows, ids = np.nonzero(scores > THRESHOLD)
    return case.boxes[rows], scores[rows, ids], ids


def best_first(boxes, scores, ids, limit):
    order = np.argsort(-scores, kind="stable")[:limit]
    return boxes[order], scores[order], ids[order]


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("name", CASES, ids=" ".join)
def test_decodes_as_the_formula_says(name, multi_label):
    case = CASES[name](np.random.default_rng(7))
    family, form = name
    spec = ModelSpec(family, form, INPUT, LABELS, case.strides, case.anchors)
    layout = models.layout(family, form)
    outputs = [Tensor(values) for values in case.outputs]
    candidates = layout.decode(outputs, spec, Scoring(THRESHOLD, multi_label))
    final_form = not layout.suppress and form not in ("set", "rows")
    every_class = (multi_label and not final_form) or name in ALL_CLASSES
    expectation = expected(case, every_class=every_class)
    if name in BEST_FIRST:
        expectation = best_first(*expectation, BEST_FIRST[name])
    got = (candidates.boxes, candidates.scores, candidates.class_ids)
    assert len(expectation[1]) > 5
    np.testing.assert_allclose(got[1], expectation[1], atol=1e-5)
    np.testing.assert_array_equal(got[2], expectation[2])
    np.testing.assert_allclose(got[0], expectation[0], rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("family", ["yolov7", "yolov7-tiny"])
def test_a_single_class_of_yolov7_scores_by_its_objectness(family):
    rng = np.random.default_rng(0)
    rows = f32(rng.random((1, 90, 6)))
    spec = ModelSpec(family, "rows", INPUT, ("only",), STRIDES, ANCHORS)
    candidates = models.layout(family, "rows").decode([Tensor(rows)], spec, Scoring(0.5))
    np.testing.assert_array_equal(candidates.scores, rows[0, rows[0, :, 4] > 0.5, 4])
    raw = [f32(rng.normal(0, 2, (1, 3, 64 // s, 96 // s, 6))) for s in STRIDES]
    candidates = models.layout(family, "heads").decode(list(map(Tensor, raw)), spec, Scoring(0.5))
    objectness = np.concatenate([sigmoid(r[0, ..., 4]).ravel() for r in raw])
    np.testing.assert_allclose(candidates.scores, objectness[objectness > 0.5], atol=1e-6)


@pytest.mark.parametrize("layout", ["planes", "last", "cells"])
@pytest.mark.parametrize("family", ["yolov7", "yolov5"])
def test_maps_of_anchors_however_they_lie(family, layout):
    case = raw_anchors(np.random.default_rng(7), layout)
    spec = ModelSpec(family, "heads", INPUT, LABELS, STRIDES, ANCHORS)
    decode = models.layout(family, "heads").decode
    candidates = decode(list(map(Tensor, case.outputs)), spec, Scoring(THRESHOLD))
    expectation = expected(case, every_class=False)
    np.testing.assert_allclose(candidates.scores, expectation[1], rtol=1e-5)
    np.testing.assert_allclose(candidates.boxes, expectation[0], rtol=1e-4, atol=2e-3)


REFUSE_OTHER_LABELS = ("rows", "heads", "planar", "set", "centers", "maps", "split")


@pytest.mark.parametrize("name", [n for n in CASES if n[1] in REFUSE_OTHER_LABELS])
def test_another_number_of_labels_is_refused(name):
    case = CASES[name](np.random.default_rng(7))
    spec = ModelSpec(*name, INPUT, (*LABELS, "f"), case.strides, case.anchors)
    with pytest.raises((ModelError, ValueError)):
        models.layout(*name).decode(list(map(Tensor, case.outputs)), spec, Scoring(0.5))


def test_a_class_without_a_label_is_no_detection():
    case = final(np.random.default_rng(7), "detections")
    spec = ModelSpec("ssd", "detections", INPUT, LABELS[:2])
    with pytest.raises(ModelError, match="a box of class 4 was found, and there are 2 labels"):
        models.layout("ssd", "detections").decode(
            list(map(Tensor, case.outputs)), spec, Scoring(0.1)
        )
