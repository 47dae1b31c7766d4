from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from networks import image, trained  # noqa: E402

from calibration.forms import module  # noqa: E402
from calibration.nets.config import ANCHORS as PIXELS  # noqa: E402
from calibration.nets.config import STRIDES  # noqa: E402
from calibration.train.boxes import overlap  # noqa: E402
from calibration.train.targets import Targets  # noqa: E402
from calibration.train.yolov7 import (  # noqa: E402
    Candidates,
    assign,
    candidates,
    loss,
    predictions,
)
from edge.types import Size  # noqa: E402

CLASSES, SIDE = 3, 96
ANCHORS = torch.tensor(PIXELS)
TARGETS = Targets.of(
    [
        np.array(
            [[2, 3, 30, 33], [6, 4, 34, 30], [10, 20, 60, 62], [41, 2, 50, 9], [0, 0, 9, 90]],
            np.float32,
        ),
        np.array([[5, 5, 40, 50]], np.float32),
    ],
    [np.array([0, 0, 2, 1, 1], np.int32), np.array([1], np.int32)],
)


def levels(seed, batch=2):
    random = torch.Generator().manual_seed(seed)
    return [
        torch.randn(batch, 3, SIDE // s, SIDE // s, 5 + CLASSES, generator=random) for s in STRIDES
    ]


def rows(places):
    return list(zip(*(column.tolist() for column in places), strict=True))


def plain_candidates():
    results = set()
    for i, real in enumerate(TARGETS.real):
        for t in range(int(real.sum())):
            x1, y1, x2, y2 = TARGETS.boxes[i, t].tolist()
            w, h, cx, cy = x2 - x1, y2 - y1, (x1 + x2) / 2, (y1 + y2) / 2
            for level, stride in enumerate(STRIDES):
                grid = SIDE // stride
                for a, (aw, ah) in enumerate(PIXELS[level]):
                    if max(w / aw, aw / w, h / ah, ah / h) >= 4:
                        continue
                    gx, gy = cx / stride, cy / stride
                    column, row = math.floor(gx), math.floor(gy)
                    beside = column - 1 if gx - column < 0.5 else column + 1
                    above = row - 1 if gy - row < 0.5 else row + 1
                    for r, c in ((row, column), (row, beside), (above, column)):
                        if 0 <= r < grid and 0 <= c < grid:
                            results.add((i, t, level, a, r, c))
    return results


def test_candidates_are_anchors_of_the_shape_in_the_three_nearest_cells():
    result = rows(candidates(levels(0), ANCHORS, TARGETS))
    assert len(result) > 50
    assert len(set(result)) == len(result)
    assert set(result) == plain_candidates()


def plain_iou(a, b):
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return w * h / (sum(areas) - w * h + 1e-7)


def plain_assign(outputs, places):
    costs, overlaps, objects = {}, {}, {}
    for k, (i, t, *_) in enumerate(rows(places)):
        overlaps[k] = plain_iou(TARGETS.boxes[i, t].tolist(), outputs.boxes[k].tolist())
        cost = -3 * math.log(overlaps[k] + 1e-8)
        for c in range(CLASSES):
            p = math.sqrt(outputs.classes[k, c].sigmoid() * outputs.objectness[k].sigmoid())
            cost -= math.log(p if c == TARGETS.class_ids[i, t] else 1 - p)
        costs[k] = cost
        objects.setdefault((i, t), []).append(k)
    holders = {}
    for mine in objects.values():
        count = max(1, int(sum(sorted((overlaps[k] for k in mine), reverse=True)[:10])))
        for k in sorted(mine, key=costs.get)[:count]:
            i, _, *where = rows(places)[k]
            holders.setdefault((i, *where), []).append(k)
    return sorted(min(several, key=costs.get) for several in holders.values())


@pytest.mark.parametrize("seed", range(5))
def test_assignment_equals_a_plain_one(seed):
    maps = levels(seed)
    places = candidates(maps, ANCHORS, TARGETS)
    outputs = predictions(maps, ANCHORS, places)
    assert assign(outputs, places, TARGETS).tolist() == plain_assign(outputs, places)


def test_a_place_that_two_objects_want_goes_to_the_cheaper():
    twins = Targets.of(
        [np.array([[20, 20, 50, 50], [20, 20, 50, 50]], np.float32)],
        [np.array([0, 1], np.int32)],
    )
    maps = levels(0, batch=1)
    places = candidates(maps, ANCHORS, twins)
    taken = places.take(assign(predictions(maps, ANCHORS, places), places, twins))
    where = [row[2:] for row in rows(taken)]
    assert len(set(where)) == len(where)


def test_predictions_are_what_the_exported_graph_decodes():
    net = trained("yolov7-tiny")
    x = image(Size(SIDE, SIDE))
    with torch.no_grad():
        maps = net(x)
        decoded = module(net, "grid", Size(SIDE, SIDE))(x)[0]
    grids = [SIDE // s for s in STRIDES]
    every = [
        (0, 0, level, a, r, c)
        for level, grid in enumerate(grids)
        for a in range(3)
        for r in range(grid)
        for c in range(grid)
    ]
    outputs = predictions(maps, ANCHORS, Candidates(*torch.tensor(every).T))
    center, size = (
        (outputs.boxes[:, :2] + outputs.boxes[:, 2:]) / 2,
        outputs.boxes[:, 2:] - outputs.boxes[:, :2],
    )
    torch.testing.assert_close(torch.cat([center, size], 1), decoded[:, :4], atol=2e-2, rtol=1e-3)
    torch.testing.assert_close(outputs.objectness.sigmoid(), decoded[:, 4], atol=1e-3, rtol=0)


def test_the_parts_of_the_loss_equal_a_plain_sum():
    maps = levels(1)
    places = candidates(maps, ANCHORS, TARGETS)
    outputs = predictions(maps, ANCHORS, places)
    taken = assign(outputs, places, TARGETS).tolist()
    box = entropy = 0.0
    expected = [torch.zeros(level.shape[:4]) for level in maps]
    for k in taken:
        i, t, level, a, r, c = rows(places)[k]
        near = overlap(outputs.boxes[k], TARGETS.boxes[i, t], "ciou").item()
        box += (1 - near) / len(taken)
        expected[level][i, a, r, c] = max(near, 0)
        for j, logit in enumerate(outputs.classes[k].tolist()):
            p = 1 / (1 + math.exp(-logit))
            entropy -= math.log(p if j == TARGETS.class_ids[i, t] else 1 - p) / CLASSES
    entropy /= len(taken)
    objectness = sum(
        w * torch.nn.functional.binary_cross_entropy(level[..., 4].sigmoid(), q).item()
        for level, q, w in zip(maps, expected, (4.0, 1.0, 0.4), strict=True)
    )
    parts = loss(maps, ANCHORS, TARGETS)
    assert parts["box"].item() == pytest.approx(2 * 0.05 * 3 * box, rel=1e-4)
    assert parts["class"].item() == pytest.approx(2 * 0.5 * CLASSES / 80 * 3 * entropy, rel=1e-4)
    assert parts["object"].item() == pytest.approx(2 * (SIDE / 640) ** 2 * objectness, rel=1e-4)


def test_images_without_objects_are_learned_from_too():
    maps = [level.requires_grad_() for level in levels(0)]
    none = Targets.of([np.zeros((0, 4), np.float32)] * 2, [np.zeros(0, np.int32)] * 2)
    parts = loss(maps, ANCHORS, none)
    sum(parts.values()).backward()
    assert parts["box"].item() == parts["class"].item() == 0
    assert all((level.grad[..., 4] > 0).all() for level in maps)
