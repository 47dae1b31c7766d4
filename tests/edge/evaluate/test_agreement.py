from dataclasses import astuple

import numpy as np
import pytest
from coco_oracle import detections

from edge.evaluate import agreement


def some(seed: int = 0, n: int = 12):
    """Detections of one image that do not overlap, scores .35 to .95."""
    rng = np.random.default_rng(seed)
    start = np.stack([np.arange(n) * 50.0, rng.integers(0, 200, n)], axis=1)
    boxes = np.hstack([start, start + rng.integers(20, 40, (n, 2))])
    return detections(boxes, np.linspace(0.95, 0.35, n), np.arange(n) % 3)


def moved(result, *, boxes=0.0, scores=0.0, classes=0):
    return detections(
        result.boxes + boxes, result.scores + scores, (result.class_ids + classes) % 3
    )


class TestAgreementIsFull:
    def test_of_detections_with_themselves(self):
        full = agreement([some()], [some()], classes=3)
        assert (full.recall, full.precision) == (1, 1)
        assert (full.ap, full.ap50) == (pytest.approx(1), pytest.approx(1))
        assert (full.expected, full.detections, full.agreed) == (12, 12, 12)

    def test_whatever_lies_below_the_threshold_on_either_side(self):
        weak = detections([[900, 900, 950, 950]], [0.29], [0])
        both = agreement([some(), weak], [some(), weak], classes=3)
        assert (both.recall, both.precision, both.expected) == (1, 1, 12)


class TestAgreementFallsWhen:
    def test_one_detection_stands_for_two(self):
        twice = detections([[0, 0, 10, 10], [0, 1, 10, 11]], [0.9, 0.8], [0, 0])
        once = detections([[0, 0, 10, 10]], [0.9], [0])
        assert agreement([twice], [once], classes=1).recall == 0.5
        assert agreement([once], [twice], classes=1).precision == 0.5

    def test_the_class_is_another(self):
        other = agreement([some()], [moved(some(), classes=1)], classes=3)
        assert (other.recall, other.precision, other.ap50) == (0, 0, 0)

    def test_boxes_are_elsewhere(self):
        assert agreement([some()], [moved(some(), boxes=25)], classes=3).recall < 0.1

    def test_boxes_overlap_by_exactly_half(self):
        wide = detections([[0, 0, 10, 20]], [0.9], [0])
        half = detections([[0, 0, 10, 10]], [0.9], [0])
        assert agreement([wide], [half], classes=1).recall == 0
        more = detections([[0, 0, 10, 10.01]], [0.9], [0])
        assert agreement([wide], [more], classes=1).recall == 1

    def test_scores_sink_below_the_threshold(self):
        # Boxes and order are perfect, so AP sees nothing wrong: the counts must.
        sunk = agreement([some()], [moved(some(), scores=-0.3)], classes=3)
        assert sunk.ap == pytest.approx(1)
        assert sunk.recall < 0.6

    def test_background_rises_above_the_threshold(self):
        rng = np.random.default_rng(1)
        start = rng.integers(600, 900, (30, 2))
        noise = detections(np.hstack([start, start + 9]), np.full(30, 0.31), rng.integers(0, 3, 30))
        shown = detections(
            np.vstack([some().boxes, noise.boxes]),
            np.r_[some().scores, noise.scores],
            np.r_[some().class_ids, noise.class_ids],
        )
        result = agreement([some()], [shown], classes=3)
        assert (result.recall, result.precision) == (1, 12 / 42)

    def test_images_are_mixed_up(self):
        mixed = agreement([some(0), some(1)], [some(1), some(0)], classes=3)
        assert mixed.recall < 0.6

    def test_nothing_is_found(self):
        nothing = detections([], [], [])
        assert agreement([some()], [nothing], classes=3).recall == 0
        assert agreement([some()], [nothing], classes=3).precision == -1
        assert astuple(agreement([nothing], [nothing], classes=3))[:4] == (-1, -1, -1, -1)


def test_more_than_a_hundred_detections_are_all_counted():
    many = some(n=150)
    assert agreement([many], [many], classes=3).agreed == 150
    one_class = detections(many.boxes, many.scores, np.zeros(150))
    assert agreement([one_class], [one_class], classes=1).agreed == 150


def test_the_number_of_images_must_be_the_same():
    with pytest.raises(ValueError, match="labels of 1 images, detections of 0"):
        agreement([some()], [], classes=3)
