from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.io.sinks.box_tally import BoxTally
from edge.types import Detections, Failure


@pytest.fixture
def showing(result):
    """A result that shows objects of these classes."""

    def make(*class_ids):
        n = len(class_ids)
        boxes, scores = np.zeros((n, 4), np.float32), np.ones(n, np.float32)
        return replace(
            result(), detections=Detections(boxes, scores, np.array(class_ids, np.int32))
        )

    return make


def test_objects_are_counted_by_class_and_frames_by_what_they_show(showing):
    box_tally = BoxTally(("bolt", "nut"))
    for class_ids in ((1, 0, 1), (), (1,)):
        box_tally.write(showing(*class_ids))
    box_tally.write_failure(Failure(3, 0.0, "d.jpg", "not an image"))
    assert str(box_tally) == "saw 3 nut, 1 bolt in 2 of 3 frames"


def test_a_class_without_a_name_has_a_number(showing):
    box_tally = BoxTally(("bolt",))
    box_tally.write(showing(7))
    assert str(box_tally) == "saw 1 7 in 1 of 1 frames"


def test_nothing_is_said_to_be_nothing(showing):
    box_tally = BoxTally(("bolt",))
    box_tally.write(showing())
    assert str(box_tally) == "saw nothing in 0 of 1 frames"
