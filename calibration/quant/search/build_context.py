"""From a network and images to the context of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from calibration.graph import Graph
from calibration.quant.observe.histograms import Histogram
from calibration.quant.observe.inputs import Inputs
from calibration.quant.plan import structure
from calibration.quant.plan.planning import plan
from calibration.quant.search.context import SearchContext
from calibration.quant.search.weights import largest
from calibration.quant.simulate.incremental import IncrementalSimulator
from calibration.quant.simulate.objective import Objective
from calibration.quant.spec.spec import QuantSpec, Scheme
from calibration.runtimes import STANDS_FOR
from edge.errors import CalibrationError
from edge.models.base import ModelSpec


def everything(graph: Graph, inputs: Inputs, scheme: str) -> QuantSpec:
    """All in INT8 that can be; the ranges say nothing yet, but for the input's.

    Raises:
        CalibrationError: Nothing can be.
    """
    rules = STANDS_FOR[scheme]
    able = [
        node
        for node in structure.convolutions(graph)
        if structure.refusal(graph, node, rules) is None
    ]
    if not able:
        raise CalibrationError("the network has no convolution that can be INT8")
    tensors = {name for node in graph.nodes for name in node.outputs if name}
    all_ranges = dict.fromkeys(tensors, (0.0, 1.0)) | dict.fromkeys(graph.inputs, inputs.limits())
    decided = Scheme(all_ranges, {node.name: largest(graph, node) for node in able})
    planned = plan(graph, QuantSpec({scheme: decided}), rules.name)
    shared = structure.groups(graph, rules)
    names = sorted({n for name in planned.tensors for n in shared.get(name, (name,))})
    ranges = {name: decided.ranges[name] for name in names}
    return QuantSpec({scheme: replace(decided, ranges=ranges)})


def ranged(spec: QuantSpec) -> set[str]:
    """The tensors that a spec has ranges of."""
    return {name for scheme in spec.schemes.values() for name in scheme.ranges}


def build(
    graph: Graph,
    model: ModelSpec,
    inputs: Inputs,
    histograms: Mapping[str, Histogram],
    spec: QuantSpec,
    images: int,
) -> SearchContext:
    """The context in which a network is quantized.

    Args:
        graph: Prepared, and equalized.
        model: Says what its outputs are.
        inputs: All images.
        histograms: The values of every tensor that may be quantized.
        spec: From `everything`.
        images: How many of them the objective is computed on, evenly over all.
    """
    (scheme,) = spec.schemes
    held_out = inputs.spread(images)
    subset = inputs.take(held_out)
    target = STANDS_FOR[scheme].name
    trial = IncrementalSimulator(graph, spec, target, subset)
    objective = Objective(subset, model, trial.set_baseline(None))
    return SearchContext(
        graph, model, target, inputs, histograms, trial, objective, held_out, _nobody
    )


def _nobody(done: int, total: int) -> None:
    del done, total
