from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from quant_graphs import MODEL, detector, images
from quant_references import min_max_spec

pytest.importorskip("onnxruntime")

from calibration.quant.options.options import Options
from calibration.quant.plan.equalize import equalized
from calibration.quant.plan.prepare import prepare
from calibration.quant.spec import fingerprint
from calibration.workflow.decide import decide
from calibration.workflow.images import open_images, survey
from calibration.workflow.progress import Progress


def test_what_a_given_spec_equalizes_is_equalized_in_the_network_that_is_written():
    graph = detector()
    scenes = open_images("test:conveyor?frames=2", MODEL.labels, strict=False)
    looked = survey(scenes, lambda *_: None)
    factors = {"last": np.arange(1, 9, dtype=np.float32)}
    spec = min_max_spec(prepare(graph), images(1).real(0))
    schemes = {name: replace(each, equalization=factors) for name, each in spec.schemes.items()}
    spec = replace(spec, model=fingerprint.of_graph(prepare(graph)), schemes=schemes)
    options = Options(spec=spec)
    progress = Progress(io.StringIO())
    network = decide(graph, MODEL, looked, options, progress, None).network
    expected = equalized(prepare(graph), factors)
    written, _ = network.at("ncnn")
    assert fingerprint.of_graph(written) == fingerprint.of_graph(expected)
    assert fingerprint.of_graph(written) != fingerprint.of_graph(prepare(graph))
