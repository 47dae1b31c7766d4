from __future__ import annotations

import numpy as np
import pytest
from quant_graphs import detector, image
from quant_references import min_max_spec, run

from calibration.quant.plan.planning import plan
from calibration.quant.plan.prepare import prepare
from calibration.workflow.measure import find, halves, overlap, race, row
from edge.evaluate import Agreement
from edge.io.datasets import Objects
from edge.package import read
from edge.types import Detections


@pytest.mark.parametrize("target", ["ncnn", "tflite"])
def test_the_halves_of_a_plan_add_up(target):
    graph = prepare(detector())
    planned = plan(graph, min_max_spec(graph, image()), target)
    exact = run(graph, image())["scores"]
    noise = {
        name: float(np.abs(run(half, image())["scores"] - exact).max())
        for name, half in halves(graph, planned).items()
    }
    assert min(noise.values()) > 0
    assert noise["both"] < 2 * (noise["weights only"] + noise["activations only"])


def test_only_weights_or_only_activations_are_rounded():
    graph = prepare(detector())
    planned = plan(graph, min_max_spec(graph, image()), "ncnn")
    ways = halves(graph, planned)
    kinds = {name: {node.op for node in way.nodes} for name, way in ways.items()}
    assert "QuantizeLinear" not in kinds["weights only"]
    assert "QuantizeLinear" in kinds["activations only"]
    for node in graph.nodes:
        if node.op == "Conv":
            kept_in_int8 = {n.name: n for n in ways["activations only"].nodes}[node.name].inputs[1]
            kept = ways["activations only"].constants[kept_in_int8]
            np.testing.assert_array_equal(kept, graph.constants[node.inputs[1]])


def test_what_a_package_finds_includes_low_scores(bccd, bccd_images):
    message = []
    result = find(read(bccd), "ncnn", "fp32", bccd_images, message.append, threads=1)
    assert message == [1, 2]
    assert all(each.scores.min() < 0.25 for each in result)


def test_a_race_times_every_runner(bccd, bccd_images):
    runners = [(read(bccd), "ncnn", "fp32")] * 2
    assert all(0 < seconds < 60 for seconds in race(runners, bccd_images[0], threads=1))


def one(score: float) -> Detections:
    box = np.array([[0, 0, 50, 50]], np.float32)
    return Detections(box, np.full(1, score, np.float32), np.zeros(1, np.int32))


def test_a_row_has_labels_only_where_there_are_some():
    sides = [one(0.9)] * 3, [one(0.8)] * 3
    assert row("x", *sides, None, 1).labels == {}
    truth = [Objects.of([[0, 0, 50, 50]], [0])] * 3
    made = row("x", *sides, truth, 1)
    assert made.labels["AP"].before == pytest.approx(1)
    assert made.agreement.agreed == 3


@pytest.mark.parametrize(
    ("counts", "expectation"), [((4, 4, 4), 1), ((4, 2, 2), 0.5), ((0, 0, 0), 1)]
)
def test_overlap_counts_what_either_finds(counts, expectation):
    expected, result, agreed = counts
    assert overlap(Agreement(0, 0, 0, 0, expected, result, agreed)) == expectation
