from __future__ import annotations

from dataclasses import replace

import numpy as np
from quant_graphs import detector

from calibration.quant.spec import fingerprint


def test_the_same_network_has_the_same_print_and_any_change_another():
    graph = detector()
    assert fingerprint.of_graph(graph) == fingerprint.of_graph(detector())
    other = detector()
    other.constants["neck_plain/bias"][0] += 1e-6
    shorter = graph.rebuilt(outputs=["scores"])
    nodes = [
        replace(node, attributes={**node.attributes, "alpha": 1.0}) if node.op == "Relu" else node
        for node in graph.nodes
    ]
    prints = {
        fingerprint.of_graph(each)
        for each in (graph, other, shorter, detector(seed=1), graph.rebuilt(nodes=nodes))
    }
    assert len(prints) == 5


def test_arrays_count_with_their_order_shape_and_type():
    ones, zeros = np.ones(4, np.uint8), np.zeros(4, np.uint8)
    lists = [[ones, zeros], [zeros, ones], [ones], [ones.reshape(2, 2)], [ones.astype(np.int8)], []]
    assert len({fingerprint.of_arrays(arrays) for arrays in lists}) == len(lists)
