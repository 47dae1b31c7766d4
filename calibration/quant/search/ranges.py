"""Ranges by observers: the best one for the whole network, to begin with."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from calibration.quant.observe.observers import OBSERVERS
from calibration.quant.plan import structure
from calibration.quant.search.context import SearchContext
from calibration.quant.spec.spec import QuantSpec, Range

CandidateRanges = Mapping[str, Mapping[str, Range]]  # by observer and tensor


def opinions(
    context: SearchContext, observers: Collection[str] = tuple(OBSERVERS)
) -> CandidateRanges:
    """What observers say of each tensor; tensors with the same parameters get the union.

    The network's input keeps its range: a camera may give any of it, whatever was seen.

    Args:
        context: The network, and what its tensors held.
        observers: Keys into `OBSERVERS`.
    """
    shared = structure.groups(context.graph, context.rules)
    symmetric = context.rules.symmetric
    results: dict[str, dict[str, Range]] = {}
    for number, name in enumerate(observers):
        own = {
            tensor: OBSERVERS[name](histogram, symmetric=symmetric)
            for tensor, histogram in context.histograms.items()
            if tensor not in context.graph.inputs
        }
        results[name] = {tensor: _union(own, shared.get(tensor, (tensor,))) for tensor in own}
        context.progress(number + 1, len(observers))
    return results


def best_for_all(
    context: SearchContext, spec: QuantSpec, candidates: CandidateRanges
) -> tuple[QuantSpec, dict[str, float]]:
    """The spec with the ranges of the one observer that serves the whole network best.

    Returns:
        The spec, and the objective by observer.
    """
    losses = {}
    for number, (name, ranges) in enumerate(candidates.items()):
        losses[name] = context.loss(context.with_ranges(spec, ranges)).total
        context.progress(number + 1, len(candidates))
    best = min(losses, key=lambda name: losses[name])
    return context.with_ranges(spec, candidates[best]), losses


def _union(ranges: Mapping[str, Range], names: tuple[str, ...]) -> Range:
    known = [ranges[name] for name in names if name in ranges]
    return min(low for low, _ in known), max(high for _, high in known)
