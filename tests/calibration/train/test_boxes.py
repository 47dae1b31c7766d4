from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from calibration.train.boxes import iou, overlap, pairwise_iou  # noqa: E402


def random_boxes(count, seed):
    random = np.random.default_rng(seed)
    low = random.uniform(0, 80, (count, 2))
    return np.hstack([low, low + random.uniform(2, 60, (count, 2))])


FOUND, WANTED = random_boxes(40, 0), random_boxes(40, 1)
FOUND[0] = WANTED[0]  # alike
FOUND[1], WANTED[1] = (0, 0, 10, 10), (50, 60, 90, 70)  # apart
FOUND[2], WANTED[2] = (0, 0, 40, 40), (10, 10, 20, 30)  # inside


def plain_iou(a, b):
    w = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return w * h / union(a, b), w * h


def union(a, b):
    w = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h


def plain_overlap(a, b, kind):
    """As the papers write it, one box at a time."""
    common, _ = plain_iou(a, b)
    hull_w, hull_h = max(a[2], b[2]) - min(a[0], b[0]), max(a[3], b[3]) - min(a[1], b[1])
    if kind == "giou":
        return common - (hull_w * hull_h - union(a, b)) / (hull_w * hull_h)
    dx, dy = (b[0] + b[2] - a[0] - a[2]) / 2, (b[1] + b[3] - a[1] - a[3]) / 2
    (aw, ah), (bw, bh) = (a[2] - a[0], a[3] - a[1]), (b[2] - b[0], b[3] - b[1])
    if kind == "ciou":
        v = 4 / math.pi**2 * (math.atan(bw / bh) - math.atan(aw / ah)) ** 2
        alpha = v / (1 - common + v) if v else 0
        return common - (dx**2 + dy**2) / (hull_w**2 + hull_h**2) - alpha * v
    sigma = math.hypot(dx, dy)
    sine = abs(dy) / sigma if sigma else 0.0
    angle = 1 - 2 * math.sin(math.asin(sine) - math.pi / 4) ** 2
    gamma = 2 - angle
    distance = sum(1 - math.exp(-gamma * (d / c) ** 2) for d, c in ((dx, hull_w), (dy, hull_h)))
    shape = sum((1 - math.exp(-abs(p - q) / max(p, q))) ** 4 for p, q in ((aw, bw), (ah, bh)))
    return common - (distance + shape) / 2


@pytest.mark.parametrize("kind", ["giou", "ciou", "siou"])
def test_overlap_equals_the_papers_formulas(kind):
    result = overlap(torch.tensor(FOUND), torch.tensor(WANTED), kind).numpy()
    expected = [plain_overlap(a, b, kind) for a, b in zip(FOUND, WANTED, strict=True)]
    np.testing.assert_allclose(result, expected, atol=2e-3 if kind == "siou" else 1e-5)


@pytest.mark.parametrize("kind", ["giou", "ciou", "siou"])
def test_overlap_pulls_a_box_onto_another(kind):
    box = torch.tensor([[30.0, 5.0, 45.0, 40.0]], requires_grad=True)
    expected = torch.tensor([[10.0, 20.0, 50.0, 45.0]])
    optimizer = torch.optim.Adam([box], lr=0.5)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.5 * (1 - step / 400)
        optimizer.zero_grad()
        (1 - overlap(box, expected, kind)).sum().backward()
        assert torch.isfinite(box.grad).all()
        optimizer.step()
    assert iou(box.detach(), expected).item() > 0.9


@pytest.mark.parametrize("kind", ["giou", "ciou", "siou"])
def test_equal_boxes_give_one_and_finite_gradients(kind):
    box = torch.tensor(FOUND[:1], requires_grad=True)
    value = overlap(box, torch.tensor(FOUND[:1]), kind)
    value.sum().backward()
    assert value.item() == pytest.approx(1, abs=1e-3)
    assert torch.isfinite(box.grad).all()


def test_boxes_with_corners_the_wrong_way_round_overlap_nothing():
    box = torch.tensor([[20.0, 20.0, 10.0, 10.0]])
    assert iou(box, torch.tensor([[0.0, 0.0, 30.0, 30.0]])).item() == 0


def test_pairwise_iou_is_that_of_every_pair():
    result = pairwise_iou(torch.tensor(FOUND), torch.tensor(WANTED)).numpy()
    expected = [[plain_iou(a, b)[0] for b in WANTED] for a in FOUND]
    np.testing.assert_allclose(result, expected, atol=1e-6)
