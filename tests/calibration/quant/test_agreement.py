from __future__ import annotations

import numpy as np
from quant_graphs import MODEL, detector
from quant_references import min_max_spec

from calibration.quant.agreement import agree, detections
from calibration.quant.inputs import Inputs
from calibration.quant.planning import plan
from calibration.quant.prepare import prepare
from calibration.quant.simulate import simulate


def test_a_network_agrees_with_itself_nearly_with_its_int8_and_not_with_another():
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (16, 16, 3)).astype(np.uint8) for _ in range(4)]
    graph = prepare(detector(seed=3))
    float_ = detections(graph, MODEL, images)
    assert sum((found.scores >= 0.3).sum() for found in float_) > 10
    assert agree(float_, float_, MODEL).ap == 1
    spec = min_max_spec(graph, Inputs.of(images, MODEL).real(0))
    int8 = detections(simulate(graph, plan(graph, spec, "tflite")), MODEL, images)
    other = detections(prepare(detector(seed=4)), MODEL, images)
    near, far = agree(float_, int8, MODEL), agree(float_, other, MODEL)
    assert 1 > near.ap > 2 * far.ap
    assert near.recall > far.recall
