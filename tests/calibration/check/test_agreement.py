from __future__ import annotations

import numpy as np
from quant_graphs import MODEL, detector
from quant_references import min_max_spec

from calibration.check.agreement import agree, detections
from calibration.quant.observe.inputs import Inputs
from calibration.quant.plan.planning import plan
from calibration.quant.plan.prepare import prepare
from calibration.quant.simulate.simulate import simulate
from edge.types import Detections


def test_a_network_agrees_with_itself_nearly_with_its_int8_and_not_with_another():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (16, 16, 3)).astype(np.uint8) for _ in range(4)]
    graph = prepare(detector(seed=3))
    float_ = detections(graph, MODEL, images)
    assert sum((result.scores >= 0.3).sum() for result in float_) > 10
    assert agree(float_, float_).ap == 1
    spec = min_max_spec(graph, Inputs.of(images, MODEL).real(0))
    int8 = detections(simulate(graph, plan(graph, spec, "tflite")), MODEL, images)
    other = detections(prepare(detector(seed=4)), MODEL, images)
    near, far = agree(float_, int8), agree(float_, other)
    assert 1 > near.ap > 2 * far.ap
    assert near.recall > far.recall


def boxes(*class_ids):
    corners = np.arange(len(class_ids), dtype=np.float32)[:, None] * 30 + [0, 0, 20, 20]
    scores = np.full(len(class_ids), 0.9, np.float32)
    return Detections(corners.astype(np.float32), scores, np.array(class_ids, np.int32))


def test_a_class_that_is_there_once_counts_as_much_as_any_detection():
    many, one = [boxes(*[0] * 11)] * 9, [boxes(*[0] * 10, 1)]
    missed = agree([*many, *one], [*many, boxes(*[0] * 10)])
    assert (missed.expected, missed.agreed) == (110, 109)
    assert missed.ap50 > 0.98


def test_a_box_of_another_class_is_another_box():
    assert agree([boxes(0, 0, 0, 0)], [boxes(0, 0, 0, 1)]).agreed == 3
