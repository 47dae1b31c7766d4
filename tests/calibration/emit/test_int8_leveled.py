"""Tensors whose channels have steps of their own, in every runtime."""

import numpy as np
import pytest
from int8_cases import images, network, ratios, run
from plans import outputs, plan_of, simulated

from calibration.check.int8_file import int8_layers
from calibration.emit import EMITTERS, int8_artifact
from calibration.quant.plan.equalize import equalized, multiplier, sites
from edge.formats.ncnn import read_network


def equalized_name(graph):
    """The network with a multiplication wherever there can be one."""
    random = np.random.default_rng(0)
    return equalized(
        graph,
        {
            name: np.exp2(random.uniform(-2, 2, graph.shapes[name][1])).astype(np.float32)
            for name, site in sites(graph).items()
            if site.producer is None or not site.readers
        },
    )


@pytest.mark.parametrize("skip", [(), ("node_depthwise", "node_boxes", "node_left")])
@pytest.mark.parametrize("target", EMITTERS)
def test_a_runtime_computes_the_plan(target, skip):
    graph = equalized_name(network("HardSwish"))
    assert sum(multiplier(graph, node) is not None for node in graph.nodes) > 8
    plan, image = plan_of(graph, images(4), target, skip), images(1, seed=9)[0]
    files = int8_artifact(graph, plan).files
    assert int8_layers(graph, plan, files) == set(plan.layers)
    exact, expected = outputs(graph, image), simulated(graph, plan, image)
    result = run(graph, plan, image, files)
    assert min(ratios(expected, exact)) > 20
    assert ratios(result, exact) == pytest.approx(ratios(expected, exact), abs=1.5)


def test_ncnn_multiplies_as_it_rounds():
    graph = network("HardSwish")
    factors = {
        name: np.linspace(0.5, 2, graph.shapes[name][1], dtype=np.float32)
        for name, site in sites(graph).items()
        if site.producer is None
    }
    graph = equalized(graph, factors)
    for skip in ((), ("node_boxes", "node_scores")):
        files = int8_artifact(graph, plan_of(graph, images(1), "ncnn", skip)).files
        types = [layer.type for layer in read_network(files["param"], files["bin"]).layers]
        assert types.count("Quantize") == len(factors) - bool(skip)
        assert not {"BinaryOp", "MemoryData"} & set(types)
