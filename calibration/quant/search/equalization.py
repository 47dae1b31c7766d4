"""Whether and where to equalize: the heads say, with every tensor's range as it was seen."""

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
from calibration.quant.plan.policy import policy
from calibration.quant.search import float_layers
from calibration.quant.search.build_context import STANDS_FOR, everything, pose, ranged
from edge.models.base import ModelSpec
from edge.types import Float32Array

_SEEN = 32  # images that the reach of channels is seen on
_WORTH = 0.03  # of the objective: less is noise
_WORTH_TIME = 0.1  # likewise, where multiplications are operators by themselves
_LEAST = 1e-3  # of the greatest reach: what is silent on the images is not blown up
_MOST = 256.0  # times more codes for a channel, at most

Factors = Mapping[str, Float32Array]


def chosen(
    graph: Graph, model: ModelSpec, inputs: Inputs, judges: Sequence[int], scheme: str
) -> tuple[Factors, dict[str, float]]:
    """The factors to equalize by, none where that brings nothing; and what the objective is.

    Args:
        graph: Prepared.
        model: Says what its outputs are.
        inputs: The images.
        judges: Which of them the objective is computed on.
        scheme: The kind of grid.

    Returns:
        By tensor, see `equalize.equalized`; and the objective "as it is", "in weights" and "with
        multiplications", the last two where they can be had.
    """
    some, few = inputs.take(inputs.spread(_SEEN)), inputs.take(judges)
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
        losses[name] = _loss(equalized(graph, factors), model, few, scheme)
        takes_time = name == "with multiplications" and policy(STANDS_FOR[scheme]).stores
        if losses[name] < (1 - (_WORTH_TIME if takes_time else _WORTH)) * losses[best]:
            best = name
    return tried[best], losses


def useful(graph: Graph, inputs: Inputs, scheme: str) -> dict[str, EqualizationPair]:
    """The tensors that are rounded, and can be equalized without more conversions of codes.

    Args:
        graph: Prepared.
        inputs: Say what the network may read.
        scheme: The kind of grid.
    """
    rules = policy(STANDS_FOR[scheme])
    planned = plan(graph, everything(graph, inputs, scheme), STANDS_FOR[scheme])
    found = {}
    for name, site in sites(graph).items():
        rounded = [node for node, _ in site.readers if node.name in planned.layers]
        stored = name in planned.stored
        if _is_free(site):
            found[name] = site
        elif not rules.stores:
            # A depthwise layer gains more than the conversion costs: none of it costs weights.
            deep = any(structure.is_depthwise(graph, node) for node in rounded)
            if rounded and (deep or not stored):
                found[name] = site
        elif (rounded and not stored) or (not site.readers and _is_left(graph, planned, name)):
            found[name] = site
    return found


def balance(graph: Graph, inputs: Inputs, able: Mapping[str, EqualizationPair]) -> Factors:
    """Factors that share the burden evenly between tensors and the weights that read them.

    Args:
        graph: Prepared.
        inputs: Images to see the reach of channels on.
        able: The tensors to equalize.
    """
    reaches = _reaches(graph, inputs, list(able))
    found = {}
    for tensor, site in able.items():
        reach = reaches[tensor]
        most = float(reach.max(initial=0))
        if most <= 0:
            continue
        factor = np.maximum(reach, _LEAST * most)
        shares = [share(graph, *each, len(reach)) for each in site.readers]
        weight = np.stack(shares).max(0) if shares else np.zeros_like(reach)
        if weight.any():
            factor = np.sqrt(factor / np.maximum(weight, _LEAST * weight.max()))
        factor *= (reach / factor).max() / most  # the reach of the whole tensor stays
        found[tensor] = factor.clip(1 / _MOST, None).astype(np.float32)
    return found


def _is_free(site: EqualizationPair) -> bool:
    return site.producer is not None and bool(site.readers)


def _is_left(graph: Graph, planned: Plan, name: str) -> bool:
    """Whether a tensor is kept as codes which floats alone are computed from."""
    producer, users = graph.producers[name], {*planned.layers, *planned.moves}
    readers = graph.consumers.get(name, ())
    apart = not any(node.name in users for node in readers)
    return apart and name in planned.stored and producer.name in planned.layers


def _reaches(graph: Graph, inputs: Inputs, names: list[str]) -> dict[str, Float32Array]:
    """(C,) by tensor: the greatest magnitude of each channel that matters, inside the images."""
    found = {name: np.zeros(graph.shapes[name][1], np.float32) for name in names}
    spans = {name: structure.effective_range(graph, name) for name in names}
    for chunk in chunks(graph, names):
        session = Session(graph.rebuilt(outputs=chunk))
        for index in range(len(inputs)):
            for name, values in zip(chunk, session(inputs.real(index)), strict=True):
                heard = inputs.image(index, values).clip(*spans[name])
                found[name] = np.maximum(found[name], np.abs(heard).max((0, 2, 3)))
    return found


def _loss(graph: Graph, model: ModelSpec, few: Inputs, scheme: str) -> float:
    spec = everything(graph, few, scheme)
    seen = observe(graph, few, ranged(spec))
    problem = pose(graph, model, few, seen, spec, len(few))
    ranges = {
        tensor: OBSERVERS["min-max"](values, symmetric=problem.policy.symmetric)
        for tensor, values in seen.items()
        if tensor not in graph.inputs
    }
    rounded = problem.with_ranges(problem.with_floats(spec, float_layers.refused(problem)), ranges)
    return problem.loss(rounded).total
