"""The steps that need no torch, on a network small enough to see through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from quant_graphs import MODEL, Builder, images
from quant_references import min_max_spec, tensors

from calibration.quant.observe.histograms import Histogram
from calibration.quant.plan.planning import weight_codes
from calibration.quant.search import float_layers, ranges, ranges_per_tensor, sensitivity, weights
from calibration.quant.search.context import SearchContext
from calibration.quant.simulate.incremental import IncrementalSimulator
from calibration.quant.simulate.objective import Objective
from calibration.quant.spec.spec import QuantSpec
from calibration.runtimes import runtime


def network():
    net = Builder(seed=2)
    stem = net.conv("stem", "image", (8, 3, 3, 3), strides=(2, 2))
    cheap = net.conv("cheap", stem, (8, 1, 3, 3), group=8, strides=(2, 2))
    dear = net.conv("dear", cheap, (8, 1, 5, 5), group=8)
    last = net.add("Relu", "last", net.conv("body", dear, (8, 8, 1, 1)))
    net.conv("scores", last, (2, 8, 1, 1))
    net.conv("boxes", last, (4, 8, 1, 1))
    return net.graph("scores", "boxes")


@pytest.fixture(scope="module")
def posed() -> tuple[SearchContext, QuantSpec]:
    graph, inputs = network(), images(2)
    values = tensors(graph, inputs.real(0))
    histograms = {name: Histogram() for name in ("stem", "cheap", "dear", "last")}
    for name, histogram in histograms.items():
        histogram.add(np.ascontiguousarray(values[name]))
    spec = min_max_spec(graph, inputs.real(0))
    scheme = spec.schemes["asymmetric"]
    kept = {name: scheme.ranges[name] for name in histograms} | {"image": inputs.limits()}
    spec = QuantSpec({runtime("ncnn").scheme: replace(scheme, ranges=kept)})
    trial = IncrementalSimulator(graph, spec, "ncnn", inputs)
    objective = Objective(inputs, MODEL, trial.set_baseline(None))
    held_out = range(len(inputs))
    problem = SearchContext(
        graph, MODEL, "ncnn", inputs, histograms, trial, objective, held_out, lambda d, t: None
    )
    return problem, spec


def test_the_observer_that_is_chosen_is_the_best_of_all(posed):
    problem, spec = posed
    answer = ranges.opinions(problem)
    assert all("image" not in opinion for opinion in answer.values())
    chosen, losses = ranges.best_for_all(problem, spec, answer)
    assert problem.loss(chosen).total == pytest.approx(min(losses.values()))
    assert problem.scheme(chosen).ranges["image"] == (0.0, 1.0)


def test_a_layer_alone_costs_more_than_none_and_saves_when_it_is_float(posed):
    problem, spec = posed
    alone = sensitivity.alone(problem, spec)
    assert set(alone) == {f"n_{n}" for n in ("stem", "cheap", "dear", "body", "scores", "boxes")}
    assert all(cost > 0 for cost in alone.values())
    saved = sensitivity.without(problem, spec)
    base = problem.loss(spec).total
    changed = problem.with_floats(spec, {"n_stem": ""})
    assert saved["n_stem"] == pytest.approx(base - problem.loss(changed).total, rel=1e-6)


def test_depthwise_layers_are_float_as_far_as_the_budget_goes(posed):
    problem, spec = posed
    work = problem.operations()
    one = work["n_cheap"] / sum(work.values())
    both = one + work["n_dear"] / sum(work.values())
    cost = {"n_cheap": 1.0, "n_dear": 2.0}  # the first costs more for its work
    assert float_layers.depthwise(problem, spec, cost, one / 2) is None
    for budget, expected in ((one * 1.01, {"n_cheap"}), (both * 1.01, {"n_cheap", "n_dear"})):
        result = float_layers.depthwise(problem, spec, cost, budget)
        assert set(problem.scheme(result).float_layers) == expected
        assert float_layers.share(problem, problem.scheme(result).float_layers) <= budget


def test_greedy_floats_help_and_keep_to_the_budget(posed):
    problem, spec = posed
    saved = sensitivity.without(problem, spec)
    result = float_layers.greedy(problem, spec, saved, 0.5)
    chosen = problem.scheme(result).float_layers
    assert 0 < float_layers.share(problem, chosen) <= 0.5
    assert problem.loss(result).total < problem.loss(spec).total
    assert problem.scheme(float_layers.greedy(problem, spec, saved, 0.0)).float_layers == {}


def test_float_layers_that_hardly_serve_return_to_int8(posed):
    problem, spec = posed
    every = dict.fromkeys(problem.layers(spec), "")
    whole = problem.with_floats(spec, every)
    result = float_layers.returned(problem, whole, {"n_boxes"})
    left = problem.scheme(result).float_layers
    assert "n_boxes" in left
    assert set(left) == set(every)  # of a perfect network nothing is lost lightly
    spec = problem.with_ranges(spec, {"dear": (0.0, 0.0), "cheap": (-50.0, 50.0)})
    spoilt = problem.with_floats(spec, {"n_dear": "", "n_stem": "", "n_boxes": ""})
    result = float_layers.returned(problem, spoilt, {"n_boxes"})
    assert set(problem.scheme(result).float_layers) < {"n_dear", "n_stem", "n_boxes"}
    assert problem.loss(result).total <= 1.03 * problem.loss(spoilt).total


def test_layers_that_return_to_int8_cost_little_together(posed, monkeypatch):
    problem, spec = posed
    monkeypatch.setattr(float_layers, "_WORTH", 10.0)
    limit = problem.with_floats(spec, dict.fromkeys(problem.layers(spec)[1:], ""))
    result = float_layers.returned(problem, limit, ())
    assert problem.loss(result).total < 1.1 * problem.loss(limit).total


def test_a_range_that_cuts_nearly_all_is_found_and_mended(posed):
    problem, spec = posed
    broken = problem.with_ranges(spec, {"dear": (-0.01, 0.01)})
    answer = ranges.opinions(problem)
    result = ranges_per_tensor.search(problem, broken, answer, {"n_body": 1.0}, limit=1)
    assert problem.loss(result).total < problem.loss(broken).total / 2
    changed = {
        name
        for name, range_ in problem.scheme(result).ranges.items()
        if range_ != problem.scheme(broken).ranges[name]
    }
    assert changed == {"dear"}


def test_steps_of_weights_reach_the_largest_or_make_the_error_least():
    graph = network()
    node = graph.producers["stem"]
    weight = graph.constants["stem/weight"]
    weight[5] = 0
    full, best = weights.largest(graph, node), weights.least_error(graph, node)
    max_abs = np.abs(weight_codes(weight, full.weight_scales).reshape(8, -1)).max(1)
    assert max_abs.tolist() == [127] * 5 + [0] + [127] * 2
    assert full.weight_scales[5] == full.weight_scales.max()
    errors = [
        ((weight_codes(weight, s) * s.reshape(-1, 1, 1, 1) - weight) ** 2).sum((1, 2, 3))
        for s in (full.weight_scales, best.weight_scales)
    ]
    assert (errors[1] <= errors[0] + 1e-9).all()
