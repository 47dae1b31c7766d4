from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quant_graphs import MODEL, images

from calibration.quant.simulate.heads import levels
from calibration.quant.simulate.objective import Objective
from edge.errors import CalibrationError

ANCHORED = replace(
    MODEL, family="yolov7", form="heads", output_names=("head",), anchors=(((4.0, 4.0),) * 3,)
)
CENTERS = replace(MODEL, family="yolox", form="centers", output_names=("a", "b", "c"))
MAPS = replace(MODEL, family="nanodet", form="maps", output_names=("map",))
MODELS = {"split": MODEL, "anchored": ANCHORED, "centers": CENTERS, "maps": MAPS}
CHANNELS = {"split": (2, 4), "heads": (21,), "centers": (2, 4, 1), "maps": (2 + 4 * 8,)}


def outputs(model, seed=0, size=4):
    random = np.random.default_rng(seed)
    shapes = [(1, channels, size, size) for channels in CHANNELS[model.form]]
    return tuple(random.normal(-1, 2, shape).astype(np.float32) for shape in shapes)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_heads_are_taken_apart_into_classes_boxes_and_objects(model):
    (level,) = levels(outputs(model), model)
    anchors = 3 if model is ANCHORED else 1
    assert level.classes.shape == (1, anchors, 2, 4, 4)
    assert level.boxes.shape == (1, anchors, 32 if model is MAPS else 4, 4, 4)
    assert (level.objects is None) == (model in (MODEL, MAPS))
    assert level.activated == (model is ANCHORED)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_equal_heads_have_no_distance_and_others_more_the_further_they_are(model):
    teacher = [outputs(model, seed) for seed in range(2)]
    objective = Objective(images(2), model, teacher)
    assert objective(teacher).total == pytest.approx(0, abs=1e-5)
    noise = [outputs(model, seed + 9) for seed in range(2)]
    losses = [
        objective(
            [
                tuple(t + share * n for t, n in zip(one, other, strict=True))
                for one, other in zip(teacher, noise, strict=True)
            ]
        )
        for share in (0.01, 0.1, 0.5)
    ]
    for part in ("channels", "scores", "boxes", "total"):
        results = [getattr(loss, part) for loss in losses]
        assert 0 < results[0] < results[1] < results[2]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_constant_on_a_channel_is_seen_by_the_head_terms_alone(model):
    teacher = [outputs(model)]
    objective = Objective(images(1), model, teacher)
    loss = objective([tuple(values + 0.5 for values in teacher[0])])
    assert loss.channels == pytest.approx(0, abs=1e-5)
    assert loss.scores > 0.01
    assert loss.boxes > 0.01


def test_what_lies_around_the_image_does_not_count():
    teacher = [outputs(MODEL)]
    objective = Objective(images(1), MODEL, teacher)
    changed = tuple(values.copy() for values in teacher[0])
    for values in changed:
        values[:, :, 3:] += 7
    assert objective([changed]).total == pytest.approx(0, abs=1e-5)


def test_terms_are_those_of_their_definitions():
    teacher, student = outputs(MODEL, 0), outputs(MODEL, 1)
    inputs = images(1)
    loss = Objective(inputs, MODEL, [teacher])([student])
    (scores, boxes), (ours, other) = (
        [inputs.image(0, values).astype(np.float64)[0].reshape(values.shape[1], -1) for values in v]
        for v in (teacher, student)
    )
    both = np.concatenate([scores, boxes]), np.concatenate([ours, other])
    t, s = (np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in both)
    assert loss.channels == pytest.approx((t * np.log(t / s)).sum(1).mean(), rel=1e-4)
    p, q = (1 / (1 + np.exp(-x)) for x in (scores, ours))
    kl = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    sure = p.max(0)
    assert loss.scores == pytest.approx(kl.sum() / max(sure.sum(), 1), rel=1e-4)
    distance = (np.abs(boxes - other).mean(0) * sure).sum() / max(sure.sum(), 1)
    assert loss.boxes == pytest.approx(distance, rel=1e-4)


def test_a_whole_network_is_refused_in_words():
    with pytest.raises(CalibrationError, match="raw outputs of its last convolutions"):
        levels(outputs(MODEL), replace(MODEL, form="rows"))
