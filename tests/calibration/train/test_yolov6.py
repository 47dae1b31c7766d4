from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from calibration.nets.yolov6 import Level  # noqa: E402
from calibration.train.targets import Targets  # noqa: E402
from calibration.train.yolov6 import Assignment, assign, loss, points, varifocal  # noqa: E402
from edge import ops  # noqa: E402
from edge.types import Tensor  # noqa: E402

CLASSES = 3


def levels(seed, batch=2, size=64):
    random = torch.Generator().manual_seed(seed)
    return [
        Level(
            torch.randn(batch, CLASSES, size // s, size // s, generator=random),
            torch.rand(batch, 4, size // s, size // s, generator=random) * 2.5,
            None,
        )
        for s in (8, 16, 32)
    ]


# The first image has four objects, two of one class on top of each other; the second has one.
TARGETS = Targets.of(
    [
        np.array([[2, 3, 30, 33], [6, 4, 34, 30], [10, 20, 60, 62], [41, 2, 50, 9]], np.float32),
        np.array([[5, 5, 40, 50]], np.float32),
    ],
    [np.array([0, 0, 2, 1], np.int32), np.array([1], np.int32)],
)


def plain_iou(a, b):
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [max(0.0, x[2] - x[0]) * max(0.0, x[3] - x[1]) for x in (a, b)]
    return w * h / (sum(areas) - w * h + 1e-7)


def plain_assign(result, targets):
    """The paper, one object and one point at a time."""
    batch, count, classes = result.logits.shape
    positive = np.zeros((batch, count), bool)
    objects = np.zeros((batch, count), int)
    scores = np.zeros((batch, count, classes))
    probability = result.logits.sigmoid().double().numpy()
    boxes, centers = result.boxes.double().numpy(), result.centers.double().numpy()
    for image in range(batch):
        own = targets.boxes[image][targets.real[image]].double().numpy()
        labels = targets.class_ids[image].numpy()
        iou = np.array([[plain_iou(t, b) for b in boxes[image]] for t in own])
        align = np.array(
            [
                [probability[image, n, labels[m]] * iou[m, n] ** 6 for n in range(count)]
                for m in range(len(own))
            ]
        )
        wants = []
        for m, (x1, y1, x2, y2) in enumerate(own):
            inside = [n for n, (x, y) in enumerate(centers) if x1 < x < x2 and y1 < y < y2]
            wants.append(sorted(inside, key=lambda n, m=m: -align[m, n])[:13])
        taken = [[] for _ in own]
        for n in range(count):
            wanting = [m for m in range(len(own)) if n in wants[m]]
            if wanting:
                m = max(wanting, key=lambda m, n=n: iou[m, n])
                positive[image, n], objects[image, n] = True, m
                taken[m].append(n)
        for m, mine in enumerate(taken):
            for n in mine:
                highest = max(align[m, k] for k in mine)
                scores[image, n, labels[m]] = (
                    align[m, n] / max(highest, 1e-12) * max(iou[m, k] for k in mine)
                )
    return positive, objects, scores


@pytest.mark.parametrize("seed", range(5))
def test_assignment_equals_the_papers(seed):
    result = points(levels(seed))
    assignment = assign(result, TARGETS)
    positive, objects, scores = plain_assign(result, TARGETS)
    assert positive.sum() > 10
    np.testing.assert_array_equal(assignment.positive.numpy(), positive)
    np.testing.assert_array_equal(assignment.objects.numpy()[positive], objects[positive])
    np.testing.assert_allclose(assignment.scores.numpy(), scores, atol=1e-4)


def test_no_point_outside_its_object_is_positive():
    result = points(levels(0))
    assignment = assign(result, TARGETS)
    image, point = assignment.positive.nonzero(as_tuple=True)
    boxes = TARGETS.boxes[image, assignment.objects[image, point]]
    centers = result.centers[point]
    assert ((centers > boxes[:, :2]) & (centers < boxes[:, 2:])).all()


def test_points_are_what_the_runtime_decodes():
    result = points(levels(3, batch=1))
    heads = [
        Tensor(torch.cat([level.classes.sigmoid(), level.boxes], 1)[0].numpy())
        for level in levels(3, batch=1)
    ]
    decoded = ops.decode_distances(heads, strides=(8, 16, 32), score_threshold=0.0)
    np.testing.assert_allclose(decoded.boxes, result.boxes[0].numpy(), atol=1e-4)
    best = result.logits[0].sigmoid().amax(1).numpy()
    np.testing.assert_allclose(decoded.scores, best, atol=1e-6)


def test_varifocal_loss_equals_the_formula():
    logits = torch.tensor([[-2.0, 0.5], [3.0, -0.1]])
    targets = torch.tensor([[0.0, 0.7], [0.0, 0.0]])
    expected = 0.0
    for x, q in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-x))
        if q > 0:
            expected -= q * (q * math.log(p) + (1 - q) * math.log(1 - p))
        else:
            expected -= 0.75 * p**2 * math.log(1 - p)
    assert varifocal(logits, targets).item() == pytest.approx(expected, rel=1e-5)


def test_images_without_objects_are_learned_from_too():
    maps = [
        Level(level.classes.requires_grad_(), level.boxes.requires_grad_(), None)
        for level in levels(0)
    ]
    none = Targets.of([np.zeros((0, 4), np.float32)] * 2, [np.zeros(0, np.int32)] * 2)
    parts = loss(maps, none, "giou")
    sum(parts.values()).backward()
    assert parts["box"].item() == 0
    assert parts["class"].item() > 0
    assert all((level.classes.grad > 0).all() for level in maps)


def test_an_object_between_the_points_is_given_to_none():
    tiny = Targets.of([np.array([[5, 5, 7, 7]], np.float32)], [np.array([0], np.int32)])
    assignment = assign(points(levels(0, batch=1)), tiny)
    assert isinstance(assignment, Assignment)
    assert not assignment.positive.any()
    assert torch.isfinite(assignment.scores).all()
