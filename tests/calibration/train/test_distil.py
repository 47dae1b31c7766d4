from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra train")

from calibration.nets.yolov6 import Level  # noqa: E402
from calibration.train.distill import channel_wise, head  # noqa: E402


def features(seed):
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, s, s, generator=random) for s in (4, 2)]


def plain_channel_wise(teacher, student, tau):
    total = 0.0
    for t, s in zip(teacher, student, strict=True):
        batch, channels = t.shape[:2]
        level = 0.0
        for b in range(batch):
            for c in range(channels):
                p, q = ([math.exp(v / tau) for v in x[b, c].flatten().tolist()] for x in (t, s))
                p, q = [v / sum(p) for v in p], [v / sum(q) for v in q]
                level += sum(i * math.log(i / j) for i, j in zip(p, q, strict=True))
        total += tau**2 / (batch * channels) * level
    return total / len(teacher)


@pytest.mark.parametrize("tau", [1.0, 3.0])
def test_channel_wise_distillation_equals_the_papers_sum(tau):
    teacher, student = features(0), features(1)
    expected = plain_channel_wise(teacher, student, tau)
    assert channel_wise(teacher, student, tau).item() == pytest.approx(expected, rel=1e-4)


def test_channel_wise_distillation_is_blind_to_a_constant_and_zero_when_alike():
    teacher = features(0)
    shifted = [level + torch.tensor([1.0, -2.0, 5.0]).view(1, 3, 1, 1) for level in teacher]
    assert channel_wise(teacher, shifted).item() == pytest.approx(0, abs=1e-5)


def yolov6_levels(seed):
    random = torch.Generator().manual_seed(seed)
    return [
        Level(
            torch.randn(2, 3, s, s, generator=random),
            torch.rand(2, 4, s, s, generator=random),
            None,
        )
        for s in (4, 2)
    ]


def yolov7_levels(seed):
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(2, 3, s, s, 8, generator=random) for s in (4, 2)]


@pytest.mark.parametrize("levels", [yolov6_levels, yolov7_levels])
def test_heads_that_speak_alike_are_not_apart(levels):
    assert head(levels(0), levels(0)).item() == pytest.approx(0, abs=1e-5)
    assert head(levels(0), levels(1)).item() > 0.1


def test_a_head_sees_the_constant_that_channels_do_not():
    teacher = yolov6_levels(0)
    shifted = [Level(level.classes + 1, level.boxes, None) for level in teacher]
    assert head(teacher, shifted).item() > 0.01


def test_boxes_count_where_the_teacher_is_sure():
    def level(score, side):
        return [Level(torch.full((1, 1, 1, 1), score), torch.full((1, 4, 1, 1), side), None)]

    sure = head(level(9.0, 1.0), level(9.0, 3.0)).item()
    unsure = head(level(-9.0, 1.0), level(-9.0, 3.0)).item()
    assert sure == pytest.approx(8, rel=1e-2)
    assert unsure < 0.01
