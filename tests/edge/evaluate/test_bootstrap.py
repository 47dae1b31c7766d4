from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from coco_oracle import hard_set

from edge.evaluate import bootstrap, coco, evaluate
from edge.evaluate.bootstrap import PRECISIONS, average_precisions, differences
from edge.evaluate.matching import match
from edge.io.datasets import Objects
from edge.types import Detections


def distinct(seed):
    """A hard set without equal scores: copies of ties would be a matter of their order."""
    truth, result, classes = hard_set(seed)
    rng = np.random.default_rng(seed)
    count = iter(rng.permutation(10_000) / 10_000)
    scores = [np.array([next(count) for _ in each.scores], np.float32) for each in result]
    result = [replace(each, scores=values) for each, values in zip(result, scores, strict=True)]
    return truth, result, classes


def matched(truth, result, classes):
    return match(
        truth,
        result,
        classes=classes,
        iou_thresholds=coco.IOU_THRESHOLDS,
        area_ranges=coco.AREA_RANGES,
        max_detections=100,
    )


def expected(truth, result, classes):
    """(10, K, 4) average precisions by the evaluation itself."""
    precision = evaluate(truth, result, classes=classes).precision
    return np.where(precision[:, 0] < 0, np.nan, precision.mean(axis=1))


def test_images_that_count_once_give_the_evaluation_itself():
    for seed in range(100):
        truth, result, classes = hard_set(seed)
        ours = average_precisions(matched(truth, result, classes), np.ones((1, len(truth))))[0]
        np.testing.assert_allclose(ours, expected(truth, result, classes), atol=1e-12)


def test_images_that_count_several_times_or_never_give_the_evaluation_of_the_drawn_set():
    compared = 0
    for seed in range(100):
        truth, result, classes = distinct(seed)
        images = len(truth)
        drawn = np.sort(np.random.default_rng(seed).integers(0, images, (3, images)), axis=1)
        weights = np.stack([np.bincount(row, minlength=images) for row in drawn]).astype(float)
        ours = average_precisions(matched(truth, result, classes), weights)
        for row, found_here in zip(drawn, ours, strict=True):
            again = expected([truth[i] for i in row], [result[i] for i in row], classes)
            np.testing.assert_allclose(found_here, again, atol=1e-12)
            compared += np.isfinite(again).sum()
    assert compared > 1000


def test_small_parts_give_the_same(monkeypatch):
    truth, result, classes = hard_set(3)
    matches = matched(truth, result, classes)
    weights = np.random.default_rng(0).integers(0, 3, (7, len(truth))).astype(float)
    whole = average_precisions(matches, weights)
    monkeypatch.setattr(bootstrap, "_CELLS", 1)
    np.testing.assert_array_equal(average_precisions(matches, weights), whole)


def big(seed=0, count=60):
    """Many images with one class; what is found is the truth with a little noise."""
    rng = np.random.default_rng(seed)
    truth, result = [], []
    for _ in range(count):
        n = int(rng.integers(1, 6))
        rects = np.hstack([rng.uniform(0, 400, (n, 2)), rng.uniform(40, 120, (n, 2))])
        truth.append(Objects.of(rects, np.zeros(n, int)))
        boxes = np.hstack([rects[:, :2], rects[:, :2] + rects[:, 2:]])
        boxes += rng.normal(0, 3, boxes.shape)
        result.append(
            Detections(
                boxes.astype(np.float32),
                rng.uniform(0.2, 1, n).astype(np.float32),
                np.zeros(n, np.int32),
            )
        )
    return truth, result


def shifted(result, pixels):
    return [replace(each, boxes=each.boxes + np.float32(pixels)) for each in result]


def test_a_detector_does_not_differ_from_itself():
    truth, result = big()
    overall, _ = differences(truth, result, result, classes=1, resamples=200)
    assert overall.keys() == PRECISIONS.keys()
    for each in (overall["AP"], overall["AP50"], overall["APm"]):
        assert (each.low, each.high, each.before) == (0, 0, each.after)
        assert not each.significant


def test_a_worse_detector_is_found_so():
    truth, result = big()
    overall, (only,) = differences(truth, result, shifted(result, 8), classes=1, resamples=200)
    drop = overall["AP"]
    assert drop.significant
    assert drop.low <= drop.after - drop.before <= drop.high < 0
    assert drop.before == pytest.approx(evaluate(truth, result, classes=1).metrics["AP"], abs=1e-12)
    assert only["AP"] == drop


def test_pairing_makes_the_interval_of_a_small_difference_narrow():
    truth, result = big()
    other, _ = differences(truth, result, shifted(result, 0.5), classes=1, resamples=200)
    first, _ = differences(truth, [f[:0] for f in result], result, classes=1, resamples=200)
    paired = other["AP"].high - other["AP"].low
    alone = first["AP"].high - first["AP"].low  # of one detector's own AP
    assert paired < 0.5 * alone


def test_the_interval_holds_95_percent_of_the_resamples(monkeypatch):
    """Of AP changes -1 to 1 in 201 steps, by hand: ranks 5 and 195 of 0 to 200."""
    changes = np.random.default_rng(0).permutation(np.linspace(-1, 1, 201))
    second = np.concatenate([[0.0], changes])[:, None, None, None] * np.ones((1, 10, 1, 1))
    difference = bootstrap._compare(np.zeros_like(second), second)["AP"]
    assert (difference.low, difference.high) == pytest.approx((-0.95, 0.95), abs=1e-12)


def test_what_is_not_there_has_no_number():
    truth, result = big()
    overall, classes = differences(truth, result, result, classes=2, resamples=100)
    assert np.isnan(overall["APs"].before)
    assert np.isnan(classes[1]["AP"].low)
    assert not classes[1]["AP"].significant


def test_no_images_are_no_error():
    overall, _ = differences([], [], [], classes=1, resamples=100)
    assert np.isnan(overall["AP"].before)


def test_the_same_seed_gives_the_same_interval():
    truth, result = big()
    other = shifted(result, 1)
    one, two = (differences(truth, result, other, classes=1, resamples=100)[0] for _ in range(2))
    assert one["AP"] == two["AP"]
    three, _ = differences(truth, result, other, classes=1, resamples=100, seed=1)
    assert three["AP"] != one["AP"]


def test_without_sizes_the_other_numbers_are_the_same():
    truth, result = big()
    other = shifted(result, 2)
    whole, each = differences(truth, result, other, classes=1, resamples=50)
    part, each_part = differences(truth, result, other, classes=1, resamples=50, by_size=False)
    assert part == {name: whole[name] for name in ("AP", "AP50", "AP75")}
    assert each_part == [{name: result[name] for name in part} for result in each]
