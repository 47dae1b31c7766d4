"""Whether and where to equalize: the heads say, with every tensor's range as it was observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from calibration.graph import Graph
from calibration.quant.observe.histograms import chunks, observe
from calibration.quant.observe.inputs import Inputs
from calibration.quant.observe.observers import OBSERVERS
from calibration.quant.observe.session import Session
from calibration.quant.plan import structure
from calibration.quant.plan.equalize import EqualizationPair, equalized, share, sites
from calibration.quant.plan.plan import Plan
from calibration.quant.plan.planning import plan
from calibration.quant.search import float_layers
from calibration.quant.search.build_context import build, everything, ranged
from calibration.runtimes import STANDS_FOR
from edge.models.base import ModelSpec
from edge.types import Float32Array

_OBSERVED = 32  # images that the magnitudes of channels are observed on
_WORTH = 0.03  # of the objective: less is noise
_WORTH_TIME = 0.1  # likewise, where multiplications are operators by themselves
_MIN_SHARE = 1e-3  # of the greatest magnitude: what is silent on the images is not blown up
_MAX_FACTOR = 256.0  # times more codes for a channel, at most

Factors = Mapping[str, Float32Array]


def chosen(
    graph: Graph, model: ModelSpec, inputs: Inputs, held_out: Sequence[int], scheme: str
) -> tuple[Factors, dict[str, float]]:
    """The factors to equalize by, none where that brings nothing; and what the objective is.

    Args:
        graph: Prepared.
        model: Says what its outputs are.
        inputs: The images.
        held_out: Which of them the objective is computed on.
        scheme: "symmetric" or "asymmetric".

    Returns:
        By tensor, see `equalize.equalized`; and the objective "as it is", "in weights" and "with
        multiplications", the last two where they can be had.
    """
    some, subset = inputs.take(inputs.spread(_OBSERVED)), inputs.take(held_out)
    able = useful(graph, some, scheme)
    free = balance(graph, some, {name: site for name, site in able.items() if _is_free(site)})
    # What is multiplied is what the weights, whose factors cost no time, leave uneven.
    even = equalized(graph, free)
    left = {name: site for name, site in sites(even).items() if name in able and name not in free}
    apart = balance(even, some, left)
    tried: dict[str, Factors] = {"as it is": {}}
    tried |= {"in weights": free} if free else {}
    tried |= {"with multiplications": {**free, **apart}} if apart else {}
    if len(tried) == 1:
        return {}, {}
    losses = {}
    best = "as it is"
    for name, factors in tried.items():
        losses[name] = _loss(equalized(graph, factors), model, subset, scheme)
        takes_time = name == "with multiplications" and STANDS_FOR[scheme].stores
        if losses[name] < (1 - (_WORTH_TIME if takes_time else _WORTH)) * losses[best]:
            best = name
    return tried[best], losses


def useful(graph: Graph, inputs: Inputs, scheme: str) -> dict[str, EqualizationPair]:
    """The tensors that are rounded, and can be equalized without more conversions of codes.

    Args:
        graph: Prepared.
        inputs: Say what the network may read.
        scheme: "symmetric" or "asymmetric".
    """
    rules = STANDS_FOR[scheme]
    planned = plan(graph, everything(graph, inputs, scheme), rules.name)
    results = {}
    for name, site in sites(graph).items():
        rounded = [node for node, _ in site.readers if node.name in planned.layers]
        kept_in_int8 = name in planned.kept_in_int8
        if _is_free(site):
            results[name] = site
        elif not rules.stores:
            # A depthwise layer gains more than the conversion costs: none of it costs weights.
            deep = any(structure.is_depthwise(graph, node) for node in rounded)
            if rounded and (deep or not kept_in_int8):
                results[name] = site
        elif (rounded and not kept_in_int8) or (
            not site.readers and _is_left(graph, planned, name)
        ):
            results[name] = site
    return results


def balance(graph: Graph, inputs: Inputs, able: Mapping[str, EqualizationPair]) -> Factors:
    """Factors that share the burden evenly between tensors and the weights that read them.

    Args:
        graph: Prepared.
        inputs: Images to observe the magnitudes of channels on.
        able: The tensors to equalize.
    """
    max_abs_of = _max_abs(graph, inputs, list(able))
    results = {}
    for tensor, site in able.items():
        max_abs = max_abs_of[tensor]
        limit = float(max_abs.max(initial=0))
        if limit <= 0:
            continue
        factor = np.maximum(max_abs, _MIN_SHARE * limit)
        shares = [share(graph, *each, len(max_abs)) for each in site.readers]
        weight = np.stack(shares).max(0) if shares else np.zeros_like(max_abs)
        if weight.any():
            factor = np.sqrt(factor / np.maximum(weight, _MIN_SHARE * weight.max()))
        factor *= (
            max_abs / factor
        ).max() / limit  # the greatest magnitude of the whole tensor stays
        results[tensor] = factor.clip(1 / _MAX_FACTOR, None).astype(np.float32)
    return results


def _is_free(site: EqualizationPair) -> bool:
    return site.producer is not None and bool(site.readers)


def _is_left(graph: Graph, planned: Plan, name: str) -> bool:
    """Whether a tensor is kept as codes which float layers alone read."""
    producer, users = graph.producers[name], {*planned.layers, *planned.pass_through}
    readers = graph.consumers.get(name, ())
    apart = not any(node.name in users for node in readers)
    return apart and name in planned.kept_in_int8 and producer.name in planned.layers


def _max_abs(graph: Graph, inputs: Inputs, names: list[str]) -> dict[str, Float32Array]:
    """(C,) by tensor: the greatest magnitude of each channel that matters, inside the images."""
    results = {name: np.zeros(graph.shapes[name][1], np.float32) for name in names}
    spans = {name: structure.effective_range(graph, name) for name in names}
    for chunk in chunks(graph, names):
        session = Session(graph.rebuilt(outputs=chunk))
        for index in range(len(inputs)):
            for name, values in zip(chunk, session(inputs.real(index)), strict=True):
                inside = inputs.image(index, values).clip(*spans[name])
                results[name] = np.maximum(results[name], np.abs(inside).max((0, 2, 3)))
    return results


def _loss(graph: Graph, model: ModelSpec, subset: Inputs, scheme: str) -> float:
    spec = everything(graph, subset, scheme)
    histograms = observe(graph, subset, ranged(spec))
    context = build(graph, model, subset, histograms, spec, len(subset))
    ranges = {
        tensor: OBSERVERS["min-max"](values, symmetric=context.rules.symmetric)
        for tensor, values in histograms.items()
        if tensor not in graph.inputs
    }
    rounded = context.with_ranges(context.with_floats(spec, float_layers.refused(context)), ranges)
    return context.loss(rounded).total
