from __future__ import annotations

import numpy as np
import pytest
from quant_graphs import detector, images
from quant_references import tensors

from calibration.quant.observe import histograms as module
from calibration.quant.observe.histograms import Histogram, observe


def test_every_value_is_counted_once_within_its_bin():
    random = np.random.default_rng(0)
    values = random.normal(0, 3, 5000).astype(np.float32)
    values[:500] = 0
    histograms = Histogram()
    histograms.add(values[:1000])
    histograms.add(values[1000:])
    middles, counts = histograms.bins()
    assert counts.sum() == 5000
    assert counts[middles == 0] == 500
    assert (np.diff(middles) > 0).all()
    assert (histograms.low, histograms.high) == (values.min(), values.max())
    assert (middles * counts).sum() == pytest.approx(values.sum(dtype=np.float64), abs=5000 * 0.03)
    assert counts[middles < 0].sum() == (values < 0).sum()


def test_what_is_no_number_is_not_counted():
    histograms = Histogram()
    histograms.add(np.array([1, np.nan, np.inf, -np.inf, -2], np.float32))
    assert histograms.bins()[1].sum() == 2
    assert (histograms.low, histograms.high) == (-2, 1)


def test_what_a_hard_swish_takes_for_minus_three_is_counted_as_that():
    graph, inputs = detector(activation="HardSwish"), images(2)
    loud = {"deep_plain/weight": 20 * graph.constants["deep_plain/weight"]}
    graph = graph.rebuilt(constants=loud)
    result = observe(graph, inputs, ["deep_plain", "scores"])
    values = [tensors(graph, inputs.real(i))["deep_plain"] for i in range(2)]
    inside = np.concatenate([inputs.image(i, v).reshape(-1) for i, v in enumerate(values)])
    assert inside.min() < -3
    assert result["deep_plain"].low == -3
    middles, counts = result["deep_plain"].bins()
    assert middles[0] == -3
    assert counts[0] >= (inside <= -3).sum()
    assert counts.sum() == inside.size


def test_a_network_is_observed_inside_its_images_however_it_is_cut(monkeypatch):
    graph, inputs = detector(activation="LeakyRelu"), images(3)
    names = ["image", "stem", "wide", "scores"]
    whole = observe(graph, inputs, names)
    answer = []
    monkeypatch.setattr(module, "_BYTES", 1)
    apart = observe(graph, inputs, names, lambda done, total: answer.append((done, total)))
    assert answer == [(n, 9) for n in range(1, 10)]
    for name in names:
        parts = [
            inputs.image(index, tensors(graph, inputs.real(index))[name]) for index in range(3)
        ]
        values = np.concatenate([part.reshape(-1) for part in parts])
        for histograms in (whole[name], apart[name]):
            assert histograms.bins()[1].sum() == values.size
            assert histograms.low == pytest.approx(values.min(), abs=1e-5)
            assert histograms.high == pytest.approx(values.max(), abs=1e-5)
